#include "plugins/http/service_dialler.h"

#include <fmt/format.h>

#include <iterator>

#include "net/proxy_protocol.h"
#include "route/dial.h"
#include "runtime/timer.h"

namespace fairlead::http_plugin {
namespace {

// LOCAL: a connection of our own, for nobody.
std::string local_proxy_header(std::uint32_t version) {
  if (version == 1) return "PROXY UNKNOWN\r\n";
  return std::string("\r\n\r\n\0\r\nQUIT\n\x20\0\0\0", 16);
}

std::string proxy_header(std::uint32_t version, std::string_view user, const net::SocketAddress& service) {
  const auto source = net::SocketAddress::parse(user);
  return source ? net::make_proxy_header(version, *source, service) : local_proxy_header(version);
}

}  // namespace

ServiceDialler::Trust& ServiceDialler::trust(const std::string& ca_pem) {
  if (trusts_.size() >= kMaxTrusts && !trusts_.contains(ca_pem)) trusts_.clear();
  Trust& found = trusts_[ca_pem];
  if (found.id == 0) found.id = ++trusts_made_;
  return found;
}

void ServiceDialler::put_key(std::string& key, const ServiceAddress& to) {
  const wire::HttpService& service = *to.service;
  key += service.tls ? 's' : 'p';
  key += service.proxy_protocol > 0 ? 'x' : '-';
  if (service.tls)
    fmt::format_to(std::back_inserter(key), "{} {} {}", trust(service.ca_pem).id, service.server_name.size(), service.server_name);
  key += to.target;
}

Task<link::FlowResult<std::unique_ptr<net::Stream>>> ServiceDialler::dial(ServiceAddress to, TimePoint deadline) {
  const wire::HttpService& service = *to.service;
  auto target = net::HostPort::parse(to.target);
  if (!target) co_return link::refuse(link::FlowCode::protocol, Error::wrap("target of the flow", target.error()).describe());
  std::shared_ptr<const net::TlsClient> tls;
  if (service.tls) {
    Trust& with = trust(service.ca_pem);
    if (!with.client) {
      auto made = net::TlsClient::make({.ca_pem = service.ca_pem});
      if (!made) co_return link::refuse(link::FlowCode::unsupported, made.error().describe());
      with.client = *std::move(made);
    }
    tls = with.client;
  }
  dialled_++;
  const TimePoint limit = std::min(deadline, network_.loop().now() + (service.connect > 0ns ? service.connect : kConnect));
  auto stream = co_await with_deadline<std::unique_ptr<net::Stream>>(network_.loop(), limit, "connect",
                                                                     connect(to, *std::move(target), std::move(tls)));
  if (stream) co_return *std::move(stream);
  const Code code = stream.error().code();
  co_return link::refuse(code == Code::unauthenticated ? link::FlowCode::refused : link::flow_code_of(code), stream.error().describe());
}

Task<Result<std::unique_ptr<net::Stream>>> ServiceDialler::connect(ServiceAddress to, net::HostPort target,
                                                                   std::shared_ptr<const net::TlsClient> tls) {
  const wire::HttpService& service = *to.service;
  std::string server_name = service.server_name.empty() ? target.host : service.server_name;
  const std::shared_ptr<const route::EgressPolicy> policy = policy_;  // stays while we dial, though a new one may come
  auto stream = co_await route::dial(network_, *policy, std::move(target));
  if (!stream) co_return stream;
  if (service.proxy_protocol > 0) {
    const std::string header = proxy_header(service.proxy_protocol, to.source, (*stream)->peer());
    const Bytes bytes = as_bytes(header);
    auto written = co_await (*stream)->write(bytes);
    if (!written) co_return fail(written.error());
  }
  if (!tls) co_return stream;
  auto secured = co_await tls->connect(network_.loop(), *std::move(stream), std::move(server_name));
  if (!secured) co_return fail(Error::wrap("TLS with the service", secured.error()));
  co_return secured;
}

}  // namespace fairlead::http_plugin
