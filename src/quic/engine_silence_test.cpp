// Outages: how soon everything moves again when the path is back.
#include <gtest/gtest.h>

#include "quic/engine_test_pair.h"
#include "quic/silence.h"

namespace fairlead::quic::test {
namespace {

using net::Priority;

// 32 Mbit/s, 50 ms there and back.
Scenario wide() {
  Scenario scenario;
  scenario.path = {.delay = 25ms, .rate = 4'000'000, .queue = 50ms};
  return scenario;
}

// A path that breaks, bulk in one direction, small requests in the other or in both.
class Outage {
 public:
  explicit Outage(Scenario scenario = wide()) : pair(std::move(scenario)) {
    EXPECT_TRUE(pair.connect());
    pair.pump = [this] { pump(); };
  }

  // A stream of the client on which `to_client` or the client sends without end.
  void flood(bool to_client) {
    to_client_ = to_client;
    near_ = pair.client.engine->open_stream(Priority::bulk);
    pair.kept.push_back(near_);
    write(*near_, "b");
    pair.run(1s, [&] { return far() != nullptr; });
  }
  void ask() {
    EngineStream* s = pair.client.engine->open_stream(Priority::interactive);
    ASSERT_NE(s, nullptr);
    pair.kept.push_back(s);
    write(*s, "request");
    s->finish();
    asked_.push_back({s, pair.now, {}});
  }
  void out_for(Duration time, bool asking = false) {
    pair.cut = true;
    if (asking) {
      for (int i = 0; i < 5; i++) {
        pair.run_for(200ms);
        ask();
      }
      time -= 1s;
    }
    pair.run_for(time);
    pair.cut = false;
  }
  Duration until_bytes(std::uint64_t more) {
    const std::uint64_t before = received;
    const TimePoint start = pair.now;
    EXPECT_TRUE(pair.run(60s, [&] { return received >= before + more; }));
    return pair.now - start;
  }
  Duration until_answered() {
    const TimePoint start = pair.now;
    EXPECT_TRUE(pair.run(60s, [&] { return asked_.back().done; }));
    return pair.now - start;
  }

  Pair pair;
  std::uint64_t received = 0;
  int moves = 0;

 private:
  struct Asked {
    EngineStream* stream;
    TimePoint at;
    bool done;
  };
  EngineStream* far() {
    if (far_ == nullptr && (far_ = pair.server_end(near_)) != nullptr) pair.kept.push_back(far_);
    return far_;
  }
  void pump() {
    if (moves < pair.client.stuck) {
      moves = pair.client.stuck;
      pair.client.engine->migrate(address(("10.0.0.1:" + std::to_string(1000 + moves)).c_str()), pair.now);
    }
    if (near_ != nullptr && far() != nullptr) {
      static const std::string block(64_KiB, 'p');
      EngineStream& from = to_client_ ? *far_ : *near_;
      EngineStream& to = to_client_ ? *near_ : *far_;
      while (write(from, block) == block.size()) {
      }
      received += read(to).size();
    }
    for (EngineStream* s : std::exchange(pair.server.opened, {})) {
      if (near_ != nullptr && s->id() == near_->id()) {
        pair.server.opened.push_back(s);
        continue;
      }
      open_.push_back(s);
    }
    std::erase_if(open_, [](EngineStream* s) {
      read(*s);
      if (!s->at_end() && !s->reset_code()) return false;
      write(*s, std::string(1000, 'a'));
      s->finish();
      s->release();
      return true;
    });
    for (Asked& asked : asked_)
      if (!asked.done && (read(*asked.stream), asked.stream->at_end())) asked.done = true;
  }

