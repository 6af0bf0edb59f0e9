// Small things twice: what a lost packet does to a small request or answer, and what it does not.
#include <gtest/gtest.h>

#include "quic/copies.h"
#include "quic/engine_test_pair.h"

namespace fairlead::quic::test {
namespace {

using net::Priority;

Scenario far_apart() {
  Scenario scenario;
  scenario.path = {.delay = 25ms};
  return scenario;
}

// Requests of the client, which the server answers when they are whole.
class Asking {
 public:
  explicit Asking(Scenario scenario = far_apart(), bool copies = true) : pair(std::move(scenario)) {
    EXPECT_TRUE(pair.connect());
    pair.run_for(1s);
    if (copies) {
      pair.client.engine->peer_knows_copies();
      pair.server.engine->peer_knows_copies();
    }
    pair.pump = [this] { pump(); };
  }
  ~Asking() {
    for (Request& r : requests) r.stream->release();
  }

  // How long the answer took.
  Duration ask(std::size_t size = 200, std::size_t answer = 1000, Priority priority = Priority::interactive) {
    begin(size, answer, priority);
    const TimePoint start = pair.now;
    EXPECT_TRUE(pair.run(10s, [&] { return requests.back().done; }));
    return pair.now - start;
  }
  void begin(std::size_t size, std::size_t answer, Priority priority = Priority::interactive) {
    EngineStream* s = pair.client.engine->open_stream(priority);
    ASSERT_NE(s, nullptr);
    const std::uint64_t seed = requests.size() + 1;
    requests.push_back({s, pattern(answer, seed + 1000), {}, false});
    answers_[s->id()] = {pattern(size, seed), pattern(answer, seed + 1000)};
    write(*s, pattern(size, seed));
    s->finish();
  }
  // The next packet in this direction is lost.
  void lose_next(bool from_client) {
    pair.drop = [from_client, done = false](bool client, Bytes) mutable {
      const bool now = !done && client == from_client;
      done = done || now;
      return now;
    };
  }

  struct Request {
    EngineStream* stream;
    std::string expected, got;
    bool done;
  };
  Pair pair;
  std::vector<Request> requests;
  std::size_t wrong = 0;
  Priority answer_class = Priority::interactive;

