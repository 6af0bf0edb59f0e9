// Connections and streams of endpoints, as those above see them.
#include "quic/endpoint.h"

#include <gtest/gtest.h>

#include "quic/endpoint_ground.h"
#include "quic/live_connection.h"

namespace fairlead::quic {
namespace {

// Both ends of one connection; nobody serves the cloud's end unless the test does.
class ConnectionTest : public testing::Test {
 protected:
  static Task<void> accept_into(Endpoint& endpoint, Mux& into) {
    auto connection = co_await endpoint.accept();
    EXPECT_TRUE(connection);
    if (connection) into = *std::move(connection);
  }
  void connect(const EndpointSettings& settings = {}) {
    server_ = ground_.endpoint(ground_.cloud, EndpointGround::kPort, settings);
    server_->serve(test_server());
    client_ = ground_.endpoint(ground_.edge, 0, settings);
    edge_ = ground_.run(dial(*client_, ground_.cloud_address()));
    ground_.run(accept_into(*server_, cloud_));
    ASSERT_TRUE(edge_ && cloud_);
  }
  void serve_echo() { ground_.tasks.spawn(echo_connection(ground_.loop, std::move(cloud_))); }
  // A stream that the edge opened and the cloud has accepted.
  static Task<void> pair_of_streams(net::MuxConnection& from, net::MuxConnection& to, MuxStream& near, MuxStream& far) {
    near = co_await open_stream(from);
    const auto written = co_await near->write(as_bytes("!"));
    EXPECT_TRUE(written);
    auto accepted = co_await to.accept();
    EXPECT_TRUE(accepted);
    far = *std::move(accepted);
    const auto first = co_await far->peek();
    EXPECT_EQ(as_text(*first), "!");
    far->consume(1);
  }
  void open_pair() { ground_.run(pair_of_streams(*edge_, *cloud_, near_, far_)); }

