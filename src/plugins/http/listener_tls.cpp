#include "plugins/http/listener_tls.h"

#include <fmt/format.h>

#include <algorithm>

#include "pki/certificate.h"
#include "pki/files.h"

namespace fairlead::http_plugin {
namespace {

constexpr std::size_t kMaxKeyFile = 64_KiB;  // RSA of 16384 bits has 13 KiB of PEM

std::string name_of(const route::HttpHost& host) { return fmt::format("Gateway {} listener {}", host.gateway.to_text(), host.name); }

net::TlsServerOptions::ClientAuth client_auth(route::ListenerTls::ClientAuth auth) {
  switch (auth) {
    case route::ListenerTls::ClientAuth::none: return net::TlsServerOptions::ClientAuth::none;
    case route::ListenerTls::ClientAuth::optional: return net::TlsServerOptions::ClientAuth::optional;
    case route::ListenerTls::ClientAuth::required: return net::TlsServerOptions::ClientAuth::required;
  }
  return net::TlsServerOptions::ClientAuth::required;
}

Result<net::TlsCertificate> read_certificate(const route::HttpHost& host) {
  net::TlsCertificate certificate;
  certificate.chain_file = host.tls->certificate_file;
  certificate.key_file = host.tls->key_file;
  if (host.hostname) certificate.hosts = {*host.hostname};
  TRY_ASSIGN(certificate.chain_pem, pki::read_file(certificate.chain_file, pki::kMaxBundleSize));
  TRY_ASSIGN(certificate.key_pem, pki::read_file(certificate.key_file, kMaxKeyFile));
  return certificate;
}

Result<net::TlsServerOptions> read_options(const route::HttpHost& host) {
  net::TlsServerOptions options;
  options.client_auth = client_auth(host.tls->client_auth);
  TRY_ASSIGN(net::TlsCertificate certificate, read_certificate(host));
  options.certificates.push_back(std::move(certificate));
  if (options.client_auth == net::TlsServerOptions::ClientAuth::none) return options;
  options.client_ca_file = host.tls->client_ca_file;
  TRY_ASSIGN(options.client_ca_pem, pki::read_file(options.client_ca_file, pki::kMaxBundleSize));
  return options;
}

}  // namespace

Result<std::shared_ptr<const net::TlsServer>> load_tls(const route::HttpPort& port) {
  const route::HttpHost* first = nullptr;
  net::TlsServerOptions all;
  for (const route::HttpHost& host : port.hosts) {
    if (!host.tls) return fail(Code::invalid, "{} has no certificate, although {} is a port of TLS", name_of(host), port.bind.to_text());
    auto options = read_options(host);
    if (!options) return fail(Error::wrap(name_of(host), options.error()));
    // By itself first, so that an error can say whose it is.
    if (auto alone = net::TlsServer::make(*options); !alone) return fail(Error::wrap(name_of(host), alone.error()));
    if (first == nullptr) {
      first = &host;
      all = *std::move(options);
    } else if (first->tls->client_auth != host.tls->client_auth || options->client_ca_pem != all.client_ca_pem) {
      return fail(Code::invalid, "{} and {} share a port, but ask for client certificates in different ways: give them ports of their own",
                  name_of(*first), name_of(host));
    } else {
      all.certificates.push_back(std::move(options->certificates.front()));
    }
  }
  return net::TlsServer::make(std::move(all));
}

std::vector<std::string> tls_files(const route::HttpPort& port) {
  std::vector<std::string> files;
  const auto add = [&](const std::string& file) {
    if (!file.empty() && std::ranges::find(files, file) == files.end()) files.push_back(file);
  };
  for (const route::HttpHost& host : port.hosts) {
    if (!host.tls) continue;
    add(host.tls->certificate_file);
    add(host.tls->key_file);
    if (host.tls->client_auth != route::ListenerTls::ClientAuth::none) add(host.tls->client_ca_file);
  }
  return files;
}

}  // namespace fairlead::http_plugin