 private:
  void pump() {
    for (EngineStream* s : std::exchange(pair.server.opened, {})) serving_.emplace(s, "");
    for (auto i = serving_.begin(); i != serving_.end();) {
      auto& [s, got] = *i;
      got += read(*s);
      if (!s->at_end()) {
        ++i;
        continue;
      }
      const auto& [request, answer] = answers_[s->id()];
      wrong += got != request;
      s->set_priority(answer_class);
      EXPECT_EQ(write(*s, answer), answer.size());
      s->finish();
      s->release();
      i = serving_.erase(i);
    }
    for (Request& r : requests) {
      if (r.done) continue;
      r.got += read(*r.stream);
      r.done = r.stream->at_end();
      if (r.done) wrong += r.got != r.expected;
    }
  }
  std::map<EngineStream*, std::string> serving_;
  std::map<std::uint64_t, std::pair<std::string, std::string>> answers_;
};

constexpr Duration kRoundTrip = 50ms;

}  // namespace

TEST(EngineCopies, ALostRequestDelaysNoAnswer) {
  Asking asking;
  EXPECT_LE(asking.ask(), kRoundTrip + 1ms);
  asking.pair.run_for(1s);
  asking.lose_next(true);
  EXPECT_LE(asking.ask(), kRoundTrip + CopyQueue::kLater + 1ms);
  asking.pair.run_for(1s);
  EXPECT_EQ(asking.pair.server.engine->stats().copies_used, 1u);
  EXPECT_EQ(asking.pair.server.engine->stats().streams, 0u);
  EXPECT_EQ(asking.wrong, 0u);
}

TEST(EngineCopies, ALostAnswerIsNotWaitedFor) {
  Asking asking;
  asking.ask();
  asking.pair.run_for(1s);
  asking.begin(200, 1000);
  asking.pair.run_for(20ms);  // the request is on its way
  asking.lose_next(false);
  ASSERT_TRUE(asking.pair.run(kRoundTrip + CopyQueue::kLater + 1ms - 20ms, [&] { return asking.requests.back().done; }));
  EXPECT_EQ(asking.wrong, 0u);
  asking.pair.run_for(1s);
  EXPECT_EQ(asking.pair.client.engine->stats().streams, 2u) << "the test holds two";
}

TEST(EngineCopies, ABytewiseConversationIsNotHeldUpEither) {
  Asking asking;
  Pair& pair = asking.pair;
  EngineStream* near = pair.client.engine->open_stream(Priority::interactive);
  pair.kept.push_back(near);
  write(*near, "login");
  pair.pump = nullptr;
  ASSERT_TRUE(pair.run(1s, [&] { return !pair.server.opened.empty(); }));
  EngineStream* far = pair.server.opened.front();
  pair.kept.push_back(far);
  std::string expected = "login", got;
  for (int i = 0; i < 50; i++) {
    pair.run_for(50ms);
    if (i % 3 == 0) asking.lose_next(true);
    const std::string key(1, static_cast<char>('a' + i % 26));
    write(*near, key);
    expected += key;
    EXPECT_TRUE(pair.run(25ms + CopyQueue::kLater + 1ms, [&] {
      got += read(*far);
      return got.size() == expected.size();
    })) << i;
  }
  EXPECT_EQ(got, expected);
}

TEST(EngineCopies, NoneAreSentToAPeerThatDoesNotKnowThem) {
  Asking asking(far_apart(), false);
  for (int i = 0; i < 10; i++) asking.ask();
  EXPECT_EQ(asking.pair.client.engine->stats().copies_sent + asking.pair.server.engine->stats().copies_sent, 0u);
}

TEST(EngineCopies, NoneOfBulkNorOfWhatIsLarge) {
  Asking asking;
  asking.answer_class = Priority::bulk;
  for (int i = 0; i < 10; i++) asking.ask(200, 1000, Priority::bulk);
  EXPECT_EQ(asking.pair.client.engine->stats().copies_sent + asking.pair.server.engine->stats().copies_sent, 0u);
  asking.answer_class = Priority::interactive;
  asking.ask(CopyQueue::kMaxBytes, CopyQueue::kMaxBytes + 1);
  asking.pair.run_for(1s);
  EXPECT_EQ(asking.pair.client.engine->stats().copies_sent, 1u);
  EXPECT_EQ(asking.pair.server.engine->stats().copies_sent, 0u);
}

TEST(EngineCopies, TakeNoMoreThanTheirShare) {
  Asking asking;
  for (int i = 0; i < 200; i++) {
    for (int j = 0; j < 20; j++) asking.begin(100, 100);
    asking.pair.run_for(10ms);
  }
  asking.pair.run_for(5s);
  for (const auto& r : asking.requests) EXPECT_TRUE(r.done);
  EXPECT_LE(asking.pair.client.engine->stats().copies_sent, 2 * CopyQueue::kPerSecond + 2 * CopyQueue::kBurst);
  EXPECT_EQ(asking.wrong, 0u);
}

class EngineCopiesSeeds : public testing::TestWithParam<std::uint64_t> {};

TEST_P(EngineCopiesSeeds, EveryByteComesOnceAndInOrder) {
  Random random(GetParam());
  Scenario scenario = far_apart();
  scenario.path.seed = GetParam();
  scenario.path.loss = random.unit() * 0.3;
  scenario.path.reorder = random.unit() * 0.3;
  scenario.path.duplicate = random.unit() * 0.1;
  Asking asking(std::move(scenario));
  for (int i = 0; i < 150; i++) {
    const std::size_t size = random.below(3) == 0 ? random.below(20'000) : random.below(300);
    asking.begin(size, random.below(4) == 0 ? random.below(20'000) : random.below(1200));
    asking.pair.run_for(std::chrono::milliseconds(random.below(60)));
  }
  EXPECT_TRUE(asking.pair.run(60s, [&] { return std::ranges::all_of(asking.requests, &Asking::Request::done); }));
  EXPECT_EQ(asking.wrong, 0u);
  EXPECT_GT(asking.pair.server.engine->stats().copies_used, 0u);
  asking.pair.run_for(20s);
  EXPECT_EQ(asking.pair.server.engine->stats().streams, 0u);
}

INSTANTIATE_TEST_SUITE_P(Seeds, EngineCopiesSeeds, testing::Range(std::uint64_t{1}, seeds(10) + 1));

// By a peer that is no good.
TEST(EngineCopies, CopiesOfWhatCannotBeAreIgnored) {
  Asking asking;
  Pair& pair = asking.pair;
  asking.ask();
  pair.run_for(1s);
  const auto send = [&](std::int64_t stream, std::uint64_t offset, bool end, std::string_view text) {
    std::vector<std::byte> datagram = StreamCopy::head(stream, offset, end);
    datagram.insert(datagram.end(), as_bytes(text).begin(), as_bytes(text).end());
    pair.client.engine->send_datagram(datagram, Priority::interactive);
    pair.run_for(100ms);
  };
  pair.pump = nullptr;
  send(0, 0, true, "of a stream that is over");
  send(1, 0, true, "of a stream that only the server may open");
  send(2, 0, true, "of a stream of one direction");
  send(400, 10, true, "of the middle of a stream that is not there");
  send(4 * 100'000, 0, true, "of a stream beyond the limit");
  EXPECT_TRUE(pair.server.opened.empty());
  EXPECT_TRUE(pair.server.datagrams.empty());
  const std::string block(1000, 'x');
  for (int i = 0; i < 100; i++) send(400 + 4 * i, 0, false, block);
  EXPECT_EQ(pair.server.opened.size(), 64u) << "of which only copies have come";
  std::size_t read_of_first = 0;
  for (std::uint64_t i = 0; i < 100; i++) {
    send(400, 1000 * i, false, block);
    read_of_first += read(*pair.server.opened.front()).size();
  }
  EXPECT_EQ(read_of_first, 16'000u) << "more than that no window was given for";
  EXPECT_FALSE(pair.server.how);
  for (EngineStream* s : pair.server.opened) s->release();
  pair.server.opened.clear();
}

}  // namespace fairlead::quic::test