  EndpointGround ground_;
  std::unique_ptr<Endpoint> server_, client_;
  Mux edge_, cloud_;
  MuxStream near_, far_;
};

TEST_F(ConnectionTest, BytesComeBack) {
  connect();
  serve_echo();
  EXPECT_TRUE(ground_.run(echo(ground_.loop, *edge_, 0)));
  EXPECT_TRUE(ground_.run(echo(ground_.loop, *edge_, 1)));
  EXPECT_TRUE(ground_.run(echo(ground_.loop, *edge_, 3'000'000)));
  EXPECT_EQ(edge_->alpn(), kTestAlpn);
  EXPECT_EQ(edge_->transport(), "quic");
  EXPECT_EQ(edge_->peer(), ground_.cloud_address());
  const Bytes shown = test_server().credentials->certificate()->der();
  EXPECT_EQ(edge_->peer_chain().at(0), std::vector(shown.begin(), shown.end()));
  EXPECT_GE(edge_->stats().rtt, 50ms);
  EXPECT_LT(edge_->stats().rtt, 100ms);
}

TEST_F(ConnectionTest, BothSidesOpenStreams) {
  connect();
  ground_.tasks.spawn(echo_connection(ground_.loop, std::move(edge_)));
  EXPECT_TRUE(ground_.run(echo(ground_.loop, *cloud_, 10'000)));
}

Task<void> echo_counted(Loop& loop, net::MuxConnection& connection, std::size_t size, int& intact) {
  const bool good = co_await echo(loop, connection, size);
  if (good) intact++;
}
Task<void> all_done(Scope& scope) { co_await scope.done(); }

TEST_F(ConnectionTest, ManyStreamsAtOnceArriveWhole) {
  connect();
  serve_echo();
  int intact = 0;
  Scope flows(ground_.loop);
  for (int i = 0; i < 300; i++) flows.spawn(echo_counted(ground_.loop, *edge_, static_cast<std::size_t>(i) * 100, intact));
  ground_.run(all_done(flows));
  EXPECT_EQ(intact, 300);
  EXPECT_EQ(edge_->stats().streams, 0u);
}

TEST_F(ConnectionTest, ThousandsOfFlowsInTurnLeaveNothingBehind) {
  connect();
  serve_echo();
  EXPECT_TRUE(ground_.run(echo(ground_.loop, *edge_, 200)));
  ground_.loop.run_for(1s);
  const std::size_t at_rest = edge_->stats().memory;
  int intact = 0;
  for (int round = 0; round < 20; round++) {
    Scope flows(ground_.loop);
    for (int i = 0; i < 500; i++) flows.spawn(echo_counted(ground_.loop, *edge_, 200, intact));
    ground_.run(all_done(flows));
  }
  EXPECT_EQ(intact, 10'000);
  ground_.loop.run_for(1s);
  EXPECT_EQ(edge_->stats().streams, 0u);
  EXPECT_LT(edge_->stats().memory, at_rest + 64_KiB) << "the library's table of streams stays as large as it was";
}

// ---- ends

Task<void> closed_into(net::MuxConnection& connection, std::optional<net::MuxClose>& into) { into = co_await connection.closed(); }

TEST_F(ConnectionTest, TheReasonOfAnOrderlyCloseIsSeenByEverybodyWhoWaits) {
  connect();
  open_pair();
  std::optional<net::MuxClose> seen;
  ground_.tasks.spawn(closed_into(*edge_, seen));
  cloud_->close(7, "going down for repairs");
  ASSERT_TRUE(cloud_->close_state());
  EXPECT_FALSE(cloud_->close_state()->by_peer);
  EXPECT_EQ(ground_.run(code_of_read(*near_)), Code::closed);
  ASSERT_TRUE(seen);
  EXPECT_TRUE(seen->by_peer);
  EXPECT_TRUE(seen->orderly);
  EXPECT_TRUE(seen->application);
  EXPECT_EQ(seen->code, 7u);
  EXPECT_EQ(seen->reason, "going down for repairs");
  const Error broken = ground_.run(near_->broken());
  EXPECT_EQ(broken.code(), Code::closed);
  EXPECT_NE(broken.message().find("going down for repairs"), std::string::npos);
  EXPECT_EQ(ground_.run(edge_->open(net::Priority::bulk, TimePoint::max())).error().code(), Code::closed);
  EXPECT_EQ(ground_.run(edge_->accept()).error().code(), Code::closed);
  EXPECT_EQ(ground_.run(edge_->receive_datagram()).error().code(), Code::closed);
  EXPECT_EQ(ground_.run(near_->write(as_bytes("x"))).error().code(), Code::closed);
  EXPECT_FALSE(edge_->send_datagram(as_bytes("x"), net::Priority::bulk));
  EXPECT_FALSE(near_->has_room());
}

TEST_F(ConnectionTest, ARefusedPeerSeesTheAlertAndTheSentence) {
  connect();
  constexpr std::uint8_t kCertificateRevoked = 44;
  cloud_->refuse(kCertificateRevoked, "REVOKED: ask your administrator");
  const net::MuxClose seen = ground_.run(edge_->closed());
  EXPECT_TRUE(seen.by_peer);
  EXPECT_FALSE(seen.application);
  EXPECT_EQ(seen.code, 0x100u + kCertificateRevoked);
  EXPECT_EQ(seen.reason, "REVOKED: ask your administrator");
  EXPECT_EQ(seen.to_error().code(), Code::refused);
}

TEST_F(ConnectionTest, SilenceIsATimeout) {
  EndpointSettings settings;
  settings.engine.idle_timeout = 30s;
  connect(settings);
  open_pair();
  ground_.net.set_up(ground_.cloud, ground_.edge, false);
  const TimePoint cut = ground_.loop.now();
  EXPECT_EQ(ground_.run(code_of_read(*near_)), Code::timeout);
  EXPECT_LT(ground_.loop.now() - cut, 60s);
  EXPECT_EQ(ground_.run(code_of_read(*far_)), Code::timeout);
  ground_.loop.run_for(1s);
  EXPECT_EQ(client_->connections(), 0u);
  EXPECT_EQ(server_->connections(), 0u);
}

TEST_F(ConnectionTest, KeepAliveHoldsAnIdleConnection) {
  EndpointSettings settings;
  settings.engine.idle_timeout = 30s;
  connect(settings);
  serve_echo();
  ground_.loop.run_for(10min);
  EXPECT_TRUE(ground_.run(echo(ground_.loop, *edge_, 10)));
  EXPECT_LT(ground_.loop.now() - edge_->last_heard(), 1s);
}

TEST_F(ConnectionTest, ADroppedHandleClosesTheConnection) {
  connect();
  open_pair();
  edge_.reset();
  const net::MuxClose seen = ground_.run(cloud_->closed());
  EXPECT_TRUE(seen.by_peer);
  EXPECT_TRUE(seen.orderly);
  EXPECT_EQ(seen.code, 0u);
  EXPECT_EQ(ground_.run(code_of_read(*near_)), Code::closed) << "a stream outlives its connection and tells how that ended";
  ground_.loop.run_for(5s);
  EXPECT_EQ(ground_.run(code_of_read(*near_)), Code::closed) << "even when the endpoint has forgotten it";
}

TEST_F(ConnectionTest, HandlesMayOutliveTheEndpoint) {
  connect();
  open_pair();
  server_.reset();
  EXPECT_EQ(ground_.run(code_of_read(*far_)), Code::closed);
  EXPECT_FALSE(ground_.run(far_->write(as_bytes("x"))));
  EXPECT_FALSE(far_->shut());
  far_->abort(3);
  EXPECT_EQ(far_->unsent(), 0u);
  EXPECT_TRUE(cloud_->close_state());
  EXPECT_EQ(cloud_->peer_chain().size(), 1u) << "who it was can still be asked";
  EXPECT_EQ(cloud_->alpn(), kTestAlpn);
  EXPECT_EQ(cloud_->max_datagram(), 0u);
  cloud_->ping();
  cloud_.reset();
  far_.reset();
  EXPECT_EQ(ground_.run(code_of_read(*near_)), Code::closed) << "the peer was told";
}

Task<void> answer_and_close(net::MuxStream& stream, net::MuxConnection& connection) {
  const std::vector<std::byte> answer = net::pattern(1000);
  co_await send_all(stream, answer);
  co_await connection.receive_datagram();  // until the other side has got the answer
  connection.close(0, "done");
}

TEST_F(ConnectionTest, WhatCameBeforeTheCloseIsRead) {
  connect();
  open_pair();
  ground_.tasks.spawn(answer_and_close(*far_, *cloud_));
  ground_.loop.run_for(200ms);
  edge_->send_datagram(as_bytes("go"), net::Priority::control);
  ground_.loop.run_for(200ms);
  ASSERT_TRUE(edge_->close_state());
  const auto all = ground_.run(read_all(*near_));
  ASSERT_TRUE(all) << all.error().describe();
  EXPECT_EQ(*all, net::pattern(1000));
}

// ---- streams

TEST_F(ConnectionTest, AnAbortShowsItsCodeToThePeer) {
  connect();
  open_pair();
  near_->abort(42);
  EXPECT_EQ(ground_.run(far_->broken()).code(), Code::reset);
  EXPECT_EQ(far_->peer_code(), 42u);
  EXPECT_EQ(ground_.run(code_of_read(*far_)), Code::reset);
  EXPECT_EQ(ground_.run(far_->write(as_bytes("x"))).error().code(), Code::reset);
  EXPECT_EQ(ground_.run(code_of_read(*near_)), Code::cancelled);
  EXPECT_EQ(ground_.run(near_->write(as_bytes("x"))).error().code(), Code::cancelled);
}

TEST_F(ConnectionTest, ADroppedStreamIsAborted) {
  connect();
  open_pair();
  near_.reset();
  EXPECT_EQ(ground_.run(code_of_read(*far_)), Code::reset);
  EXPECT_EQ(far_->peer_code(), 0u);
}

TEST_F(ConnectionTest, HalvesEndByThemselves) {
  connect();
  open_pair();
  EXPECT_TRUE(near_->shut());
  EXPECT_TRUE(near_->shut()) << "once more does nothing";
  EXPECT_EQ(ground_.run(near_->write(as_bytes("x"))).error().code(), Code::invalid);
  auto end = ground_.run(far_->peek());
  ASSERT_TRUE(end);
  EXPECT_TRUE(end->empty());
  EXPECT_TRUE(ground_.run(far_->peek())->empty()) << "and at every later call";
  ground_.run(send_all(*far_, as_bytes("the other half still works")));
  EXPECT_EQ(as_text(*ground_.run(read_all(*near_))), "the other half still works");
}

Task<void> write_forever(net::MuxStream& stream, std::size_t& written) {
  const std::vector<std::byte> block(64_KiB);
  for (;;) {
    const auto done = co_await stream.write(block);
    if (!done) co_return;
    written += block.size();
  }
}

TEST_F(ConnectionTest, AWriterWaitsForItsReader) {
  connect();
  open_pair();
  std::size_t written = 0;
  Scope writing(ground_.loop);
  writing.spawn(write_forever(*near_, written));
  ground_.loop.run_for(20s);
  EXPECT_LT(written, 2_MiB) << "the first window and our own buffer";
  EXPECT_GT(near_->unsent(), 0u);
  const std::size_t before = written;
  for (int i = 0; i < 100; i++) {
    const auto bytes = ground_.run(far_->peek());
    far_->consume(bytes->size());
  }
  ground_.loop.run_for(5s);
  EXPECT_GT(written, before);
}

Task<void> broken_into(net::MuxStream& stream, std::optional<Code>& code) {
  const Error error = co_await stream.broken();
  code = error.code();
}

TEST_F(ConnectionTest, BrokenIsToldToThoseWhoNeitherReadNorWrite) {
  connect();
  open_pair();
  std::optional<Code> code;
  ground_.tasks.spawn(broken_into(*near_, code));
  ground_.loop.run_for(1s);
  EXPECT_FALSE(code);
  cloud_->close(1, "");
  ground_.loop.run_for(1s);
  EXPECT_EQ(code, Code::closed);
}

// ---- datagrams

TEST_F(ConnectionTest, DatagramsArrive) {
  connect();
  EXPECT_GE(edge_->max_datagram(), 1100u);
  EXPECT_TRUE(edge_->send_datagram(as_bytes("tick"), net::Priority::interactive));
  EXPECT_EQ(as_text(*ground_.run(cloud_->receive_datagram())), "tick");
  EXPECT_FALSE(edge_->send_datagram(std::vector<std::byte>(65'000), net::Priority::bulk));
}

TEST_F(ConnectionTest, OfUnreadDatagramsTheOldestAreDropped) {
  connect();
  for (std::size_t i = 0; i <= LiveConnection::kMaxDatagrams; i++) {
    EXPECT_TRUE(edge_->send_datagram(as_bytes(std::to_string(i)), net::Priority::interactive));
    ground_.loop.run_for(1ms);
  }
  ground_.loop.run_for(100ms);
  EXPECT_EQ(cloud_->stats().datagrams_dropped, 1u);
  EXPECT_EQ(as_text(*ground_.run(cloud_->receive_datagram())), "1");
}

// ---- waiting for streams

EndpointSettings few_streams(std::uint64_t n) {
  EndpointSettings settings;
  settings.engine.max_streams = n;
  return settings;
}
Task<void> open_and_note(net::MuxConnection& connection, TimePoint deadline, int number, std::vector<int>& order,
                         std::vector<MuxStream>& streams) {
  auto stream = co_await connection.open(net::Priority::interactive, deadline);
  order.push_back(stream ? number : -number);
  if (!stream) {
    EXPECT_EQ(stream.error().code(), Code::overloaded);
    co_return;
  }
  const auto written = co_await (*stream)->write(as_bytes("x"));
  EXPECT_TRUE(written);
  streams.push_back(*std::move(stream));
}

TEST_F(ConnectionTest, OpenersAreServedInOrderAndTheirDeadlinesHold) {
  connect(few_streams(2));
  Scope accepting(ground_.loop);
  accepting.spawn(echo_connection(ground_.loop, std::move(cloud_)));
  std::vector<int> order;
  std::vector<MuxStream> streams;
  Scope opening(ground_.loop);
  const TimePoint never = TimePoint::max();
  for (int i = 1; i <= 2; i++) opening.spawn(open_and_note(*edge_, never, i, order, streams));
  ground_.loop.run_for(1s);
  EXPECT_EQ(order, (std::vector{1, 2}));
  opening.spawn(open_and_note(*edge_, never, 3, order, streams));
  opening.spawn(open_and_note(*edge_, ground_.loop.now() + 2s, 4, order, streams));
  opening.spawn(open_and_note(*edge_, never, 5, order, streams));
  ground_.loop.run_for(1s);
  EXPECT_EQ(order, (std::vector{1, 2})) << "the limit is two";
  ground_.loop.run_for(2s);
  EXPECT_EQ(order, (std::vector{1, 2, -4}));
  streams.clear();
  ground_.loop.run_for(1s);
  EXPECT_EQ(order, (std::vector{1, 2, -4, 3, 5}));
  const auto late = ground_.run(edge_->open(net::Priority::bulk, ground_.loop.now()));
  EXPECT_EQ(late.error().code(), Code::overloaded) << "a deadline that has passed is no reason to wait";
}

TEST_F(ConnectionTest, ACancelledOpenerPassesItsTurnOn) {
  connect(few_streams(1));
  Scope accepting(ground_.loop);
  accepting.spawn(echo_connection(ground_.loop, std::move(cloud_)));
  std::vector<int> order;
  std::vector<MuxStream> streams;
  Scope first(ground_.loop);
  first.spawn(open_and_note(*edge_, TimePoint::max(), 1, order, streams));
  ground_.loop.run_for(1s);
  Scope waiting(ground_.loop);
  Scope others(ground_.loop);
  waiting.spawn(open_and_note(*edge_, TimePoint::max(), 2, order, streams));
  ground_.loop.run_for(1s);
  others.spawn(open_and_note(*edge_, TimePoint::max(), 3, order, streams));
  ground_.loop.run_for(1s);
  waiting.cancel_now();
  streams.clear();
  ground_.loop.run_for(1s);
  EXPECT_EQ(order, (std::vector{1, 3}));
}

Task<void> open_into(net::MuxConnection& connection, std::optional<Code>& code) {
  auto stream = co_await connection.open(net::Priority::bulk, TimePoint::max());
  if (!stream) code = stream.error().code();
}

TEST_F(ConnectionTest, OpenersLearnThatTheConnectionIsOver) {
  connect(few_streams(1));
  MuxStream only = ground_.run(open_stream(*edge_));
  std::optional<Code> code;
  Scope opening(ground_.loop);
  opening.spawn(open_into(*edge_, code));
  ground_.loop.run_for(1s);
  cloud_->close(1, "");
  ground_.loop.run_for(1s);
  EXPECT_EQ(code, Code::closed);
}

// ---- cancelling

Task<void> peek_once(net::MuxStream& stream) { (void)co_await stream.peek(); }
Task<void> accept_stream_once(net::MuxConnection& connection) { (void)co_await connection.accept(); }
Task<void> receive_once(net::MuxConnection& connection) { (void)co_await connection.receive_datagram(); }
Task<void> accept_once(Endpoint& endpoint) { (void)co_await endpoint.accept(); }
Task<void> dial_once(Endpoint& endpoint, net::SocketAddress to) { (void)co_await dial(endpoint, to); }

TEST_F(ConnectionTest, WhoeverIsCancelledWhileWaitingLeavesNothingBehind) {
  connect();
  open_pair();
  std::size_t written = 0;
  std::optional<Code> broken;
  std::optional<net::MuxClose> closed;
  for (int round = 0; round < 3; round++) {
    Scope waiting(ground_.loop);
    waiting.spawn(peek_once(*near_));
    waiting.spawn(peek_once(*far_));
    waiting.spawn(write_forever(*near_, written));
    waiting.spawn(broken_into(*near_, broken));
    waiting.spawn(closed_into(*edge_, closed));
    waiting.spawn(accept_stream_once(*edge_));
    waiting.spawn(receive_once(*edge_));
    waiting.spawn(accept_once(*server_));
    ground_.loop.run_for(100ms);
  }
  // All goes on as if nobody had waited.
  const auto bytes = ground_.run(far_->peek());
  EXPECT_TRUE(bytes && !bytes->empty());
  cloud_->send_datagram(as_bytes("x"), net::Priority::control);
  EXPECT_TRUE(ground_.run(edge_->receive_datagram()));
  edge_->close(1, "");
  EXPECT_TRUE(ground_.run(cloud_->closed()).orderly);
  EXPECT_FALSE(broken);
  EXPECT_FALSE(closed);
}

TEST_F(ConnectionTest, ACancelledDialIsTakenBack) {
  server_ = ground_.endpoint(ground_.cloud, EndpointGround::kPort);
  server_->serve(test_server());
  client_ = ground_.endpoint(ground_.edge);
  for (const Duration after : {0ms, 10ms, 30ms, 60ms}) {
    {
      Scope dialling(ground_.loop);
      dialling.spawn(dial_once(*client_, ground_.cloud_address()));
      ground_.loop.run_for(after);
    }
    ground_.loop.run_for(1s);
    EXPECT_EQ(client_->connections(), 0u);
  }
  ground_.loop.run_for(20s);
  EXPECT_EQ(server_->connections(), 0u);
}

// ---- resumption

Task<bool> dial_again(Endpoint& endpoint, net::SocketAddress to, const Resumption& resumption) {
  Endpoint::ClientOptions options = test_client();
  options.resumption = &resumption;
  auto connection = co_await endpoint.connect(to, std::move(options));
  co_return connection && (*connection)->resumed() && !(*connection)->peer_chain().empty();
}
Task<Mux> dial_and_keep(Endpoint& endpoint, net::SocketAddress to, std::optional<Resumption>& kept) {
  Endpoint::ClientOptions options = test_client();
  options.on_resumption = [&kept](const Resumption& resumption) { kept = resumption; };
  auto connection = co_await endpoint.connect(to, std::move(options));
  EXPECT_TRUE(connection);
  co_return connection ? *std::move(connection) : nullptr;
}

TEST_F(ConnectionTest, ATicketIsKeptAndGoodForTheNextConnection) {
  server_ = ground_.echoing();
  client_ = ground_.endpoint(ground_.edge);
  std::optional<Resumption> kept;
  Mux first = ground_.run(dial_and_keep(*client_, ground_.cloud_address(), kept));
  ground_.loop.run_for(1s);
  ASSERT_TRUE(kept);
  EXPECT_FALSE(kept->ticket.empty());
  EXPECT_TRUE(ground_.run(dial_again(*client_, ground_.cloud_address(), *kept)));
}

}  // namespace
}  // namespace fairlead::quic
