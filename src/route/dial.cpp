#include "route/dial.h"

namespace fairlead::route {

Task<Result<std::unique_ptr<net::Stream>>> dial(net::Network& network, const EgressPolicy& policy, net::HostPort target) {
  auto addresses = co_await network.resolve(target.host);
  if (!addresses) co_return std::unexpected(addresses.error());
  Error last(Code::unreachable, "the name has no address");
  for (const net::IpAddress& ip : *addresses) {
    const net::SocketAddress to{ip, target.port};
    auto allowed = policy.check(to);
    if (!allowed) {
      last = allowed.error();
      continue;
    }
    auto stream = co_await network.connect(to);
    if (stream) co_return *std::move(stream);
    last = stream.error();
  }
  co_return fail(std::move(last));
}

Task<Result<DatagramService>> dial_datagrams(net::Network& network, const EgressPolicy& policy, net::HostPort target) {
  // An association is small: what a burst needs, not what a fast link needs. Services get datagrams of any size, as from any client.
  const net::DatagramOptions options{.receive_buffer = 512_KiB, .send_buffer = 512_KiB, .fragment = true};
  auto addresses = co_await network.resolve(target.host);
  if (!addresses) co_return std::unexpected(addresses.error());
  Error last(Code::unreachable, "the name has no address");
  for (const net::IpAddress& ip : *addresses) {
    const net::SocketAddress to{ip, target.port};
    auto allowed = policy.check(to);
    if (!allowed) {
      last = allowed.error();
      continue;
    }
    auto socket = network.connect_datagrams(to, options);
    if (socket) co_return DatagramService{*std::move(socket), to};
    last = socket.error();
  }
  co_return fail(std::move(last));
}

}  // namespace fairlead::route
