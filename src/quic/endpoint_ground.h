// endpoint_ground.h: where endpoints are tested: a cloud that serves and edges that dial, in virtual time. For tests only.
#pragma once
#include <gtest/gtest.h>

#include "net/testing.h"
#include "pki/test_pki.h"
#include "quic/endpoint.h"
#include "runtime/timer.h"
#include "sim/network.h"

namespace fairlead::quic {

inline constexpr const char* kTestAlpn = "fairlead/1";
inline const pki::TestPki& test_pki() {
  static const pki::TestPki made(pki::KeyKind::ed25519, SimLoop(0).wall_now());
  return made;
}
inline Endpoint::Server test_server() {
  static const auto credentials = test_pki().cloud("cloud.test");
  return {credentials, {kTestAlpn}};
}
inline Endpoint::ClientOptions test_client() {
  static const auto credentials = test_pki().edge("edge-a");
  return {.tls = {.credentials = credentials, .alpn = kTestAlpn, .server_name = "cloud.test"}};
}
inline EndpointSecrets test_secrets(unsigned char fill = 1) {
  EndpointSecrets secrets;
  secrets.token.fill(std::byte{fill});
  secrets.reset.fill(std::byte{fill});
  secrets.ticket.fill(std::byte{fill});
  return secrets;
}

using Mux = std::unique_ptr<net::MuxConnection>;
using MuxStream = std::unique_ptr<net::MuxStream>;

// Copies what comes back to where it came from until the peer is done.
inline Task<void> echo_stream(MuxStream stream) {
  for (;;) {
    const auto bytes = co_await stream->peek();
    if (!bytes) co_return;
    if (bytes->empty()) break;
    const auto written = co_await stream->write(*bytes);
    if (!written) co_return;
    stream->consume(bytes->size());
  }
  const auto shut = stream->shut();
  if (!shut) co_return;  // the connection has ended meanwhile
}
inline Task<void> echo_connection(Loop& loop, Mux connection) {
  Scope streams(loop);
  for (;;) {
    auto stream = co_await connection->accept();
    if (!stream) co_return;
    streams.spawn(echo_stream(*std::move(stream)));
  }
}
inline Task<void> echo_all(Loop& loop, Endpoint& endpoint) {
  Scope connections(loop);
  for (;;) {
    auto connection = co_await endpoint.accept();
    if (!connection) co_return;
    connections.spawn(echo_connection(loop, *std::move(connection)));
  }
}

inline Task<Mux> dial(Endpoint& endpoint, net::SocketAddress to) {
  Endpoint::ClientOptions options = test_client();
  auto connection = co_await endpoint.connect(to, std::move(options));
  EXPECT_TRUE(connection) << connection.error().describe();
  co_return connection ? *std::move(connection) : nullptr;
}
inline Task<void> dial_into(Endpoint& endpoint, net::SocketAddress to, Result<Mux>& result) {
  Endpoint::ClientOptions options = test_client();
  result = co_await endpoint.connect(to, std::move(options));
}
// With which code a dial fails.
inline Task<Code> code_of_dial(Endpoint& endpoint, net::SocketAddress to) {
  Endpoint::ClientOptions options = test_client();
  auto connection = co_await endpoint.connect(to, std::move(options));
  EXPECT_FALSE(connection);
  co_return connection ? Code::internal : connection.error().code();
}
inline Task<MuxStream> open_stream(net::MuxConnection& connection, net::Priority priority = net::Priority::interactive) {
  auto stream = co_await connection.open(priority, TimePoint::max());
  EXPECT_TRUE(stream) << stream.error().describe();
  co_return stream ? *std::move(stream) : nullptr;
}

inline Task<void> send_all(net::MuxStream& stream, Bytes bytes) {
  const auto written = co_await stream.write(bytes);
  EXPECT_TRUE(written) << written.error().describe();
  EXPECT_TRUE(stream.shut());
}
inline Task<Result<std::vector<std::byte>>> read_all(net::MuxStream& stream) {
  std::vector<std::byte> all;
  for (;;) {
    const auto bytes = co_await stream.peek();
    if (!bytes) co_return fail(bytes.error());
    if (bytes->empty()) co_return all;
    all.insert(all.end(), bytes->begin(), bytes->end());
    stream.consume(bytes->size());
  }
}
// True when `size` bytes of pattern came back whole and in order.
inline Task<bool> echo(Loop& loop, net::MuxConnection& connection, std::size_t size) {
  auto stream = co_await connection.open(net::Priority::interactive, TimePoint::max());
  if (!stream) co_return false;
  const std::vector<std::byte> sent = net::pattern(size);
  Scope sending(loop);
  sending.spawn(send_all(**stream, sent));
  const auto back = co_await read_all(**stream);
  co_return back && *back == sent;
}
inline Task<Code> code_of_read(net::MuxStream& stream) {
  const auto bytes = co_await stream.peek();
  EXPECT_FALSE(bytes);
  co_return bytes ? Code::internal : bytes.error().code();
}

// A cloud at 192.0.2.1 and an edge at 10.0.0.5, 25 ms apart.
class EndpointGround {
 public:
  static constexpr std::uint16_t kPort = 8443;
  explicit EndpointGround(const sim::LinkOptions& link = {.seed = 1, .rtt = 50ms}) : loop(link.seed), net(loop, link) {}

  std::unique_ptr<net::DatagramSocket> socket(sim::Host& host, std::uint16_t port = 0) { return host.bind({{}, port}).value(); }
  std::unique_ptr<Endpoint> endpoint(sim::Host& host, std::uint16_t port = 0, const EndpointSettings& settings = {},
                                     const EndpointSecrets& secrets = test_secrets()) {
    return std::make_unique<Endpoint>(loop, socket(host, port), settings, secrets, process, session_memory);
  }
  // One that echoes whatever comes.
  std::unique_ptr<Endpoint> echoing(const EndpointSettings& settings = {}) {
    auto server = endpoint(cloud, kPort, settings);
    server->serve(test_server());
    tasks.spawn(echo_all(loop, *server));
    return server;
  }
  net::SocketAddress cloud_address() const { return {net::IpAddress::parse("192.0.2.1").value(), kPort}; }

  template <class T>
  T run(Task<T> task, Duration limit = 10min) {
    return loop.run(std::move(task), limit);
  }

  SimLoop loop;
  sim::Network net;
  sim::Host& cloud = net.host("cloud", net::IpAddress::parse("192.0.2.1").value());
  sim::Host& edge = net.host("edge", net::IpAddress::parse("10.0.0.5").value());
  net::MemoryBudget process{512_MiB, 32_MiB};
  std::size_t session_memory = 64_MiB;
  Scope tasks{loop};
};

}  // namespace fairlead::quic
