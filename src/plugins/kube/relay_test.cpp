// Two connections of one cloud: what is said on one arrives on the other, and before a reset all that was said before.
#include "plugins/kube/relay.h"

#include "sim/two_hosts.h"

namespace fairlead::kube_plugin {
namespace {

class Relay : public sim::TwoHosts {
 protected:
  static constexpr std::size_t kSize = 3'000'000;
  Relay() {
    net_.set_options(edge_, cloud_, {.rtt = 50ms, .rate = 20'000'000});
    client_ = loop_.run(sim::connect_pair(edge_, cloud_));
    service_ = loop_.run(sim::connect_pair(edge_, cloud_));
    tasks_.spawn(carry());
  }
  Task<void> carry() { end = co_await relay(loop_, *client_.far, *service_.far); }
  void expect_all_and_a_reset(net::Stream& reader) {
    const net::Rest rest = loop_.run(net::read_rest(reader), 1min);
    EXPECT_EQ(rest.size, kSize);
    EXPECT_TRUE(rest.intact);
    ASSERT_FALSE(rest.end);
    EXPECT_EQ(rest.end.error().code(), Code::reset);
    loop_.run_for(1s);
    ASSERT_TRUE(end);
    EXPECT_EQ(end->end.code, link::FlowCode::reset);
  }
  static Task<void> write_and_reset(Loop& loop, net::Stream& stream) {
    co_await net::write_pattern(stream, kSize);
    while (stream.undelivered() > 0) co_await loop.sleep(10ms);
    stream.reset();
  }
  static Task<void> write_for_ever(net::Stream& stream) {
    const std::vector<std::byte> bytes(64_KiB);
    for (;;) {
      auto written = co_await stream.write(bytes);
      if (!written) co_return;
    }
  }

  sim::Pair client_, service_;
  std::optional<RelayEnd> end;
  Scope tasks_{loop_};
};

TEST_F(Relay, BothHalvesEndByThemselves) {
  loop_.run(net::write_pattern_and_shut(*client_.near, 1000));
  EXPECT_EQ(loop_.run(net::read_rest(*service_.near)).size, 1000u);
  tasks_.spawn(net::write_pattern_and_shut(*service_.near, kSize));
  const net::Rest rest = loop_.run(net::read_rest(*client_.near));
  EXPECT_TRUE(rest.end && rest.intact);
  EXPECT_EQ(rest.size, kSize);
  loop_.run_for(1s);
  ASSERT_TRUE(end);
  EXPECT_EQ(end->end.code, link::FlowCode::ok);
  EXPECT_EQ(end->bytes_in, 1000u);
  EXPECT_EQ(end->bytes_out, kSize);
}

TEST_F(Relay, WhatWasSaidBeforeAResetArrivesBeforeIt) {
  tasks_.spawn(write_and_reset(loop_, *service_.near));
  expect_all_and_a_reset(*client_.near);
  EXPECT_EQ(end->bytes_out, kSize);
}

TEST_F(Relay, WhatWasSaidByWhoIsBeingWrittenToArrivesBeforeItsReset) {
  tasks_.spawn(write_for_ever(*client_.near));
  loop_.run_for(5s);  // until nothing goes any more
  tasks_.spawn(write_and_reset(loop_, *service_.near));
  expect_all_and_a_reset(*client_.near);
}

TEST_F(Relay, WhoHasSaidAllHearsAllBeforeTheReset) {
  EXPECT_TRUE(client_.near->shut());
  EXPECT_TRUE(loop_.run(net::read_rest(*service_.near)).end);
  tasks_.spawn(write_and_reset(loop_, *service_.near));
  expect_all_and_a_reset(*client_.near);
}

TEST_F(Relay, WhoCannotBeReachedIsGivenUpInTheEnd) {
  loop_.run(net::write_pattern(*service_.near, 1000));
  loop_.run_for(100ms);
  net_.path(cloud_, edge_).set_up(false);
  loop_.run(net::write_pattern(*service_.near, 1000));
  loop_.run_for(100ms);  // it waits in the cloud
  service_.near->reset();
  loop_.run_for(20s);
  EXPECT_FALSE(end);
  loop_.run_for(20s);
  EXPECT_TRUE(end);
}

}  // namespace
}  // namespace fairlead::kube_plugin
