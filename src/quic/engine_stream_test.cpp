#include <gtest/gtest.h>

#include "quic/engine_test_pair.h"

namespace fairlead::quic::test {
namespace {

// Sends `bytes` on `s` as room comes, then the end.
class Sender {
 public:
  Sender(EngineStream& s, std::string bytes) : stream(s), bytes_(std::move(bytes)) {}
  void pump() {
    at_ += write(stream, std::string_view(bytes_).substr(at_));
    if (at_ == bytes_.size() && !ended_) {
      ended_ = true;
      stream.finish();
    }
  }
  EngineStream& stream;

 private:
  std::string bytes_;
  std::size_t at_ = 0;
  bool ended_ = false;
};

}  // namespace

// The heart of it: whatever the path does, each byte arrives once and in order, both ways.
TEST(EngineStreams, EveryByteArrivesOnceAndInOrderOnABadPath) {
  const std::uint64_t count = seeds(200);
  for (std::uint64_t seed = 1; seed <= count; seed++) {
    SCOPED_TRACE(seed);
    Random random(seed);
    Scenario scenario;
    scenario.path = {.seed = seed,
                     .delay = Duration(static_cast<std::int64_t>(1'000'000 + random.below(40'000'000))),
                     .loss = 0.2 * random.unit() * static_cast<double>(seed % 4 != 0),
                     .duplicate = 0.1 * random.unit(),
                     .reorder = 0.3 * random.unit()};
    scenario.client.handshake_timeout = scenario.server.handshake_timeout = 60s;
    if (seed % 2 == 0) scenario.client.congestion = scenario.server.congestion = EngineSettings::Congestion::cubic;
    Pair pair(scenario);
    ASSERT_TRUE(pair.connect(60s));

    struct Flow {
      std::string up, down, got_up, got_down;
      std::unique_ptr<Sender> client, server;
      EngineStream* far = nullptr;
    };
    std::vector<Flow> flows(1 + random.below(6));
    for (Flow& f : flows) {
      f.up = pattern(random.below(60'000), random.next());
      f.down = pattern(random.below(60'000), random.next());
      f.client = std::make_unique<Sender>(*pair.client.engine->open_stream(net::Priority::interactive), f.up);
    }
    pair.pump = [&] {
      for (Flow& f : flows) {
        f.client->pump();
        f.got_down += read(f.client->stream);
        if (f.far == nullptr && (f.far = pair.server_end(&f.client->stream)) != nullptr)
          f.server = std::make_unique<Sender>(*f.far, f.down);
        if (f.far == nullptr) continue;
        f.server->pump();
        f.got_up += read(*f.far);
      }
    };
    ASSERT_TRUE(pair.run(600s,
                         [&] {
                           for (Flow& f : flows)
                             if (f.far == nullptr || !f.client->stream.at_end() || !f.far->at_end()) return false;
                           return true;
                         }))
        << (pair.client.how ? pair.client.how->reason : "") << (pair.server.how ? pair.server.how->reason : "");
    pair.pump = {};
    for (Flow& f : flows) {
      ASSERT_TRUE(f.got_up == f.up);
      ASSERT_TRUE(f.got_down == f.down);
      f.client->stream.release();
      f.far->release();
    }
    ASSERT_TRUE(pair.run(60s, [&] { return pair.client.engine->stats().streams == 0 && pair.server.engine->stats().streams == 0; }));
  }
}

namespace {

// A stream that both sides have.
struct Both {
  EngineStream* client;
  EngineStream* server;
};
Both open_both(Pair& pair, net::Priority priority = net::Priority::interactive) {
  EngineStream* s = pair.client.engine->open_stream(priority);
  if (s == nullptr) return {nullptr, nullptr};
  write(*s, "!");
  pair.run(5s, [&] { return pair.server_end(s) != nullptr; });
  EngineStream* far = pair.server_end(s);
  EXPECT_EQ(read(*far), "!");
  return {s, far};
}

}  // namespace

TEST(EngineStreams, EachHalfEndsByItself) {
  Pair pair;
  ASSERT_TRUE(pair.connect());
  auto [c, s] = open_both(pair);
  c->finish();
  ASSERT_TRUE(pair.run(1s, [&] { return s->at_end(); }));
  EXPECT_FALSE(c->at_end());
  EXPECT_FALSE(s->closed());
  write(*s, "answer after the end of the question");
  s->finish();
  ASSERT_TRUE(pair.run(1s, [&] { return !c->peek().empty(); }));
  EXPECT_FALSE(c->at_end());
  EXPECT_EQ(read(*c), "answer after the end of the question");
  EXPECT_TRUE(c->at_end());
  ASSERT_TRUE(pair.run(1s, [&] { return c->closed() && s->closed(); }));
  c->release();
  s->release();
  ASSERT_TRUE(pair.run(1s, [&] { return pair.client.engine->stats().streams + pair.server.engine->stats().streams == 0; }));
}

TEST(EngineStreams, AnEmptyStreamIsSeenWithItsEnd) {
  Pair pair;
  ASSERT_TRUE(pair.connect());
  EngineStream& s = *pair.client.engine->open_stream(net::Priority::interactive);
  s.finish();
  ASSERT_TRUE(pair.run(1s, [&] { return pair.server_end(&s) != nullptr && pair.server_end(&s)->at_end(); }));
  pair.server_end(&s)->release();
  s.release();
}

TEST(EngineStreams, TheServerOpensStreamsToo) {
  Pair pair;
  ASSERT_TRUE(pair.connect());
  EngineStream& s = *pair.server.engine->open_stream(net::Priority::management);
  write(s, "exec");
  ASSERT_TRUE(pair.run(1s, [&] { return !pair.client.opened.empty(); }));
  EXPECT_EQ(read(*pair.client.opened[0]), "exec");
  EXPECT_EQ(pair.client.opened[0]->id(), s.id());
  pair.client.opened[0]->release();
  s.release();
}

TEST(EngineStreams, AbortEndsBothHalvesWithTheCode) {
  Pair pair;
  ASSERT_TRUE(pair.connect());
  auto [c, s] = open_both(pair);
  write(*c, "never read");
  ASSERT_TRUE(pair.run(1s, [&] { return !s->peek().empty(); }));
  pair.server.readable.clear();
  pair.server.writable.clear();
  c->abort(77);
  EXPECT_TRUE(c->prepare().empty() && c->peek().empty());
  ASSERT_TRUE(pair.run(1s, [&] { return s->reset_code().has_value(); }));
  EXPECT_EQ(s->reset_code(), 77u);
  EXPECT_EQ(s->stopped_code(), 77u);
  EXPECT_TRUE(pair.server.readable.contains(s) && pair.server.writable.contains(s));
  EXPECT_TRUE(s->prepare().empty());
  EXPECT_EQ(read(*s), "never read");
  EXPECT_FALSE(s->at_end());
  c->release();
  s->release();
  ASSERT_TRUE(pair.run(1s, [&] { return pair.client.engine->stats().streams + pair.server.engine->stats().streams == 0; }));
}

// The peer has sent all and only wants no more: the writer must learn it though it is held up by the peer's window.
TEST(EngineStreams, AWriterThatWaitsLearnsThatThePeerWantsNoMore) {
  Pair pair;
  ASSERT_TRUE(pair.connect());
  auto [c, s] = open_both(pair);
  const std::string much(4_MiB, 'x');
  std::size_t written = write(*c, much);
  EXPECT_LT(written, much.size());
  s->finish();
  pair.run_for(1s);
  pair.client.writable.clear();
  s->release();  // has not read
  ASSERT_TRUE(pair.run(1s, [&] { return pair.client.writable.contains(c); }));
  EXPECT_TRUE(c->prepare().empty());
  EXPECT_TRUE(c->stopped_code().has_value());
  c->release();
  ASSERT_TRUE(pair.run(1s, [&] { return pair.client.engine->stats().streams + pair.server.engine->stats().streams == 0; }));
}

TEST(EngineStreams, WhatWasFinishedIsDeliveredThoughItIsReleased) {
  Pair pair;
  ASSERT_TRUE(pair.connect());
  auto [c, s] = open_both(pair);
  const std::string much = pattern(200'000, 3);
  EXPECT_EQ(write(*c, much), much.size());
  c->finish();
  c->release();
  std::string got;
  pair.pump = [&, far = s] { got += read(*far); };
  ASSERT_TRUE(pair.run(5s, [&, far = s] { return far->at_end(); }));
  EXPECT_TRUE(got == much);
  pair.pump = {};
  s->release();
  ASSERT_TRUE(pair.run(1s, [&] { return pair.client.engine->stats().streams + pair.server.engine->stats().streams == 0; }));
}

// Found by the fuzzer: room is asked for once more, and what is on its way must not go with the refusal.
TEST(EngineStreams, AskingForRoomAfterTheEndHarmsNothing) {
  Scenario scenario;
  scenario.path.loss = 0.2;
  Pair pair(scenario);
  ASSERT_TRUE(pair.connect());
  auto [c, s] = open_both(pair);
  const std::string much = pattern(100'000, 4);
  EXPECT_EQ(write(*c, much), much.size());
  c->finish();
  std::string got;
  pair.pump = [&, near = c, far = s] {
    EXPECT_TRUE(near->prepare().empty());
    got += read(*far);
  };
  ASSERT_TRUE(pair.run(30s, [&, far = s] { return far->at_end(); }));
  EXPECT_TRUE(got == much);
  pair.pump = {};
  c->release();
  s->release();
}

// The peer breaks off while much of ours is lost: the library must not send it again from memory that is gone.
TEST(EngineStreams, APeerThatBreaksOffUnderLossLeavesNothingToRepeat) {
  for (std::uint64_t seed = 1; seed <= 20; seed++) {
    Scenario scenario;
    scenario.path = {.seed = seed, .loss = 0.3};
    scenario.client.handshake_timeout = scenario.server.handshake_timeout = 60s;
    Pair pair(scenario);
    ASSERT_TRUE(pair.connect(60s));
    EngineStream* c = pair.client.engine->open_stream(net::Priority::interactive);
    write(*c, std::string(100'000, 'x'));
    ASSERT_TRUE(pair.run(60s, [&] { return pair.server_end(c) != nullptr; }));
    EngineStream* s = pair.server_end(c);
    s->abort(9);
    s->release();
    ASSERT_TRUE(pair.run(60s, [&] { return c->reset_code() || c->stopped_code(); }));
    seed % 2 == 0 ? c->abort(1) : c->finish();
    c->release();
    ASSERT_TRUE(pair.run(100s, [&] { return pair.client.engine->stats().streams + pair.server.engine->stats().streams == 0; }));
  }
}

// One side has said all and reads no more, while what the other sends arrives out of order and the word of it is lost on the way.
TEST(EngineStreams, AStreamWhosePeerWasDoneBeforeItHeardThatNobodyReadsIsLetGoOf) {
  std::uint64_t forgotten = 0;
  for (std::uint64_t seed = 1; seed <= 60; seed++) {
    Scenario scenario;
    scenario.path = {.seed = seed, .loss = 0.3};
    scenario.client.chance = scenario.server.chance = seed;
    scenario.client.handshake_timeout = scenario.server.handshake_timeout = 60s;
    Pair pair(scenario);
    ASSERT_TRUE(pair.connect(60s));
    for (int i = 0; i < 20; i++) {
      EngineStream* c = pair.client.engine->open_stream(net::Priority::interactive);
      write(*c, std::string(6'000, 'x'));
      c->finish();
      c->release();
    }
    pair.pump = [&] {
      for (EngineStream* s : std::exchange(pair.server.opened, {})) {
        write(*s, "no");
        s->finish();
        s->release();
      }
    };
    EXPECT_TRUE(pair.run(5min, [&] { return pair.client.engine->stats().streams + pair.server.engine->stats().streams == 0; })) << seed;
    forgotten += pair.server.engine->counters().streams_forgotten;
  }
  EXPECT_GT(forgotten, 0u) << "what this test is about did not happen";
}

TEST(EngineStreams, AnAbortAfterTheEndWasSentStillReachesAPeerThatHasNotReadIt) {
  Pair pair;
  ASSERT_TRUE(pair.connect());
  auto [c, s] = open_both(pair);
  write(*c, std::string(200'000, 'x'));
  c->finish();
  pair.run_for(5ms);
  c->abort(5);
  ASSERT_TRUE(pair.run(1s, [&, far = s] { return far->reset_code().has_value(); }));
  c->release();
  s->release();
}

TEST(EngineStreams, ThePeersLimitHoldsAndOpeningResumesWhenStreamsClose) {
  Scenario scenario;
  scenario.server.max_streams = 10;
  Pair pair(scenario);
  ASSERT_TRUE(pair.connect());
  std::vector<EngineStream*> open;
  while (EngineStream* s = pair.client.engine->open_stream(net::Priority::interactive)) open.push_back(s);
  ASSERT_EQ(open.size(), 10u);
  for (EngineStream* s : open) {
    write(*s, "x");
    s->finish();
  }
  pair.client.streams_allowed = 0;
  ASSERT_TRUE(pair.run(1s, [&] { return pair.server.opened.size() == 10; }));
  for (EngineStream* s : pair.server.opened) s->finish();
  pair.run_for(1s);
  EXPECT_EQ(pair.client.engine->open_stream(net::Priority::interactive), nullptr) << "closed, but nobody there has let go of them";
  for (EngineStream* s : pair.server.opened) s->release();
  pair.server.opened.clear();
  for (EngineStream* s : open) s->release();
  ASSERT_TRUE(pair.run(1s, [&] { return pair.client.streams_allowed > 0; }));
  open.clear();
  while (EngineStream* s = pair.client.engine->open_stream(net::Priority::interactive)) open.push_back(s);
  EXPECT_EQ(open.size(), 10u);
  for (EngineStream* s : open) s->release();
}

TEST(EngineStreams, ManyShortStreamsInARowLeaveNothing) {
  Scenario scenario;
  scenario.server.max_streams = 100;
  Pair pair(scenario);
  ASSERT_TRUE(pair.connect());
  int asked = 0, answered = 0;
  std::vector<EngineStream*> open;
  pair.pump = [&] {
    while (asked < 10'000) {
      EngineStream* s = pair.client.engine->open_stream(net::Priority::interactive);
      if (s == nullptr) break;
      asked++;
      write(*s, "request");
      s->finish();
      open.push_back(s);
    }
    for (EngineStream*& s : pair.server.opened) {
      read(*s);
      if (!s->at_end()) continue;
      write(*s, "answer");
      s->finish();
      s->release();
      s = nullptr;
    }
    std::erase(pair.server.opened, nullptr);
    for (EngineStream*& s : open) {
      read(*s);
      if (!s->at_end()) continue;
      answered++;
      s->release();
      s = nullptr;
    }
    std::erase(open, nullptr);
  };
  ASSERT_TRUE(pair.run(60s, [&] { return answered == 10'000; }));
  ASSERT_TRUE(pair.run(5s, [&] { return pair.client.engine->stats().streams + pair.server.engine->stats().streams == 0; }));
  EXPECT_EQ(pair.client.engine->stats().memory, 0u);
  EXPECT_EQ(pair.server.engine->stats().memory, 0u);
}

// The path dies for good at the n-th packet, whatever was going on: both sides end with an error, in time.
TEST(EngineStreams, APathThatDiesAtAnyPacketEndsBothSides) {
  for (int last = 1; last < 60; last++) {
    SCOPED_TRACE(last);
    Scenario scenario;
    scenario.client.idle_timeout = scenario.server.idle_timeout = 5s;
    Pair pair(scenario);
    int packets = 0;
    pair.drop = [&](bool, Bytes) { return ++packets > last; };
    EngineStream* s = nullptr;
    EngineStream* far = nullptr;
    pair.pump = [&] {
      if (s == nullptr && pair.client.engine->established()) {
        s = pair.client.engine->open_stream(net::Priority::interactive);
        write(*s, pattern(100'000, 1));
        s->finish();
      }
      if (far == nullptr && s != nullptr) far = pair.server_end(s);
      if (far == nullptr) return;
      read(*far);
      write(*far, std::string(1000, 'a'));
    };
    ASSERT_TRUE(pair.run(40s, [&] { return pair.client.how && (pair.server.how || !pair.server.engine); }));
    EXPECT_FALSE(pair.client.how->orderly);
    pair.pump = {};
    for (EngineStream* each : {s, far}) {
      if (each == nullptr) continue;
      EXPECT_TRUE(each->closed());
      each->release();
    }
  }
}

// All that a user may do from inside an event.
TEST(EngineStreams, UsersMayCallStreamsFromInsideEvents) {
  struct Echo : Side {
    void on_stream_opened(EngineStream& s) override { s.set_priority(net::Priority::management); }
    void on_readable(EngineStream& s) override {
      write(s, read(s));
      if (s.at_end()) {
        s.finish();
        s.release();
      }
    }
  };
  Echo echo;
  Pair pair;
  pair.server_events = &echo;
  ASSERT_TRUE(pair.run(5s, [&] { return pair.client.handshakes > 0; }));
  EngineStream& s = *pair.client.engine->open_stream(net::Priority::interactive);
  const std::string text = pattern(100'000, 9);
  write(s, text);
  s.finish();
  std::string got;
  pair.pump = [&] { got += read(s); };
  ASSERT_TRUE(pair.run(10s, [&] { return s.at_end(); }));
  EXPECT_TRUE(got == text);
  s.release();
}

}  // namespace fairlead::quic::test
