// Back-pressure, windows, and what happens when memory runs out.
#include <gtest/gtest.h>

#include "quic/engine_test_pair.h"

namespace fairlead::quic::test {
namespace {

// Writes for ever.
void pour(EngineStream& s) {
  static const std::string block(64_KiB, 'p');
  while (write(s, block) == block.size()) {
  }
}

struct Both {
  EngineStream* client = nullptr;
  EngineStream* server = nullptr;
};
Both open_both(Pair& pair, net::Priority priority = net::Priority::interactive) {
  EngineStream* s = pair.client.engine->open_stream(priority);
  write(*s, "!");
  pair.run(5s, [&] { return pair.server_end(s) != nullptr; });
  pair.kept.insert(pair.kept.end(), {s, pair.server_end(s)});
  return {s, pair.server_end(s)};
}

}  // namespace

TEST(EngineMemory, AWriterWaitsAtTheSendBufferAndIsWokenWhenHalfIsSent) {
  Scenario scenario;
  scenario.client.send_buffer = 256_KiB;
  Pair pair(scenario);
  ASSERT_TRUE(pair.connect());
  EngineStream& s = *open_both(pair).client;
  pour(s);
  EXPECT_FALSE(s.has_room());
  EXPECT_GE(s.unsent(), 256_KiB);
  EXPECT_LT(s.unsent(), 256_KiB + Chunk::kSizes[2]);
  pair.client.writable.clear();
  ASSERT_TRUE(pair.run(5s, [&] {
    read(*pair.server_end(&s));
    return pair.client.writable.contains(&s);
  }));
  EXPECT_LE(s.unsent(), 128_KiB);
  EXPECT_TRUE(s.has_room());
}

TEST(EngineMemory, AReaderThatStallsHoldsUpItsOwnStreamOnly) {
  constexpr std::size_t kStalled = 1000;
  Scenario scenario;
  scenario.path.delay = 25ms;
  scenario.client_memory = scenario.server_memory = 1_GiB;
  Pair pair(scenario);
  ASSERT_TRUE(pair.connect());
  std::vector<Both> stalled;
  for (std::size_t i = 0; i < kStalled; i++) stalled.push_back(open_both(pair));
  pair.pump = [&] {
    for (Both& each : stalled) pour(*each.client);
  };
  pair.run_for(10s);
  // Each has a window full and no more.
  EXPECT_LE(pair.server.engine->stats().memory, kStalled * (scenario.server.initial_stream_window + Chunk::kSizes[2]));
  EXPECT_GE(pair.server.engine->stats().memory, kStalled * scenario.server.initial_stream_window);

  const Both lively = open_both(pair);
  const TimePoint start = pair.now;
  ASSERT_EQ(write(*lively.client, std::string(1_KiB, 'q')), 1_KiB);
  ASSERT_TRUE(pair.run(1s, [&] { return lively.server->peek().size() == 1_KiB + 1; }));
  write(*lively.server, "answer");
  ASSERT_TRUE(pair.run(1s, [&] { return !lively.client->peek().empty(); }));
  EXPECT_LE(pair.now - start, 100ms);  // two round trips
}

// All that stalled readers hold, here and at their far ends, leaves room for the next request.
TEST(EngineMemory, StalledReadersOnBothSidesDoNotStarveANewStream) {
  Scenario scenario;
  scenario.client_memory = scenario.server_memory = 16_MiB;
  scenario.path.delay = 25ms;
  Pair pair(scenario);
  ASSERT_TRUE(pair.connect());
  std::vector<Both> stalled;
  for (int i = 0; i < 300; i++) stalled.push_back(open_both(pair));
  pair.pump = [&] {
    for (Both& each : stalled) {
      pour(*each.client);
      pour(*each.server);
    }
  };
  const auto pour_all = pair.pump;
  pair.run_for(20s);
  EXPECT_LE(pair.client.budget.used(), 16_MiB);
  EXPECT_LE(pair.server.budget.used(), 16_MiB);
  for (int i = 0; i < 10; i++) {
    EngineStream* s = pair.client.engine->open_stream(net::Priority::interactive);
    ASSERT_NE(s, nullptr);
    const TimePoint start = pair.now;
    std::size_t asked = 0, answered = 0;
    pair.pump = [&] {
      pour_all();
      if (asked == 0) asked = write(*s, "question");
      EngineStream* far = pair.server_end(s);
      if (far != nullptr && answered == 0) answered = write(*far, "answer");
    };
    ASSERT_TRUE(pair.run(5s, [&] { return !s->peek().empty(); }));
    EXPECT_LE(pair.now - start, 150ms);
    pair.kept.insert(pair.kept.end(), {s, pair.server_end(s)});
  }
}

TEST(EngineMemory, TheWindowGrowsForAReaderThatDrainsAndFillsALongFatPath) {
  Scenario scenario;
  scenario.path.delay = 50ms;
  scenario.path.rate = 40'000'000;
  Pair pair(scenario);
  ASSERT_TRUE(pair.connect());
  const Both both = open_both(pair, net::Priority::bulk);
  std::uint64_t received = 0;
  pair.pump = [&] {
    pour(*both.client);
    received += read(*both.server).size();
  };
  pair.run_for(3s);
  const std::uint64_t before = received;
  pair.run_for(1s);
  // The first window alone would give 1.3 MB/s; the link has 40.
  EXPECT_GT(received - before, 20'000'000u);
  EXPECT_LE(pair.client.engine->stats().memory, scenario.server.max_stream_window + scenario.client.send_buffer + 256_KiB);
}

TEST(EngineMemory, ASlowReaderKeepsItsSmallWindow) {
  Scenario scenario;
  scenario.path.delay = 10ms;
  Pair pair(scenario);
  ASSERT_TRUE(pair.connect());
  const Both both = open_both(pair, net::Priority::bulk);
  TimePoint next = pair.now;
  pair.pump = [&] {
    pour(*both.client);
    if (pair.now < next) return;
    next = pair.now + 10ms;
    read(*both.server, 2'000);
  };
  pair.run_for(10s);
  EXPECT_LE(pair.server.engine->stats().memory, scenario.server.initial_stream_window + 2 * Chunk::kSizes[2]);
}

TEST(EngineMemory, WhenMemoryRunsOutTheGreediestIsAbortedAndNobodyElse) {
  Scenario scenario;
  scenario.server_memory = 8_MiB;
  scenario.server.overload_code = 0x77;
  Pair pair(scenario);
  ASSERT_TRUE(pair.connect());
  // One that has grown and then stops reading, and many small ones.
  Both greedy = open_both(pair, net::Priority::bulk);
  bool reading = true;
  std::vector<Both> modest;
  for (int i = 0; i < 50; i++) modest.push_back(open_both(pair));
  pair.pump = [&] {
    pour(*greedy.client);
    if (reading) read(*greedy.server);
  };
  pair.run_for(3s);
  reading = false;
  pair.run_for(1s);
  EXPECT_EQ(pair.server.engine->counters().streams_overloaded, 0u);
  const std::size_t held = greedy.server->peek().size() > 0 ? pair.server.engine->stats().memory : 0;
  EXPECT_GT(held, 1_MiB);
  pair.pump = [&] {
    pour(*greedy.client);
    for (Both& each : modest) write(*each.client, std::string(100, 'm'));
  };
  const Bytes peeked = greedy.server->peek();
  ASSERT_TRUE(pair.run(30s, [&] { return pair.server.engine->counters().streams_overloaded > 0; }));
  EXPECT_EQ(pair.server.engine->counters().streams_overloaded, 1u);
  EXPECT_TRUE(greedy.server->overloaded());
  EXPECT_TRUE(pair.server.readable.contains(greedy.server));
  EXPECT_EQ(as_text(peeked.first(1)), "p");  // still there for who is sending it on
  EXPECT_TRUE(greedy.server->peek().empty());
  EXPECT_LT(pair.server.budget.used(), 8_MiB);
  ASSERT_TRUE(pair.run(1s, [&] { return greedy.client->reset_code().has_value(); }));
  EXPECT_EQ(greedy.client->reset_code(), 0x77u);
  for (Both& each : modest) EXPECT_FALSE(each.server->overloaded());
  EXPECT_TRUE(pair.server.engine->alive());
}

TEST(EngineMemory, ManagementIsNeverAbortedForMemory) {
  Scenario scenario;
  scenario.server_memory = 1_MiB;
  Pair pair(scenario);
  ASSERT_TRUE(pair.connect());
  Both exec = open_both(pair);
  exec.server->set_priority(net::Priority::management);
  std::vector<Both> others;
  for (int i = 0; i < 30; i++) others.push_back(open_both(pair));
  pair.pump = [&] {
    pour(*exec.client);
    for (Both& each : others)
      if (!each.client->reset_code()) write(*each.client, std::string(1000, 'o'));
  };
  pair.run_for(20s);
  EXPECT_GT(pair.server.engine->counters().streams_overloaded, 0u);
  EXPECT_FALSE(exec.server->overloaded());
  EXPECT_LE(pair.server.budget.used(), 1_MiB);
}

// A process that is over its budget because of another session: this one gives up what is large, not what is small.
TEST(EngineMemory, AFullProcessTakesTheLargeOnesOnly) {
  net::MemoryBudget process(16_MiB, 0);
  for (const bool large : {false, true}) {
    SCOPED_TRACE(large);
    Scenario scenario;
    Pair pair(scenario);
    pair.server_budget = std::make_unique<net::MemoryBudget>(64_MiB, 1_MiB, &process);
    ASSERT_TRUE(pair.connect());
    const Both both = open_both(pair);
    write(*both.client, std::string(large ? 100'000 : 30'000, 'x'));
    pair.run_for(1s);
    process.charge(17_MiB);  // somebody else
    pair.run_for(6s);        // a keep-alive at the latest
    EXPECT_EQ(both.server->overloaded(), large);
    process.release(17_MiB);
    pair.server.engine.reset();
  }
  EXPECT_EQ(process.used(), 0u);
}

TEST(EngineMemory, AWriterThatTheBudgetRefusedIsWokenWhenThereIsRoomAgain) {
  net::MemoryBudget process(1_MiB, 64_KiB);
  Pair pair;
  pair.server_budget = std::make_unique<net::MemoryBudget>(64_MiB, 1_MiB, &process);
  ASSERT_TRUE(pair.connect());
  const Both both = open_both(pair);
  process.charge(1_MiB);  // another session
  EXPECT_TRUE(both.server->prepare().empty());
  pair.server.writable.clear();
  pair.run_for(1s);
  EXPECT_FALSE(pair.server.writable.contains(both.server));
  process.release(1_MiB);  // nobody tells this session
  ASSERT_TRUE(pair.run(100ms, [&] { return pair.server.writable.contains(both.server); }));
  EXPECT_FALSE(both.server->prepare().empty());
  pair.server.engine.reset();
}

TEST(EngineMemory, WhatComesOutOfOrderIsCharged) {
  Scenario scenario;
  scenario.path.delay = 50ms;
  Pair pair(scenario);
  ASSERT_TRUE(pair.connect());
  const Both both = open_both(pair);
  std::size_t most = 0;
  int packets = 0;
  pair.drop = [&](bool from_client, Bytes packet) { return from_client && packet.size() > 1000 && packets++ == 0; };
  write(*both.client, std::string(120'000, 'x'));
  ASSERT_TRUE(pair.run(5s, [&] {
    if (both.server->peek().size() <= 1) most = std::max(most, pair.server.engine->stats().memory);
    return both.server->peek().size() > 1;
  }));
  EXPECT_GT(most, 8'000u);  // the rest of the first window of congestion
  std::size_t got = 0;
  ASSERT_TRUE(pair.run(5s, [&] {
    got += read(*both.server).size();
    return got == 120'001;
  }));
  EXPECT_EQ(pair.server.engine->stats().memory, 0u);
}

TEST(EngineMemory, AnIdleStreamHoldsNothing) {
  Pair pair;
  ASSERT_TRUE(pair.connect());
  const Both both = open_both(pair);
  write(*both.client, std::string(50'000, 'x'));
  ASSERT_TRUE(pair.run(5s, [&] {
    read(*both.server);
    return pair.client.engine->stats().memory == 0;
  }));
  EXPECT_EQ(pair.server.engine->stats().memory, 0u);
}

}  // namespace fairlead::quic::test
