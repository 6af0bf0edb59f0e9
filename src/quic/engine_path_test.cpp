// What the path does to a connection, and what a connection does to the path: size of packets, marks, migration, keys, queues, DATAGRAMs.
#include <gtest/gtest.h>

#include "quic/engine_test_pair.h"

namespace fairlead::quic::test {
namespace {

using net::Priority;

void pour(EngineStream& s) {
  static const std::string block(64_KiB, 'p');
  while (write(s, block) == block.size()) {
  }
}

// The client sends without end on a stream of `priority`, the server reads. Counts what arrived.
struct Flood {
  Flood(Pair& p, Priority priority) : pair(p), stream(*p.client.engine->open_stream(priority)) {
    p.kept.push_back(&stream);
    stream.set_priority(priority);
  }
  void pump() {
    pour(stream);
    if (far == nullptr && (far = pair.server_end(&stream)) != nullptr) pair.kept.push_back(far);
    if (far != nullptr) received += read(*far).size();
  }
  Pair& pair;
  EngineStream& stream;
  EngineStream* far = nullptr;
  std::uint64_t received = 0;
};

std::size_t largest_batch_segment(const Pair& pair) {
  std::size_t most = 0;
  for (const Pair::Batch& b : pair.batches) most = std::max(most, b.segment);
  return most;
}

// 20 Mbit/s.
Scenario narrow() {
  Scenario scenario;
  scenario.path.rate = 2'500'000;
  return scenario;
}

}  // namespace

TEST(EnginePath, PacketsGrowToWhatThePathCarries) {
  const std::pair<std::size_t, std::size_t> expected[] = {{1472, 1472}, {1460, 1452}, {1400, 1392},
                                                          {1340, 1332}, {1260, 1252}, {1240, 1200}};
  for (const auto& [mtu, payload] : expected) {
    SCOPED_TRACE(mtu);
    Scenario scenario = narrow();
    scenario.path.mtu = mtu;
    Pair pair(scenario);
    ASSERT_TRUE(pair.connect());
    Flood flood(pair, Priority::bulk);
    pair.pump = [&] { flood.pump(); };
    pair.run_for(10s);
    pair.batches.clear();
    pair.largest_delivered = 0;
    pair.run_for(1s);
    EXPECT_EQ(pair.largest_delivered, payload);
    EXPECT_EQ(pair.client.engine->max_datagram() + 34, pair.largest_delivered);  // head, tag and frame
    EXPECT_GT(flood.received, 500'000u);
  }
}

TEST(EnginePath, ProbesOfTheMtuTravelAlone) {
  Scenario scenario = narrow();
  scenario.path.mtu = 1300;
  Pair pair(scenario);
  ASSERT_TRUE(pair.connect());
  Flood flood(pair, Priority::bulk);
  pair.pump = [&] { flood.pump(); };
  pair.run_for(5s);
  int probes = 0;
  for (const Pair::Batch& b : pair.batches)
    if (b.segment > 1300) {
      probes++;
      EXPECT_EQ(b.size, b.segment);
    }
  EXPECT_GT(probes, 3);
}

TEST(EnginePath, WithoutProbingPacketsStaySmall) {
  Scenario scenario = narrow();
  scenario.client.pmtud = scenario.server.pmtud = false;
  Pair pair(scenario);
  ASSERT_TRUE(pair.connect());
  Flood flood(pair, Priority::bulk);
  pair.pump = [&] { flood.pump(); };
  pair.run_for(5s);
  EXPECT_LE(largest_batch_segment(pair), 1200u);
}

// What GSO wants: equal segments, the last may be shorter; at most 64 of them.
TEST(EnginePath, BulkLeavesInFullBatches) {
  Pair pair;
  ASSERT_TRUE(pair.connect());
  Flood flood(pair, Priority::bulk);
  pair.pump = [&] { flood.pump(); };
  pair.run_for(500ms);
  pair.batches.clear();
  pair.run_for(200ms);
  std::size_t packets = 0, full = 0;
  for (const Pair::Batch& b : pair.batches) {
    const std::size_t count = (b.size + b.segment - 1) / b.segment;
    ASSERT_LE(count, net::DatagramBatch::kMaxSegments);
    ASSERT_LE(b.size, net::DatagramBatch::kMaxBatch);
    packets += count;
    if (count > 30) full += count;
  }
  EXPECT_GT(full, packets / 2);
}

TEST(EnginePath, PacketsCarryEcnMarksUnlessToldNotTo) {
  for (const bool ecn : {true, false}) {
    Scenario scenario = narrow();
    scenario.client.ecn = scenario.server.ecn = ecn;
    Pair pair(scenario);
    ASSERT_TRUE(pair.connect());
    Flood flood(pair, Priority::bulk);
    pair.pump = [&] { flood.pump(); };
    pair.run_for(1s);
    std::size_t marked = 0;
    for (const Pair::Batch& b : pair.batches) marked += b.ecn != net::Ecn::not_ect;
    EXPECT_EQ(marked > pair.batches.size() / 4, ecn);
    EXPECT_EQ(marked > 0, ecn);
  }
}

TEST(EnginePath, CongestionMarksSlowCubicDown) {
  std::uint64_t received[2];
  for (const bool ce : {false, true}) {
    Scenario scenario = narrow();
    scenario.client.congestion = EngineSettings::Congestion::cubic;
    Pair pair(scenario);
    ASSERT_TRUE(pair.connect());
    Flood flood(pair, Priority::bulk);
    pair.pump = [&] { flood.pump(); };
    pair.run_for(1s);
    pair.ce = ce;
    flood.received = 0;
    pair.run_for(5s);
    received[ce] = flood.received;
  }
  EXPECT_LT(received[1], received[0] / 2);
}

TEST(EnginePath, AClientMigratesToAnotherAddressInMidStream) {
  Pair pair(narrow());
  ASSERT_TRUE(pair.connect());
  Flood flood(pair, Priority::bulk);
  pair.pump = [&] { flood.pump(); };
  pair.run_for(1s);
  const net::SocketAddress next = address("10.0.9.9:4000");
  pair.client.engine->migrate(next, pair.now);
  pair.run_for(500ms);
  EXPECT_EQ(pair.client.engine->local(), next);
  EXPECT_EQ(pair.server.engine->peer(), next);
  ASSERT_FALSE(pair.server.paths.empty());
  EXPECT_EQ(pair.server.paths.back().second, next);
  const std::uint64_t before = flood.received;
  pair.run_for(1s);
  EXPECT_GT(flood.received - before, 500'000u);
}

TEST(EnginePath, MigratingAsSoonAsItIsAllowed) {
  Pair pair;
  const net::SocketAddress next = address("10.0.9.9:4000");
  pair.client.engine->migrate(next, pair.now);
  ASSERT_TRUE(pair.connect());
  ASSERT_TRUE(pair.run(1s, [&] { return pair.server.engine->peer() == next; }));
  // Again and again: the spare ids are made up.
  for (int i = 0; i < 20; i++) {
    const net::SocketAddress another{next.ip, static_cast<std::uint16_t>(5000 + i)};
    pair.client.engine->migrate(another, pair.now);
    pair.client.engine->ping();
    ASSERT_TRUE(pair.run(3s, [&] { return pair.server.engine->peer() == another; })) << i;
  }
  EXPECT_TRUE(pair.client.engine->alive() && pair.server.engine->alive());
  pair.run_for(5s);
  EXPECT_LE(pair.server.ids.size(), 10u);  // retired ones were taken back
}

TEST(EnginePath, ANatThatForgetsGivesTheClientANewPortUnnoticed) {
  Pair pair(narrow());
  ASSERT_TRUE(pair.connect());
  Flood flood(pair, Priority::bulk);
  pair.pump = [&] { flood.pump(); };
  pair.run_for(1s);
  pair.nat = address("203.0.113.7:61000");
  pair.run_for(1s);
  EXPECT_EQ(pair.server.engine->peer(), pair.nat);
  const std::uint64_t before = flood.received;
  pair.run_for(1s);
  EXPECT_GT(flood.received - before, 500'000u);
  EXPECT_TRUE(pair.client.paths.empty());
}

// A server may send little to an address that is not proved, and can prove none while its congestion window is full of what was lost.
TEST(EnginePath, ANewPortJustBeforeAnOutageDoesNotSilenceTheServer) {
  for (std::uint64_t seed = 1; seed <= 40; seed++) {
    Scenario scenario;
    scenario.path = {.delay = 30ms, .rate = 12'500'000};
    scenario.client.chance = scenario.server.chance = seed;
    Pair pair(scenario);
    ASSERT_TRUE(pair.connect());
    EngineStream* s = pair.server.engine->open_stream(Priority::interactive);
    pair.kept.push_back(s);
    std::uint64_t received = 0;
    pair.pump = [&] {
      pour(*s);
      for (EngineStream* c : pair.client.opened) received += read(*c).size();
    };
    pair.run_for(std::chrono::milliseconds(500 + 7 * seed));
    // The server hears of the new port by one packet, and then nothing gets through.
    pair.nat = address("203.0.113.7:61000");
    pair.client.engine->send_datagram(as_bytes(std::string(1000, 'd')), Priority::control);
    ASSERT_TRUE(pair.run(1s, [&] { return pair.server.engine->peer() == pair.nat; }));
    pair.cut = true;
    pair.run_for(2s);
    pair.cut = false;
    const std::uint64_t before = received;
    EXPECT_TRUE(pair.run(10s, [&] { return received > before + 100'000; })) << "seed " << seed;
    for (EngineStream* c : pair.client.opened) pair.kept.push_back(c);
  }
}

TEST(EnginePath, KeysAreUpdatedByEitherSideInMidStream) {
  Pair pair(narrow());
  ASSERT_TRUE(pair.connect());
  Flood flood(pair, Priority::bulk);
  pair.pump = [&] { flood.pump(); };
  pair.run_for(1s);
  const std::uint64_t made = pair.client.engine->counters().keys_made;
  for (int i = 0; i < 6; i++) {
    (i % 2 == 0 ? pair.client : pair.server).engine->update_keys();
    const std::uint64_t before = flood.received;
    pair.run_for(1s);
    EXPECT_GT(flood.received, before);
    EXPECT_EQ(pair.client.engine->counters().keys_made, made + static_cast<std::uint64_t>(i) + 1);
    EXPECT_EQ(pair.server.engine->counters().keys_made, made + static_cast<std::uint64_t>(i) + 1);
  }
}

TEST(EnginePath, AKeyUpdateThatIsAskedForTooEarlyWaits) {
  Pair pair(narrow());
  ASSERT_TRUE(pair.run(5s, [&] {
    pair.client.engine->update_keys();
    return pair.server.handshakes > 0;
  }));
  pair.server.engine->update_keys();
  Flood flood(pair, Priority::bulk);
  pair.pump = [&] { flood.pump(); };
  pair.run_for(3s);
  EXPECT_GE(pair.client.engine->counters().keys_made, 2u);
  EXPECT_TRUE(pair.client.engine->alive() && pair.server.engine->alive());
}

TEST(EnginePath, DatagramsArriveAsTheyAreOrNotAtAll) {
  Scenario scenario;
  scenario.path.loss = 0.1;
  Pair pair(scenario);
  ASSERT_TRUE(pair.connect());
  pair.run_for(1s);
  const std::size_t most = pair.client.engine->max_datagram();
  ASSERT_GT(most, 1100u);
  EXPECT_FALSE(pair.client.engine->send_datagram(as_bytes(std::string(most + 1, 'x')), Priority::interactive));
  int sent = 0;
  for (int i = 0; i < 500; i++) {
    const std::string payload(1 + static_cast<std::size_t>(i) * 37 % most, static_cast<char>('a' + i % 26));
    sent += pair.client.engine->send_datagram(as_bytes(payload), Priority::interactive);
    pair.run_for(2ms);
  }
  pair.run_for(1s);
  EXPECT_EQ(sent, 500);
  EXPECT_GT(pair.server.datagrams.size(), 400u);
  EXPECT_LT(pair.server.datagrams.size(), 500u);
  for (const std::string& d : pair.server.datagrams) EXPECT_EQ(d.find_first_not_of(d[0]), std::string::npos);
}

TEST(EnginePath, TheLargestDatagramFits) {
  Pair pair;
  ASSERT_TRUE(pair.connect());
  pair.run_for(3s);
  const std::string largest(pair.client.engine->max_datagram(), 'L');
  EXPECT_TRUE(pair.client.engine->send_datagram(as_bytes(largest), Priority::control));
  ASSERT_TRUE(pair.run(1s, [&] { return !pair.server.datagrams.empty(); }));
  EXPECT_EQ(pair.server.datagrams[0], largest);
}

TEST(EnginePath, ADatagramThatNoLongerFitsIsDroppedAndHoldsNobodyUp) {
  Pair pair;
  ASSERT_TRUE(pair.connect());
  pair.run_for(3s);
  const std::string large(pair.client.engine->max_datagram(), 'L');
  EXPECT_TRUE(pair.client.engine->send_datagram(as_bytes(large), Priority::interactive));
  EXPECT_TRUE(pair.client.engine->send_datagram(as_bytes("small"), Priority::interactive));
  pair.client.engine->migrate(address("10.0.9.9:4000"), pair.now);  // a path whose MTU is not known yet
  ASSERT_TRUE(pair.run(1s, [&] { return !pair.server.datagrams.empty(); }));
  EXPECT_EQ(pair.server.datagrams, std::vector<std::string>{"small"});
  EXPECT_EQ(pair.client.engine->counters().datagrams_dropped, 1u);
}

TEST(EnginePath, AFullQueueOfDatagramsDropsTheOldest) {
  Pair pair;
  ASSERT_TRUE(pair.connect());
  pair.run_for(1s);
  int kept_all = 0;
  for (int i = 0; i < 292; i++) kept_all += pair.client.engine->send_datagram(as_bytes(std::to_string(i)), Priority::interactive);
  EXPECT_EQ(kept_all, 256);
  EXPECT_EQ(pair.client.engine->counters().datagrams_dropped, 36u);
  ASSERT_TRUE(pair.run(1s, [&] { return pair.server.datagrams.size() == 256; }));
  EXPECT_EQ(pair.server.datagrams.front(), "36");
  EXPECT_EQ(pair.server.datagrams.back(), "291");
}

// A link of 100 Mbit/s and 50 ms with a deep queue: bulk fills the link but not the queue.
TEST(EnginePath, BulkLeavesTheQueueShort) {
  for (const Duration target : {12ms, 0ms}) {
    Scenario scenario;
    scenario.path = {.delay = 25ms, .rate = 12'500'000, .queue = 500ms};
    scenario.client.bulk_queue_target = target;
    Pair pair(scenario);
    ASSERT_TRUE(pair.connect());
    Flood flood(pair, Priority::bulk);
    pair.pump = [&] { flood.pump(); };
    pair.run_for(5s);
    const std::uint64_t before = flood.received;
    Duration sum{};
    for (int i = 0; i < 50; i++) {
      pair.run_for(100ms);
      sum += pair.client.engine->stats().rtt;
    }
    EXPECT_GT(flood.received - before, 5 * 12'500'000u * 85 / 100);
    if (target == 12ms)
      EXPECT_LT(sum / 50, 50ms + 25ms);
    else
      EXPECT_GT(sum / 50, 50ms + 30ms);  // it is the gate that does it
  }
}

TEST(EnginePath, BulkBeginsWithAShortQueue) {
  Scenario scenario;
  scenario.path = {.delay = 25ms, .rate = 25'000'000, .queue = 500ms};
  Pair pair(scenario);
  ASSERT_TRUE(pair.connect());
  Flood flood(pair, Priority::bulk);
  pair.pump = [&] { flood.pump(); };
  Duration above{};
  for (int i = 0; i < 200; i++) {
    pair.run_for(10ms);
    if (pair.client.engine->stats().rtt > 50ms + 25ms) above += 10ms;
  }
  EXPECT_LT(above, 350ms);
  EXPECT_GT(flood.received, 25'000'000u);
}

// The trap of any limit on bulk: under loss it must not spiral down.
TEST(EnginePath, BulkKeepsTheLinkUnderLoss) {
  Scenario scenario;
  scenario.path = {.seed = 5, .delay = 25ms, .loss = 0.01, .rate = 12'500'000, .queue = 100ms};
  Pair pair(scenario);
  ASSERT_TRUE(pair.connect());
  Flood flood(pair, Priority::bulk);
  pair.pump = [&] { flood.pump(); };
  pair.run_for(5s);
  const std::uint64_t before = flood.received;
  pair.run_for(10s);
  EXPECT_GT(flood.received - before, 10 * 12'500'000u * 80 / 100);
  EXPECT_GT(pair.client.engine->stats().packets_lost, 500u);
}

TEST(EnginePath, RequestsPassBulk) {
  Scenario scenario;
  scenario.path = {.delay = 25ms, .rate = 12'500'000, .queue = 500ms};
  Pair pair(scenario);
  ASSERT_TRUE(pair.connect());
  Flood flood(pair, Priority::bulk);
  pair.pump = [&] { flood.pump(); };
  pair.run_for(5s);
  Duration worst{};
  for (int i = 0; i < 50; i++) {
    EngineStream* s = pair.client.engine->open_stream(Priority::interactive);
    ASSERT_NE(s, nullptr);
    write(*s, std::string(200, 'r'));
    s->finish();
    const TimePoint start = pair.now;
    pair.run(5s, [&] {
      EngineStream* far = pair.server_end(s);
      return far != nullptr && far->peek().size() == 200;
    });
    worst = std::max(worst, pair.now - start);
    pair.server_end(s)->release();
    std::erase(pair.server.opened, pair.server_end(s));
    s->release();
    pair.run_for(20ms);
  }
  EXPECT_LT(worst, 25ms + 40ms);  // the path and bulk's short queue
}

TEST(EnginePath, ClassesShareALinkByWeight) {
  Scenario scenario;
  scenario.path = {.delay = 10ms, .rate = 2'500'000, .queue = 200ms};
  scenario.client.bulk_queue_target = 0ms;
  Pair pair(scenario);
  ASSERT_TRUE(pair.connect());
  Flood interactive(pair, Priority::interactive), bulk(pair, Priority::bulk), background(pair, Priority::background);
  pair.pump = [&] {
    interactive.pump();
    bulk.pump();
    background.pump();
  };
  pair.run_for(5s);
  interactive.received = bulk.received = background.received = 0;
  pair.run_for(20s);
  const double unit = static_cast<double>(background.received);
  EXPECT_NEAR(static_cast<double>(interactive.received) / unit, 4, 0.4);
  EXPECT_NEAR(static_cast<double>(bulk.received) / unit, 2, 0.2);
}

TEST(EnginePath, StatsTellOfThePath) {
  Scenario scenario = narrow();
  scenario.path.delay = 30ms;
  Pair pair(scenario);
  ASSERT_TRUE(pair.connect());
  Flood flood(pair, Priority::bulk);
  pair.pump = [&] { flood.pump(); };
  pair.run_for(2s);
  const net::MuxStats stats = pair.client.engine->stats();
  EXPECT_NEAR(static_cast<double>(stats.min_rtt.count()), 60e6, 1e6);
  EXPECT_GT(stats.bytes_sent, flood.received);
  EXPECT_GT(stats.packets_sent, 100u);
  EXPECT_GT(stats.congestion_window, 0u);
  EXPECT_EQ(stats.streams, 1u);
  EXPECT_EQ(stats.packets_lost, 0u);
  EXPECT_GT(pair.client.engine->pto(), 60ms);
}

// An outage shorter than the idle timeout is survived.
TEST(EnginePath, AnOutageIsSurvived) {
  Pair pair(narrow());
  ASSERT_TRUE(pair.connect());
  Flood flood(pair, Priority::bulk);
  pair.pump = [&] { flood.pump(); };
  pair.run_for(2s);
  pair.cut = true;
  pair.run_for(30s);
  pair.cut = false;
  const std::uint64_t before = flood.received;
  ASSERT_TRUE(pair.run(40s, [&] { return flood.received > before + 500'000; }));
}

// Large packets vanish from now on, small ones arrive: a tunnel was put into the path.
TEST(EnginePath, TheMtuMayShrinkInMidStream) {
  for (const bool alone : {true, false}) {
    SCOPED_TRACE(alone ? "bulk alone" : "with small packets that go on");
    Pair pair(narrow());
    ASSERT_TRUE(pair.connect());
    Flood flood(pair, Priority::bulk);
    pair.pump = [&] { flood.pump(); };
    pair.run_for(5s);
    ASSERT_EQ(pair.largest_delivered, 1472u);
    pair.scenario.path.mtu = 1300;
    for (int i = 0; i < 600; i++) {
      if (!alone) pair.client.engine->send_datagram(as_bytes("small"), Priority::interactive);
      pair.run_for(100ms);
    }
    const std::uint64_t before = flood.received;
    pair.run_for(10s);
    EXPECT_GT(flood.received - before, 10'000'000u);
    EXPECT_GE(pair.client.engine->max_datagram(), 1150u);
    pair.server.datagrams.clear();
    pair.client.engine->send_datagram(as_bytes(std::string(pair.client.engine->max_datagram(), 'L')), Priority::control);
    EXPECT_TRUE(pair.run(1s, [&] { return !pair.server.datagrams.empty() && pair.server.datagrams.back().size() > 1000; }));
  }
}

}  // namespace fairlead::quic::test
