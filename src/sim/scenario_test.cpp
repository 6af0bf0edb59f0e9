#include "sim/scenario.h"

#include "sim/two_hosts.h"

namespace fairlead::sim {
namespace {

class ScenarioTest : public TwoHosts {
 protected:
  ScenarioTest() { edge_.set_nat(net_.nat(ip("198.51.100.9"))); }

  struct Answer {
    Duration after{};
    net::SocketAddress from;  // the asker, as seen by the cloud
  };
  // The first answer within `patience`; `heard` is false where the question did not arrive either.
  struct Asked {
    bool heard = false;
    std::optional<Answer> answer;
  };
  Asked ask(Duration patience = 90ms) {
    const TimePoint begin = loop_.now();
    Asked asked;
    say(*asker_, cloud_at(9000), "there?");
    while (loop_.now() < begin + patience) {
      loop_.run_for(1ms);
      std::vector<net::Received> questions, answers;
      net::receive_into(*answerer_, 10, questions);
      for (const net::Received& question : questions) {
        asked.heard = true;
        from_ = question.from;
        say(*answerer_, question.from, "yes");
      }
      net::receive_into(*asker_, 10, answers);
      if (!answers.empty() && !asked.answer) asked.answer = {loop_.now() - begin, from_};
    }
    return asked;
  }
  // Asks when it is `at` since the scenario began.
  Asked ask_at(Duration at) {
    loop_.run_for(begin_ + at - loop_.now());
    return ask();
  }
  void play(std::string_view text) {
    begin_ = loop_.now();
    Scenario::parse(text).value().play(net_, edge_, cloud_);
  }

  std::unique_ptr<net::DatagramSocket> answerer_ = bound(cloud_, 9000);
  std::unique_ptr<net::DatagramSocket> asker_ = bound(edge_);
  net::SocketAddress from_;
  TimePoint begin_{};
};

// tests/netlab/link_test.py says the same of the emulated link.
TEST_F(ScenarioTest, ATextThatTheEmulatedLinkReadsTooPlaysInVirtualTime) {
  const Scenario bridge = Scenario::load(FAIRLEAD_SOURCE_DIR "/tests/netlab/scenarios/bridge.link").value();
  EXPECT_EQ(bridge.length(), 7s);
  begin_ = loop_.now();
  bridge.play(net_, edge_, cloud_);

  const Asked good = ask_at(500ms);
  ASSERT_TRUE(good.answer.has_value());
  EXPECT_GE(good.answer->after, 40ms);
  EXPECT_LE(good.answer->after, 42ms);
  EXPECT_FALSE(ask_at(1500ms).heard);
  const Asked slower = ask_at(2500ms);
  ASSERT_TRUE(slower.answer.has_value());
  EXPECT_GE(slower.answer->after, 80ms);
  const Asked rebound = ask_at(3500ms);
  ASSERT_TRUE(rebound.answer.has_value());
  EXPECT_NE(rebound.answer->from, slower.answer->from);
  EXPECT_TRUE(ask_at(4500ms).answer.has_value());
  EXPECT_EQ(edge_.addresses(), std::vector{ip("10.0.0.6")});
  const Asked deaf = ask_at(5500ms);
  EXPECT_TRUE(deaf.heard);
  EXPECT_FALSE(deaf.answer.has_value());
  const Asked perfect = ask_at(6500ms);
  ASSERT_TRUE(perfect.answer.has_value());
  EXPECT_LE(perfect.answer->after, 2ms);
}

TEST_F(ScenarioTest, EveryKeyReachesItsField) {
  play(
      "0s rtt=1ms jitter=2us loss=0.1 burst.enter=0.2 burst.leave=0.3 burst.loss=0.4 reorder=0.5 reorder_delay=6ms duplicate=0.7 "
      "corrupt=0.8 "
      "rate=1.5M queue=10 queue_bytes=11k mark_at=12 mtu=1300");
  loop_.run_for(1ms);
  for (const Path* path : {&net_.path(edge_, cloud_), &net_.path(cloud_, edge_)}) {
    const LinkOptions& o = const_cast<Path*>(path)->options();
    EXPECT_EQ(std::tuple(o.rtt, o.jitter, o.reorder_delay), std::tuple(1ms, 2us, 6ms));
    EXPECT_EQ(std::tuple(o.loss, o.burst.enter, o.burst.leave, o.burst.loss, o.reorder, o.duplicate, o.corrupt),
              std::tuple(0.1, 0.2, 0.3, 0.4, 0.5, 0.7, 0.8));
    EXPECT_EQ(std::tuple(o.rate, o.queue, o.queue_bytes, o.mark_at, o.mtu), std::tuple(1'500'000u, 10u, 11'000u, 12u, 1300u));
  }
}

TEST_F(ScenarioTest, ADirectionIsThatOfTheNearHost) {
  play("0s out.loss=0.25 in.loss=0.5");
  loop_.run_for(1ms);
  EXPECT_EQ(net_.path(edge_, cloud_).options().loss, 0.25);
  EXPECT_EQ(net_.path(cloud_, edge_).options().loss, 0.5);
}

TEST(Scenario, IsEmptyWithoutLines) {
  EXPECT_EQ(Scenario::parse("").value().length(), 0s);
  EXPECT_EQ(Scenario::parse("# nothing\n\n").value().length(), 0s);
}

TEST(Scenario, WrongLinesAreNamed) {
  const std::pair<const char*, const char*> kWrong[] = {
      {"0s rtt=5ms\n1s speed=3", "line 2: no such key: speed"},
      {"0s sideways", "line 1: no such word: sideways"},
      {"0s rtt=5parsecs", "line 1: not a value: rtt=5parsecs"},
      {"0s loss=-1", "line 1: not a value: loss=-1"},
      {"soon down", "line 1: not a time: soon"},
      {"2s down\n\n1s up", "line 3: earlier than the line before: 1s"},
      {"0s out.down", "line 1: no such word: out.down"},
      {"0s rtt=50", "line 1: not a value: rtt=50"},
  };
  for (const auto& [text, message] : kWrong) {
    const auto parsed = Scenario::parse(text);
    ASSERT_FALSE(parsed.has_value()) << text;
    EXPECT_EQ(parsed.error().message(), message);
    EXPECT_EQ(parsed.error().code(), Code::invalid);
  }
  EXPECT_EQ(Scenario::load("/nowhere/at.all").error().code(), Code::not_found);
}

TEST(Scenario, AllThatThereAreCanBeRead) {
  std::size_t count = 0;
  for (const auto& file : std::filesystem::directory_iterator(FAIRLEAD_SOURCE_DIR "/tests/netlab/scenarios")) {
    const auto scenario = Scenario::load(file.path());
    EXPECT_TRUE(scenario.has_value()) << file.path() << ": " << (scenario ? "" : scenario.error().message());
    count++;
  }
  EXPECT_GE(count, 2u);
}

}  // namespace
}  // namespace fairlead::sim
