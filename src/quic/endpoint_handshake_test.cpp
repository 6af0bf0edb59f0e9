// Handshakes: what deaths, floods, restarts and strangers do to them.
#include <gtest/gtest.h>

#include <deque>

#include "quic/endpoint_ground.h"
#include "quic/stateless.h"

namespace fairlead::quic {
namespace {

net::IpAddress ip(const char* text) { return net::IpAddress::parse(text).value(); }

class HandshakeTest : public testing::Test {
 protected:
  std::unique_ptr<Endpoint> serving(const EndpointLimits& limits, const EndpointSecrets& secrets = test_secrets()) {
    EndpointSettings settings;
    settings.limits = limits;
    auto server = ground_.endpoint(ground_.cloud, EndpointGround::kPort, settings, secrets);
    server->serve(test_server());
    return server;
  }
  // Dials whose outcome nobody waits for; the answers to `host` may be lost.
  void dial_many(Endpoint& from, int count, std::deque<Result<Mux>>& results) {
    for (int i = 0; i < count; i++) {
      results.emplace_back(fail(Code::internal, "not yet"));
      ground_.tasks.spawn(dial_into(from, ground_.cloud_address(), results.back()));
    }
  }

  EndpointGround ground_;
};

// ---- deaths

// One side dies when so many datagrams have been sent by both.
class DeathTest : public HandshakeTest, public testing::WithParamInterface<std::uint64_t> {
 protected:
  void run_until_the_moment() {
    while (ground_.net.counters().sent < GetParam()) ground_.loop.run_for(1ms);
  }
  Result<Mux> dialled_ = fail(Code::internal, "not yet");
};

TEST_P(DeathTest, OfTheClientFreesTheServer) {
  auto server = ground_.echoing();
  auto client = ground_.endpoint(ground_.edge);
  ground_.tasks.spawn(dial_into(*client, ground_.cloud_address(), dialled_));
  run_until_the_moment();
  ground_.edge.crash();
  ground_.loop.run_for(200s);
  EXPECT_EQ(server->connections(), 0u);
  EXPECT_EQ(ground_.process.used(), 0u);
  auto other = ground_.endpoint(ground_.net.host("other", ip("10.0.0.6")));
  EXPECT_TRUE(ground_.run(dial(*other, ground_.cloud_address()))) << "whoever comes next is served";
}

TEST_P(DeathTest, OfTheServerIsATimeout) {
  auto server = ground_.echoing();
  auto client = ground_.endpoint(ground_.edge);
  ground_.tasks.spawn(dial_into(*client, ground_.cloud_address(), dialled_));
  run_until_the_moment();
  ground_.cloud.crash();
  ground_.loop.run_for(200s);
  if (dialled_) {
    ASSERT_TRUE((*dialled_)->close_state());
    EXPECT_EQ((*dialled_)->close_state()->to_error().code(), Code::timeout);
  } else {
    EXPECT_EQ(dialled_.error().code(), Code::timeout) << dialled_.error().describe();
  }
  EXPECT_EQ(client->connections(), 0u);
}

INSTANTIATE_TEST_SUITE_P(AfterDatagrams, DeathTest, testing::Range(std::uint64_t{1}, std::uint64_t{14}));

// ---- floods

TEST_F(HandshakeTest, UpToTheLimitNobodyIsAskedToProveItsAddress) {
  auto server = serving({.half_open_before_retry = 3});
  ground_.net.path(ground_.cloud, ground_.edge).set_up(false);
  auto client = ground_.endpoint(ground_.edge);
  std::deque<Result<Mux>> results;
  dial_many(*client, 3, results);
  ground_.loop.run_for(100ms);
  EXPECT_EQ(server->counters().retries, 0u);
  EXPECT_EQ(server->connections(), 3u);
  dial_many(*client, 1, results);
  ground_.loop.run_for(100ms);
  EXPECT_EQ(server->counters().retries, 1u);
  EXPECT_EQ(server->connections(), 3u);
}

TEST_F(HandshakeTest, AGoodClientComesInDuringAFloodOfUnprovedAddresses) {
  auto server = ground_.echoing();
  // Two hundred addresses whose owner never sees an answer, thirty handshakes each: more than would fit without Retry.
  sim::Host& flood = ground_.net.host("flood", ip("203.0.113.1"));
  ground_.net.path(ground_.cloud, flood).set_up(false);
  std::vector<std::unique_ptr<Endpoint>> sources;
  std::deque<Result<Mux>> results;
  for (int i = 0; i < 200; i++) {
    const net::IpAddress address = net::IpAddress::v4(0xcb007200u + static_cast<std::uint32_t>(i));
    flood.add_address(address);
    sources.push_back(std::make_unique<Endpoint>(ground_.loop, flood.bind({address, 0}).value(), EndpointSettings{}, test_secrets(),
                                                 ground_.process, ground_.session_memory));
    dial_many(*sources.back(), 30, results);
  }
  ground_.loop.run_for(30ms);
  auto client = ground_.endpoint(ground_.edge);
  const TimePoint begun = ground_.loop.now();
  Mux good = ground_.run(dial(*client, ground_.cloud_address()));
  ASSERT_TRUE(good);
  EXPECT_LT(ground_.loop.now() - begun, 2 * 50ms + 30ms) << "one round trip more, for the Retry";
  EXPECT_TRUE(ground_.run(echo(ground_.loop, *good, 1000)));
  EXPECT_GT(server->counters().retries, 4000u) << "what fits into the socket's buffer";
  EXPECT_LE(server->connections(), EndpointLimits{}.half_open_before_retry + 1);
}

TEST_F(HandshakeTest, AboveTheHalfOpenLimitInitialsAreDroppedAndTheClientTriesAgain) {
  auto server = serving({.half_open_before_retry = 1000, .half_open = 5});
  ground_.tasks.spawn(echo_all(ground_.loop, *server));
  sim::Host& dead = ground_.net.host("dead", ip("203.0.113.1"));
  ground_.net.path(ground_.cloud, dead).set_up(false);
  auto stuck = ground_.endpoint(dead);
  std::deque<Result<Mux>> results;
  dial_many(*stuck, 5, results);
  ground_.loop.run_for(100ms);
  EXPECT_EQ(server->connections(), 5u);
  EXPECT_EQ(server->counters().dropped_half_open, 0u);

  auto client = ground_.endpoint(ground_.edge);
  Result<Mux> dialled = fail(Code::internal, "not yet");
  ground_.tasks.spawn(dial_into(*client, ground_.cloud_address(), dialled));
  ground_.loop.run_for(100ms);
  EXPECT_EQ(server->connections(), 5u);
  EXPECT_EQ(server->counters().dropped_half_open, 1u);
  stuck.reset();  // its handshakes end; there is room again when the server has given them up
  ground_.loop.run_for(12s);
  auto later = ground_.endpoint(ground_.edge);
  EXPECT_TRUE(ground_.run(dial(*later, ground_.cloud_address())));
}

Task<void> accept_into(Endpoint& endpoint, std::vector<Mux>& accepted) {
  auto connection = co_await endpoint.accept();
  EXPECT_TRUE(connection);
  accepted.push_back(*std::move(connection));
}

TEST_F(HandshakeTest, NoMoreAreLetInThanMayWaitToBeAccepted) {
  auto server = serving({.accept_backlog = 3});
  auto client = ground_.endpoint(ground_.edge);
  std::deque<Result<Mux>> results;
  dial_many(*client, 3, results);
  ground_.loop.run_for(300ms);
  for (const auto& result : results) EXPECT_TRUE(result);
  dial_many(*client, 1, results);
  ground_.loop.run_for(300ms);
  EXPECT_FALSE(results[3]);
  EXPECT_EQ(server->counters().dropped_half_open, 1u);
  std::vector<Mux> accepted;
  ground_.run(accept_into(*server, accepted));
  ground_.loop.run_for(5s);
  EXPECT_TRUE(results[3]) << "its first packet came again when there was room";
  // One that has gone away before it was accepted makes room, too, and is not given out.
  results[1] = fail(Code::internal, "gone");
  ground_.loop.run_for(1s);
  for (int i = 0; i < 2; i++) ground_.run(accept_into(*server, accepted));
  for (const Mux& connection : accepted) EXPECT_FALSE(connection->close_state());
}

TEST_F(HandshakeTest, ATokenOfAnEarlierConnectionReplacesTheRetry) {
  auto server = serving({.half_open_before_retry = 0});
  ground_.tasks.spawn(echo_all(ground_.loop, *server));
  auto client = ground_.endpoint(ground_.edge);
  Resumption kept;
  Endpoint::ClientOptions options = test_client();
  options.on_resumption = [&kept](const Resumption& resumption) { kept = resumption; };
  {
    Result<Mux> first = ground_.run(client->connect(ground_.cloud_address(), std::move(options)));
    ASSERT_TRUE(first);
    ground_.loop.run_for(1s);
  }
  EXPECT_EQ(server->counters().retries, 1u);
  ASSERT_FALSE(kept.address_token.empty());
  Endpoint::ClientOptions again = test_client();
  again.resumption = &kept;
  const TimePoint begun = ground_.loop.now();
  Result<Mux> second = ground_.run(client->connect(ground_.cloud_address(), std::move(again)));
  EXPECT_TRUE(second);
  EXPECT_EQ(server->counters().retries, 1u);
  EXPECT_LT(ground_.loop.now() - begun, 70ms);
}

TEST_F(HandshakeTest, ARetryOfOtherSecretsIsRefusedAtOnce) {
  auto server = serving({.half_open_before_retry = 0}, test_secrets(1));
  auto client = ground_.endpoint(ground_.edge);
  Result<Mux> dialled = fail(Code::internal, "not yet");
  ground_.tasks.spawn(dial_into(*client, ground_.cloud_address(), dialled));
  ground_.loop.run_for(40ms);  // the Retry is on its way
  EXPECT_EQ(server->counters().retries, 1u);
  server.reset();
  server = serving({.half_open_before_retry = 0}, test_secrets(2));
  ground_.loop.run_for(200ms);
  ASSERT_FALSE(dialled);
  EXPECT_EQ(dialled.error().code(), Code::reset) << dialled.error().describe();
  EXPECT_EQ(server->connections(), 0u);
}

// ---- serving and not serving

TEST_F(HandshakeTest, WhoDoesNotServeDoesNotAnswer) {
  auto server = ground_.endpoint(ground_.cloud, EndpointGround::kPort);
  auto client = ground_.endpoint(ground_.edge);
  EXPECT_EQ(ground_.run(code_of_dial(*client, ground_.cloud_address())), Code::timeout);
  EXPECT_EQ(ground_.net.path(ground_.cloud, ground_.edge).counters().sent, 0u);
}

TEST_F(HandshakeTest, WhoHasStoppedServingRefusesAtOnceAndKeepsWhatItHas) {
  auto server = serving({});
  auto client = ground_.endpoint(ground_.edge);
  Mux kept = ground_.run(dial(*client, ground_.cloud_address()));
  std::vector<Mux> accepted;
  ground_.run(accept_into(*server, accepted));
  ground_.tasks.spawn(echo_connection(ground_.loop, std::move(accepted[0])));
  server->stop_serving();
  const TimePoint begun = ground_.loop.now();
  EXPECT_EQ(ground_.run(code_of_dial(*client, ground_.cloud_address())), Code::refused);
  EXPECT_LT(ground_.loop.now() - begun, 60ms);
  EXPECT_TRUE(ground_.run(echo(ground_.loop, *kept, 1000)));
  EXPECT_EQ(ground_.run(server->accept()).error().code(), Code::closed);
  server->serve(test_server());
  EXPECT_TRUE(ground_.run(dial(*client, ground_.cloud_address())));
}

TEST_F(HandshakeTest, NewCredentialsAreForNewConnections) {
  auto server = ground_.echoing();
  auto client = ground_.endpoint(ground_.edge);
  Mux old = ground_.run(dial(*client, ground_.cloud_address()));
  Endpoint::Server renewed = test_server();
  renewed.credentials = test_pki().cloud("cloud.test");
  const Bytes der = renewed.credentials->certificate()->der();
  server->serve(std::move(renewed));
  Mux fresh = ground_.run(dial(*client, ground_.cloud_address()));
  EXPECT_EQ(fresh->peer_chain().at(0), std::vector(der.begin(), der.end()));
  EXPECT_NE(old->peer_chain().at(0), fresh->peer_chain().at(0));
  EXPECT_TRUE(ground_.run(echo(ground_.loop, *old, 1000)));
}

TEST_F(HandshakeTest, AnotherProtocolIsRefused) {
  auto server = ground_.echoing();
  auto client = ground_.endpoint(ground_.edge);
  Endpoint::ClientOptions options = test_client();
  options.tls.alpn = "something/else";
  const Result<Mux> dialled = ground_.run(client->connect(ground_.cloud_address(), std::move(options)));
  ASSERT_FALSE(dialled);
  EXPECT_EQ(dialled.error().code(), Code::refused) << dialled.error().describe();
  ground_.loop.run_for(20s);
  EXPECT_EQ(server->connections(), 0u);
}

// ---- restarts

TEST_F(HandshakeTest, AClientLearnsOfTheServersRestartWithinARoundTripOfItsNextPacket) {
  auto server = ground_.echoing();
  auto client = ground_.endpoint(ground_.edge);
  Mux connection = ground_.run(dial(*client, ground_.cloud_address()));
  EXPECT_TRUE(ground_.run(echo(ground_.loop, *connection, 1000)));
  ground_.loop.run_for(3s);  // the search for the path's MTU is over, too
  ground_.cloud.kill();
  auto restarted = ground_.endpoint(ground_.cloud, EndpointGround::kPort);
  restarted->serve(test_server());
  ground_.loop.run_for(1s);
  EXPECT_FALSE(connection->close_state());
  connection->ping();
  const TimePoint asked = ground_.loop.now();
  const net::MuxClose close = ground_.run(connection->closed());
  EXPECT_LE(ground_.loop.now() - asked, 51ms);
  EXPECT_FALSE(close.orderly);
  EXPECT_EQ(close.to_error().code(), Code::reset);
  EXPECT_EQ(restarted->counters().resets_sent, 1u);
}

TEST_F(HandshakeTest, AResetOfOtherSecretsIsNoReset) {
  auto server = ground_.echoing();
  auto client = ground_.endpoint(ground_.edge);
  Mux connection = ground_.run(dial(*client, ground_.cloud_address()));
  ground_.loop.run_for(1s);
  ground_.cloud.kill();
  auto stranger = ground_.endpoint(ground_.cloud, EndpointGround::kPort, {}, test_secrets(9));
  stranger->serve(test_server());
  connection->ping();
  ground_.loop.run_for(5s);
  EXPECT_GE(stranger->counters().resets_sent, 1u);
  EXPECT_FALSE(connection->close_state()) << "anybody could have sent that";
  EXPECT_EQ(ground_.run(connection->closed()).to_error().code(), Code::timeout);
}

TEST_F(HandshakeTest, LatePacketsOfAClosedConnectionAreNotTakenForAStrangers) {
  auto server = ground_.echoing();
  auto client = ground_.endpoint(ground_.edge);
  Mux connection = ground_.run(dial(*client, ground_.cloud_address()));
  EXPECT_TRUE(ground_.run(echo(ground_.loop, *connection, 100'000)));
  sim::Path& there = ground_.net.path(ground_.edge, ground_.cloud);
  there.options().reorder = 1;
  there.options().reorder_delay = 30ms;
  const std::vector<std::byte> tick(100);
  for (int i = 0; i < 20; i++) {
    connection->send_datagram(tick, net::Priority::bulk);
    ground_.loop.run_for(1ms);
  }
  there.options().reorder = 0;
  connection->close(1, "");
  ground_.loop.run_for(100ms);
  EXPECT_EQ(server->counters().resets_sent, 0u);
  EXPECT_EQ(server->counters().unknown, 0u);
}

// ---- strangers

class StrangerTest : public HandshakeTest {
 protected:
  void say(Bytes what) {
    socket_->send({.to = ground_.cloud_address(), .from = {}, .ecn = net::Ecn::ect0, .data = what, .segment = what.size()});
  }
  std::vector<net::Received> heard() {
    ground_.loop.run_for(100ms);
    std::vector<net::Received> all;
    net::receive_into(*socket_, 10'000, all);
    return all;
  }
  static std::vector<std::byte> short_packet(std::size_t size) { return std::vector<std::byte>(size, std::byte{0x41}); }
  std::unique_ptr<net::DatagramSocket> socket_ = ground_.socket(ground_.edge);
};

TEST_F(StrangerTest, AnUnknownVersionIsToldWhichAreKnown) {
  auto server = serving({});
  std::vector<std::byte> packet(1200, std::byte{7});
  packet[0] = std::byte{0xc0};
  packet[5] = std::byte{8};
  packet[14] = std::byte{5};
  say(packet);
  const auto answers = heard();
  ASSERT_EQ(answers.size(), 1u);
  EXPECT_LT(answers[0].payload.size(), packet.size());
  const auto head = stateless::read_head(answers[0].payload);
  ASSERT_TRUE(head);
  EXPECT_EQ(head->kind, stateless::Head::Kind::version_negotiation);
  EXPECT_EQ(head->dcid.size(), 5u);
  EXPECT_EQ(head->scid.size(), 8u);
  EXPECT_EQ(server->counters().version_negotiations, 1u);
  say(Bytes(packet).first(1199));
  EXPECT_TRUE(heard().empty()) << "too small to be answered";
  say(answers[0].payload);
  EXPECT_TRUE(heard().empty()) << "an answer is not answered";
}

TEST_F(StrangerTest, ResetsAreLimitedBySecond) {
  auto server = serving({.resets_per_second = 5});
  for (int i = 0; i < 6; i++) say(short_packet(60));
  EXPECT_EQ(heard().size(), 5u);
  EXPECT_EQ(server->counters().resets_sent, 5u);
  ground_.loop.run_for(1s);
  say(short_packet(60));
  EXPECT_EQ(heard().size(), 1u);
}

TEST_F(StrangerTest, ResetsAreShorterThanWhatTheyAnswer) {
  auto server = serving({});
  for (std::size_t size = 0; size < 80; size++) {
    say(short_packet(size));
    const auto answers = heard();
    ASSERT_EQ(answers.size(), size < 22 ? 0u : 1u) << size;
    if (!answers.empty()) EXPECT_LT(answers[0].payload.size(), size);
  }
}

}  // namespace
}  // namespace fairlead::quic