  bool to_client_ = false;
  EngineStream* near_ = nullptr;
  EngineStream* far_ = nullptr;
  std::vector<Asked> asked_;
  std::vector<EngineStream*> open_;
};

struct Case {
  Duration out;
  double loss;
};
class EngineOutage : public testing::TestWithParam<Case> {};

TEST_P(EngineOutage, ADownloadMovesAtOnceAndARequestIsAnswered) {
  Scenario scenario = wide();
  scenario.path.loss = GetParam().loss;
  Outage outage(std::move(scenario));
  outage.flood(true);
  outage.pair.run_for(3s);
  ASSERT_GT(outage.received, 5'000'000u);
  outage.out_for(GetParam().out);
  outage.ask();
  EXPECT_LT(outage.until_bytes(1), 500ms);
  EXPECT_LT(outage.until_answered(), 800ms);
  EXPECT_LT(outage.until_bytes(2'000'000), 2s);
}

TEST_P(EngineOutage, AnUploadMovesAtOnceAndARequestIsAnswered) {
  Scenario scenario = wide();
  scenario.path.loss = GetParam().loss;
  Outage outage(std::move(scenario));
  outage.flood(false);
  outage.pair.run_for(3s);
  outage.out_for(GetParam().out);
  outage.ask();
  EXPECT_LT(outage.until_bytes(1), 500ms);
  EXPECT_LT(outage.until_answered(), 800ms);
  EXPECT_LT(outage.until_bytes(2'000'000), 2s);
  if (GetParam().out > Silence::kMoveAfter) EXPECT_GE(outage.moves, 1);
}

TEST_P(EngineOutage, RequestsThatWaitedAndNewOnesAreAnswered) {
  Scenario scenario = wide();
  scenario.path.loss = GetParam().loss;
  Outage outage(std::move(scenario));
  outage.ask();
  EXPECT_LT(outage.until_answered(), 1s);
  outage.out_for(GetParam().out, true);
  outage.ask();
  EXPECT_LT(outage.until_answered(), 800ms);
}

INSTANTIATE_TEST_SUITE_P(Lengths, EngineOutage,
                         testing::Values(Case{2s, 0}, Case{10s, 0}, Case{60s, 0}, Case{60s, 0.01}, Case{110s, 0}, Case{110s, 0.03}),
                         [](const auto& each) {
                           return std::to_string(each.param.out / 1s) + "s_loss_" + std::to_string(static_cast<int>(each.param.loss * 100));
                         });

TEST(EngineSilence, APauseThatIsNoOutageChangesNothing) {
  Outage outage;
  outage.flood(true);
  outage.pair.run_for(3s);
  for (int i = 0; i < 5; i++) {
    outage.out_for(100ms);
    outage.pair.run_for(3s);
  }
  EXPECT_EQ(outage.pair.client.engine->stats().silences, 0u);
  EXPECT_EQ(outage.pair.server.engine->stats().silences, 0u);
  EXPECT_EQ(outage.moves, 0);
}

TEST(EngineSilence, ALongSlowPathIsNotTakenForSilent) {
  Scenario scenario = wide();
  scenario.path = {.delay = 400ms, .loss = 0.01, .rate = 250'000, .queue = 500ms};
  Outage outage(std::move(scenario));
  outage.flood(true);
  for (int i = 0; i < 20; i++) {
    outage.ask();
    outage.pair.run_for(3s);
  }
  EXPECT_EQ(outage.pair.client.engine->stats().silences, 0u);
  EXPECT_EQ(outage.pair.server.engine->stats().silences, 0u);
}

TEST(EngineSilence, AnIdlePathIsLeftAlone) {
  Outage outage;
  outage.ask();
  outage.until_answered();
  outage.pair.run_for(1s);
  const std::uint64_t before = outage.pair.client.engine->stats().packets_sent + outage.pair.server.engine->stats().packets_sent;
  outage.pair.run_for(100s);
  EXPECT_LT(outage.pair.client.engine->stats().packets_sent + outage.pair.server.engine->stats().packets_sent, before + 110)
      << "keep-alives only: two and their acknowledgements each 4 s";
  EXPECT_EQ(outage.moves, 0);
}

TEST(EngineSilence, WhatIsHeardAgainAndAgainForAMomentOnlyStillGetsThrough) {
  Outage outage;
  outage.flood(true);
  outage.pair.run_for(3s);
  for (int i = 0; i < 10; i++) {
    outage.out_for(3s);
    outage.pair.run_for(1s);
  }
  EXPECT_LT(outage.until_bytes(2'000'000), 2s);
}

}  // namespace
}  // namespace fairlead::quic::test
