#include "app/edge_join.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <stdexcept>

#include "app/config.h"
#include "app/host.h"
#include "app/version.h"
#include "base/log.h"
#include "enrol/joining_folder.h"
#include "net/real_network.h"

namespace fairlead::app {
namespace {

constexpr std::size_t kMemory = 16_MiB;  // one connection with two frames

Task<void> join_into(AsioLoop& loop, net::Network& network, enrol::MakeEndpoint make_endpoint, const enrol::JoinAsk& ask,
                     std::optional<Result<enrol::Joined>>& into) {
  auto joined = co_await enrol::join(loop, network, std::move(make_endpoint), ask);
  into = std::move(joined);
  loop.stop();
}

}  // namespace

std::string edge_config_for(const net::HostPort& cloud) {
  constexpr std::string_view kBefore = "#link:\n#  cloud: cloud.example.com:8443 ";
  std::string text(default_edge_config());
  const std::size_t at = text.find(kBefore);
  if (at == std::string::npos) throw std::logic_error("the default configuration has no place for link.cloud");
  return text.replace(at, kBefore.size(), fmt::format("link:\n  cloud: \"{}\" ", cloud.to_text()));
}

Result<NodeName> host_node_name() {
  std::array<char, 256> host{};
  if (::gethostname(host.data(), host.size() - 1) != 0) return fail(Error::from_errno(errno, "ask for this host's name"));
  std::string text(host.data());
  std::ranges::transform(text, text.begin(), [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
  auto node = NodeName::parse(text);
  if (!node) return fail(Error::wrap("this host's name cannot be a node's: give --node NAME", node.error()));
  return node;
}

Result<void> join_edge(const EdgeJoin& join, pki::AlsoWrite also) {
  std::optional<NodeName> node = join.node;
  if (!node) {
    TRY_ASSIGN(node, host_node_name());
  }
  TRY_ASSIGN(enrol::JoiningFolder folder, enrol::JoiningFolder::open(join.dir));
  const enrol::JoinAsk ask{
      .cloud = join.cloud, .token = join.token, .pin = join.pin, .node = *node, .key = folder.key(), .software = software()};
  log::info("edge", "joins the cloud at {} as node {}", join.cloud.to_text(), *node);

  net::MemoryBudget memory(kMemory, 0);
  quic::EndpointSecrets secrets;
  pki::random_bytes(secrets.token);
  pki::random_bytes(secrets.reset);
  pki::random_bytes(secrets.ticket);
  AsioLoop loop;
  net::RealNetwork network(loop);
  const auto make_endpoint = [&](const net::SocketAddress& cloud) -> Result<std::unique_ptr<quic::Endpoint>> {
    const net::SocketAddress any{cloud.ip.is_v4() ? net::IpAddress() : net::IpAddress::v6({}), 0};
    TRY_ASSIGN(std::unique_ptr<net::DatagramSocket> socket, network.bind(any, {}));
    return std::make_unique<quic::Endpoint>(loop, std::move(socket), quic::EndpointSettings{}, secrets, memory, kMemory);
  };
  std::optional<Result<enrol::Joined>> joined;
  {
    Scope tasks(loop);
    tasks.spawn(join_into(loop, network, make_endpoint, ask, joined));
    if (join.handle_signals)
      tasks.spawn(read_signals(loop, [&loop](Signal signal) {
        if (signal == Signal::end) loop.stop();
      }));
    loop.run();
  }
  if (!joined) return fail(Code::cancelled, "told to end before the cloud at {} was joined; the next start goes on", join.cloud.to_text());
  if (!*joined) return fail(joined->error());
  TRY(folder.complete(**joined, also));
  log::info("edge", "joined as node {}: folder {}", *node, join.dir.string());
  return {};
}

}  // namespace fairlead::app
