// Paths: what loss, new addresses, outages and full queues do to connections.
#include <gtest/gtest.h>

#include "quic/endpoint_ground.h"

namespace fairlead::quic {
namespace {

net::IpAddress ip(const char* text) { return net::IpAddress::parse(text).value(); }

Task<void> echo_into(Loop& loop, net::MuxConnection& connection, std::size_t size, std::optional<bool>& intact) {
  const bool good = co_await echo(loop, connection, size);
  intact = good;
}

class BadPathTest : public testing::TestWithParam<std::uint64_t> {};

TEST_P(BadPathTest, EveryByteComesBackOnceAndInOrder) {
  const std::uint64_t seed = GetParam();
  sim::LinkOptions link{.seed = seed, .rtt = 40ms, .jitter = 3ms, .rate = 100'000'000};
  link.loss = 0.02 * static_cast<double>(seed % 6);
  link.reorder = 0.05 * static_cast<double>(seed % 3);
  link.duplicate = 0.05 * static_cast<double>(seed % 2);
  link.corrupt = seed % 4 == 0 ? 0.01 : 0;
  link.mtu = seed % 5 == 0 ? 1300 : 1500;
  EndpointGround ground(link);
  auto server = ground.echoing();
  auto client = ground.endpoint(ground.edge);
  Mux connection = ground.run(dial(*client, ground.cloud_address()));
  ASSERT_TRUE(connection);
  std::vector<std::optional<bool>> intact(8);
  Scope flows(ground.loop);
  for (std::size_t i = 0; i < intact.size(); i++) flows.spawn(echo_into(ground.loop, *connection, 1000 + i * 20'000, intact[i]));
  ground.loop.run_for(2min);
  for (const auto& one : intact) EXPECT_EQ(one, true);
}

INSTANTIATE_TEST_SUITE_P(Seeds, BadPathTest, testing::Range(std::uint64_t{1}, std::uint64_t{25}));

class PathTest : public testing::Test {
 protected:
  static constexpr std::size_t kSize = 5'000'000;  // some four seconds of the link
  void connect() {
    server_ = ground_.echoing();
    client_ = ground_.endpoint(ground_.edge);
    connection_ = ground_.run(dial(*client_, ground_.cloud_address()));
    ASSERT_TRUE(connection_);
    ground_.loop.run_for(1s);
  }
  void start_flow() {
    intact_.reset();
    flows_.spawn(echo_into(ground_.loop, *connection_, kSize, intact_));
    ground_.loop.run_for(500ms);
    EXPECT_FALSE(intact_);
  }
  // How long the flow took from now on; more than `limit` fails.
  Duration finish_flow(Duration limit) {
    const TimePoint begun = ground_.loop.now();
    while (!intact_ && ground_.loop.now() - begun < limit) ground_.loop.run_for(10ms);
    EXPECT_EQ(intact_, true);
    return ground_.loop.now() - begun;
  }

  EndpointGround ground_{{.seed = 3, .rtt = 50ms, .rate = 20'000'000}};
  std::unique_ptr<Endpoint> server_, client_;
  Mux connection_;
  std::optional<bool> intact_;
  Scope flows_{ground_.loop};
};

TEST_F(PathTest, StreamsGoOnWhenANatForgetsItsMappings) {
  sim::Nat& nat = ground_.net.nat(ip("198.51.100.9"));
  ground_.edge.set_nat(nat);
  connect();
  start_flow();
  nat.rebind();
  finish_flow(20s);
  EXPECT_TRUE(ground_.run(echo(ground_.loop, *connection_, 1000)));
}

TEST_F(PathTest, StreamsGoOnFromAnotherSocket) {
  connect();
  start_flow();
  const net::SocketAddress before = client_->local();
  client_->rebind(ground_.socket(ground_.edge));
  EXPECT_NE(client_->local(), before);
  finish_flow(10s);
  EXPECT_EQ(connection_->local(), client_->local());
}

TEST_F(PathTest, WhatWasUnderWayToTheOldSocketIsNotLost) {
  connect();
  start_flow();
  const std::uint64_t lost = connection_->stats().packets_lost;
  client_->rebind(ground_.socket(ground_.edge));
  ground_.loop.run_for(200ms);
  finish_flow(10s);
  // The datagrams that the cloud had sent to the old port by then, about 100 kB, were read.
  EXPECT_LT(connection_->stats().packets_lost, lost + 20);
}

TEST_F(PathTest, ASocketIsRenewedByItsMaker) {
  connect();
  start_flow();
  EXPECT_EQ(client_->renew_socket().error().code(), Code::unsupported);
  client_->renew_sockets_by([]() -> Result<std::unique_ptr<net::DatagramSocket>> { return fail(Code::unreachable, "no network"); });
  EXPECT_EQ(client_->renew_socket().error().code(), Code::unreachable);
  const net::SocketAddress before = client_->local();
  client_->renew_sockets_by([this] { return ground_.edge.bind({{}, 0}); });
  EXPECT_TRUE(client_->renew_socket());
  EXPECT_NE(client_->local(), before);
  finish_flow(10s);
  EXPECT_EQ(connection_->local(), client_->local());
}

TEST_F(PathTest, ANewAddressCarriesOnToo) {
  connect();
  start_flow();
  ground_.edge.add_address(ip("10.0.0.77"));
  client_->rebind(ground_.edge.bind({ip("10.0.0.77"), 0}).value());
  ground_.edge.change_address(ip("10.0.0.5"), ip("10.0.0.6"));  // what the old socket stood on is gone
  finish_flow(15s);
}

TEST_F(PathTest, RebindingAgainAndAgainKeepsFewSockets) {
  connect();
  start_flow();
  for (int i = 0; i < 20; i++) {
    client_->rebind(ground_.socket(ground_.edge));
    ground_.loop.run_for(100ms);
  }
  finish_flow(20s);
}

TEST_F(PathTest, RebindingInTheMiddleOfAHandshakeDelaysIt) {
  server_ = ground_.echoing();
  client_ = ground_.endpoint(ground_.edge);
  Result<Mux> dialled = fail(Code::internal, "not yet");
  Scope dialling(ground_.loop);
  dialling.spawn(dial_into(*client_, ground_.cloud_address(), dialled));
  ground_.loop.run_for(30ms);
  client_->rebind(ground_.socket(ground_.edge));
  ground_.loop.run_for(10s);
  ASSERT_TRUE(dialled) << dialled.error().describe();
  EXPECT_FALSE((*dialled)->close_state()) << (*dialled)->close_state()->to_error().describe();
  EXPECT_TRUE(ground_.run(echo(ground_.loop, **dialled, 100'000)));
}

TEST_F(PathTest, AServersOwnAddressIsTheOneThatWasDialled) {
  ground_.cloud.add_address(ip("192.0.2.2"));
  connect();
  const net::SocketAddress second{ip("192.0.2.2"), EndpointGround::kPort};
  Mux other = ground_.run(dial(*client_, second));
  ASSERT_TRUE(other) << "an answer from another address than the one that was asked would not be taken";
  EXPECT_TRUE(ground_.run(echo(ground_.loop, *other, 1000)));
}

TEST_F(PathTest, AFullSendQueueIsWaitedForAndLosesNothing) {
  connect();
  start_flow();
  const std::uint64_t lost = connection_->stats().packets_lost;
  for (int i = 0; i < 20; i++) {
    ground_.edge.hold_sends(true);
    ground_.loop.run_for(20ms);
    ground_.edge.hold_sends(false);
    ground_.loop.run_for(20ms);
  }
  finish_flow(20s);
  EXPECT_LT(connection_->stats().packets_lost, lost + 50);
}

TEST_F(PathTest, AnOutageShorterThanTheIdleTimeoutIsSurvived) {
  connect();
  start_flow();
  ground_.net.set_up(ground_.cloud, ground_.edge, false);
  ground_.loop.run_for(20s);
  ground_.net.set_up(ground_.cloud, ground_.edge, true);
  finish_flow(60s);
}

TEST_F(PathTest, ManyConnectionsOfOneSocketAreKeptApart) {
  connect();
  std::vector<Mux> connections;
  std::vector<std::optional<bool>> intact(200);
  for (std::size_t i = 0; i < intact.size(); i++) connections.push_back(ground_.run(dial(*client_, ground_.cloud_address())));
  Scope flows(ground_.loop);
  for (std::size_t i = 0; i < intact.size(); i++) flows.spawn(echo_into(ground_.loop, *connections[i], 5000 + i, intact[i]));
  ground_.loop.run_for(30s);
  for (const auto& one : intact) EXPECT_EQ(one, true);
  EXPECT_EQ(server_->connections(), 201u);
  connections.clear();
  ground_.loop.run_for(1s);
  EXPECT_EQ(server_->connections(), 1u);
}

}  // namespace
}  // namespace fairlead::quic
