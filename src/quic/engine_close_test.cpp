#include <gtest/gtest.h>

#include "quic/engine_test_pair.h"

namespace fairlead::quic::test {
namespace {

bool over(const Pair& pair) { return pair.client.how && pair.server.how; }

}  // namespace

TEST(EngineClose, ThePeerSeesCodeAndReason) {
  Pair pair;
  ASSERT_TRUE(pair.connect());
  pair.client.engine->close(42, "going home", pair.now);
  EXPECT_FALSE(pair.client.engine->alive());
  ASSERT_TRUE(pair.run(1s, [&] { return over(pair); }));
  EXPECT_TRUE(pair.server.how->by_peer && pair.server.how->orderly && pair.server.how->application);
  EXPECT_EQ(pair.server.how->code, 42u);
  EXPECT_EQ(pair.server.how->reason, "going home");
  EXPECT_FALSE(pair.client.how->by_peer);
  EXPECT_EQ(pair.client.how->code, 42u);
  ASSERT_TRUE(pair.run(5s, [&] { return pair.client.engine->finished() && pair.server.engine->finished(); }));
  EXPECT_EQ(pair.client.closes, 1);
  EXPECT_EQ(pair.server.closes, 1);
  EXPECT_EQ(pair.client.engine->deadline(), TimePoint::max());
}

TEST(EngineClose, TheServersReasonArrivesJustAfterTheHandshakeToo) {
  Pair pair;
  ASSERT_TRUE(pair.run(5s, [&] { return pair.server.handshakes > 0; }));
  pair.server.engine->close(7, "draining", pair.now);
  ASSERT_TRUE(pair.run(1s, [&] { return over(pair); }));
  EXPECT_EQ(pair.client.how->reason, "draining");
  EXPECT_EQ(pair.client.how->code, 7u);
}

TEST(EngineClose, RefusingIsSeenAsATlsAlertWithTheSentence) {
  for (const bool by_server : {true, false}) {
    SCOPED_TRACE(by_server ? "server" : "client");
    Pair pair;
    Side& refusing = by_server ? pair.server : pair.client;
    Side& refused = by_server ? pair.client : pair.server;
    ASSERT_TRUE(pair.run(5s, [&] { return refusing.handshakes > 0; }));
    refusing.engine->refuse(44, "revoked: the certificate of edge-a was revoked", pair.now);
    ASSERT_TRUE(pair.run(5s, [&] { return over(pair); }));
    EXPECT_EQ(refused.how->code, 0x100u + 44);
    EXPECT_FALSE(refused.how->application);
    EXPECT_TRUE(refused.how->orderly && refused.how->by_peer);
    EXPECT_EQ(refused.how->reason, "revoked: the certificate of edge-a was revoked");
    EXPECT_EQ(refusing.how->code, 0x100u + 44);
  }
}

// The client can tell who the server is before the server has the client's last word, which that word must not be lost for.
TEST(EngineClose, AClientsRefusalArrivesThoughItsFinishedIsLost) {
  Pair pair;
  bool lose = false;
  int lost = 0;
  pair.drop = [&](bool from_client, Bytes) { return from_client && lose && lost++ < 1; };
  ASSERT_TRUE(pair.run(5s, [&] {
    lose = pair.client.handshakes > 0;
    return lose;
  }));
  pair.client.engine->refuse(42, "wrong CA", pair.now);
  ASSERT_TRUE(pair.run(5s, [&] { return over(pair); }));
  EXPECT_EQ(lost, 2);
  EXPECT_EQ(pair.server.how->reason, "wrong CA");
}

TEST(EngineClose, ALostCloseIsSaidAgain) {
  Pair pair;
  ASSERT_TRUE(pair.connect());
  pair.run_for(1s);
  int lost = 0;
  pair.drop = [&](bool from_client, Bytes) { return from_client && lost++ < 1; };
  pair.client.engine->close(1, "bye", pair.now);
  ASSERT_TRUE(pair.run(1s, [&] { return over(pair); }));
  EXPECT_EQ(pair.server.how->reason, "bye");
}

TEST(EngineClose, WhoGoesOnTalkingIsToldAgainButEverMoreRarely) {
  Scenario scenario;
  Pair pair(scenario);
  ASSERT_TRUE(pair.connect());
  pair.run_for(1s);
  int closes = 0;
  pair.drop = [&](bool from_client, Bytes) {
    closes += from_client;
    return from_client;  // none arrives
  };
  pair.client.engine->close(1, "bye", pair.now);
  int packets = 0;
  pair.pump = [&] {
    if (packets < 64 && pair.server.engine->send_datagram(as_bytes("hello"), net::Priority::interactive)) packets++;
  };
  pair.run(10s, [&] { return pair.client.engine->finished(); });
  EXPECT_GT(packets, 16);
  EXPECT_GE(closes, 5);
  EXPECT_LE(closes, 9);  // the first, one unasked, and at packets 1, 2, 4 ... 64
}

TEST(EngineClose, BothMayCloseAtOnce) {
  Pair pair;
  ASSERT_TRUE(pair.connect());
  pair.client.engine->close(1, "client", pair.now);
  pair.server.engine->close(2, "server", pair.now);
  ASSERT_TRUE(pair.run(5s, [&] { return pair.client.engine->finished() && pair.server.engine->finished(); }));
  EXPECT_EQ(pair.client.how->code, 1u);
  EXPECT_EQ(pair.server.how->code, 2u);
}

TEST(EngineClose, ALongReasonIsCutNotLost) {
  Pair pair;
  ASSERT_TRUE(pair.connect());
  pair.client.engine->close(3, std::string(5000, 'x'), pair.now);
  ASSERT_TRUE(pair.run(5s, [&] { return over(pair); }));
  EXPECT_EQ(pair.server.how->code, 3u);
  EXPECT_EQ(pair.server.how->reason, std::string(512, 'x'));
}

TEST(EngineClose, StreamsFailAndWhatHadArrivedCanStillBeRead) {
  Pair pair;
  ASSERT_TRUE(pair.connect());
  EngineStream& s = *pair.client.engine->open_stream(net::Priority::interactive);
  write(s, "last words");
  s.finish();
  ASSERT_TRUE(pair.run(1s, [&] { return pair.server_end(&s) != nullptr; }));
  pair.client.engine->close(0, "", pair.now);
  ASSERT_TRUE(pair.run(1s, [&] { return over(pair); }));
  EngineStream& far = *pair.server_end(&s);
  EXPECT_TRUE(far.closed() && s.closed());
  EXPECT_TRUE(far.prepare().empty() && s.prepare().empty());
  EXPECT_EQ(read(far), "last words");
  EXPECT_TRUE(far.at_end());
  far.release();
  s.release();
}

TEST(EngineClose, AStreamOutlivesItsEngineUntilItIsReleased) {
  Pair pair;
  ASSERT_TRUE(pair.connect());
  EngineStream& s = *pair.client.engine->open_stream(net::Priority::interactive);
  write(s, "question");
  ASSERT_TRUE(pair.run(1s, [&] { return pair.server_end(&s) != nullptr; }));
  EngineStream& far = *pair.server_end(&s);
  const Bytes peeked = far.peek();
  const MutableBytes room = far.prepare();
  pair.server.engine.reset();
  EXPECT_EQ(pair.server.budget.used(), 0u);
  EXPECT_EQ(as_text(peeked), "question");  // the sanitizer watches
  std::fill(room.begin(), room.end(), std::byte{1});
  far.consume(peeked.size());
  far.commit(room.size());
  EXPECT_TRUE(far.closed());
  EXPECT_TRUE(far.peek().empty() && far.prepare().empty() && !far.has_room());
  far.set_priority(net::Priority::bulk);
  far.finish();
  far.abort(1);
  far.release();
  s.release();
}

TEST(EngineClose, SilenceEndsItAfterTheIdleTimeoutWithoutAPacket) {
  Scenario scenario;
  scenario.client.idle_timeout = scenario.server.idle_timeout = 20s;
  scenario.client.keep_alive = scenario.server.keep_alive = 0s;
  Pair pair(scenario);
  ASSERT_TRUE(pair.connect());
  pair.run_for(2s);
  const TimePoint start = pair.now;
  const std::size_t sent = pair.batches.size();
  ASSERT_TRUE(pair.run(60s, [&] { return over(pair); }));
  EXPECT_LE(pair.now - start, 20s);
  EXPECT_GE(pair.now - start, 17s);
  EXPECT_EQ(pair.batches.size(), sent);
  EXPECT_FALSE(pair.client.how->orderly);
  EXPECT_NE(pair.client.how->reason.find("nothing was heard"), std::string::npos);
  EXPECT_TRUE(pair.client.engine->finished() && pair.server.engine->finished());
}

TEST(EngineClose, KeepAliveHoldsAnIdleConnectionUp) {
  Scenario scenario;
  scenario.client.idle_timeout = scenario.server.idle_timeout = 40s;
  scenario.client.keep_alive = 15s;
  scenario.server.keep_alive = 0s;
  Pair pair(scenario);
  ASSERT_TRUE(pair.connect());
  pair.run_for(600s);
  EXPECT_TRUE(pair.client.engine->alive() && pair.server.engine->alive());
  EXPECT_LT(pair.now - pair.server.engine->last_heard(), 16s);
  EXPECT_LT(pair.batches.size(), 130u);  // 40 pings and their answers
}

TEST(EngineClose, APingIsAnsweredWithinARoundTrip) {
  Pair pair;
  ASSERT_TRUE(pair.connect());
  pair.run_for(5s);
  const TimePoint asked = pair.now;
  ASSERT_LT(pair.client.engine->last_heard(), asked);
  pair.client.engine->ping();
  ASSERT_TRUE(pair.run(60ms, [&] { return pair.client.engine->last_heard() > asked; }));
  EXPECT_TRUE(pair.server.datagrams.empty());
}

TEST(EngineClose, AStatelessResetSaysThatThePeerForgot) {
  Pair pair;
  ASSERT_TRUE(pair.connect());
  pair.run_for(1s);
  ASSERT_FALSE(pair.client.tokens.empty());
  const auto packet = stateless::reset(100, *pair.client.tokens.begin());
  ASSERT_FALSE(packet.empty());
  pair.client.engine->feed({pair.client.engine->peer(), pair.client.engine->local(), net::Ecn::not_ect, packet}, pair.now);
  ASSERT_TRUE(pair.client.how.has_value());
  EXPECT_FALSE(pair.client.how->orderly);
  EXPECT_TRUE(pair.client.how->by_peer);
  EXPECT_NE(pair.client.how->reason.find("stateless reset"), std::string::npos);
}

TEST(EngineClose, AResetWithAWrongTokenIsNoise) {
  Pair pair;
  ASSERT_TRUE(pair.connect());
  pair.run_for(1s);
  const TimePoint heard = pair.client.engine->last_heard();
  const auto packet = stateless::reset(100, StatelessResetToken{});
  pair.client.engine->feed({pair.client.engine->peer(), pair.client.engine->local(), net::Ecn::not_ect, packet}, pair.now);
  EXPECT_TRUE(pair.client.engine->alive());
  EXPECT_EQ(pair.client.engine->last_heard(), heard);  // who cannot encrypt is not the peer
}

TEST(EngineClose, ClosingTwiceIsClosingOnce) {
  Pair pair;
  ASSERT_TRUE(pair.connect());
  pair.client.engine->close(0, "", pair.now);
  pair.client.engine->close(1, "again", pair.now);
  ASSERT_TRUE(pair.run(1s, [&] { return over(pair); }));
  EXPECT_EQ(pair.server.how->code, 0u);
  EXPECT_EQ(pair.client.closes, 1);
}

TEST(EngineClose, BeforeAnythingWasHeardThereIsNobodyToTell) {
  Pair pair;
  pair.client.engine->close(1, "never mind", pair.now);
  ASSERT_TRUE(pair.run(5s, [&] { return pair.client.engine->finished(); }));
  EXPECT_EQ(pair.client.closes, 1);
}

// With a fifth of the packets lost the reason still comes, as long as both sides have something to say.
TEST(EngineClose, OnABadPathTheReasonArrives) {
  int told = 0;
  const int runs = 100;
  for (int seed = 1; seed <= runs; seed++) {
    Scenario scenario;
    scenario.path.seed = static_cast<std::uint64_t>(seed);
    scenario.path.loss = 0.2;
    scenario.client.handshake_timeout = scenario.server.handshake_timeout = 60s;
    Pair pair(scenario);
    ASSERT_TRUE(pair.connect(60s));
    pair.run_for(1s);
    pair.client.engine->close(9, "reason", pair.now);
    pair.run(3s, [&] { return over(pair); });
    told += pair.server.how && pair.server.how->reason == "reason";
  }
  EXPECT_GE(told, 90);  // 0.2 * 0.2 are lost twice
}

}  // namespace fairlead::quic::test
