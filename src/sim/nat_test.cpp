#include "sim/nat.h"

#include "sim/two_hosts.h"

namespace fairlead::sim {
namespace {

using net::SocketAddress;

class NatTest : public TwoHosts {
 protected:
  NatTest() { edge_.set_nat(nat_); }
  Nat& nat_ = net_.nat(ip("198.51.100.9"), 30s);
};

TEST_F(NatTest, HidesItsHostsAndLetsAnswersIn) {
  auto far = bound(cloud_, 100);
  auto stranger = bound(cloud_, 101);
  auto near = bound(edge_, 7);
  say(*far, {ip("10.0.0.5"), 7}, "to the hidden address");
  EXPECT_TRUE(heard(*near).empty());
  EXPECT_EQ(loop_.run(code_of_connect(cloud_, {ip("10.0.0.5"), 80})), Code::timeout);

  say(*near, cloud_at(100), "hello");
  auto got = heard(*far);
  ASSERT_EQ(got.size(), 1u);
  EXPECT_EQ(got[0].from.ip, ip("198.51.100.9"));
  EXPECT_NE(got[0].from.port, 7);
  say(*far, got[0].from, "answer");
  say(*stranger, got[0].from, "not asked for");
  auto answers = heard(*near);
  ASSERT_EQ(answers.size(), 1u);
  EXPECT_EQ(as_text(answers[0].payload), "answer");
  EXPECT_EQ(answers[0].to, (SocketAddress{ip("10.0.0.5"), 7}));
}

TEST_F(NatTest, RebindingGivesANewPortAndTheOldOneLeadsNowhere) {
  auto far = bound(cloud_, 100);
  auto near = bound(edge_);
  say(*near, cloud_at(100), "one");
  say(*near, cloud_at(100), "two");
  auto before = heard(*far);
  ASSERT_EQ(before.size(), 2u);
  EXPECT_EQ(before[0].from, before[1].from);
  nat_.rebind();
  say(*far, before[0].from, "lost");
  EXPECT_TRUE(heard(*near).empty());
  say(*near, cloud_at(100), "three");
  auto after = heard(*far);
  ASSERT_EQ(after.size(), 1u);
  EXPECT_NE(after[0].from, before[0].from);
  say(*far, after[0].from, "found");
  EXPECT_EQ(heard(*near).size(), 1u);
}

TEST_F(NatTest, ForgetsWhoIsSilentForTooLong) {
  auto far = bound(cloud_, 100);
  auto near = bound(edge_);
  say(*near, cloud_at(100), "one");
  const SocketAddress first = heard(*far).at(0).from;
  loop_.run_until(TimePoint(30s - 1ns - 25ms));  // it arrives within the 30 s
  say(*far, first, "in time");
  loop_.run_for(24ms);
  EXPECT_EQ(heard(*near).size(), 1u);
  say(*far, first, "too late");
  EXPECT_TRUE(heard(*near).empty());
  say(*near, cloud_at(100), "two");
  EXPECT_NE(heard(*far).at(0).from, first);
}

TEST_F(NatTest, AStreamIsResetOnceItsMappingIsForgotten) {
  Pair pair = loop_.run(connect_pair(edge_, cloud_));
  EXPECT_EQ(pair.far->peer().ip, ip("198.51.100.9"));
  EXPECT_EQ(pair.near->local().ip, ip("10.0.0.5"));
  nat_.rebind();
  loop_.run(net::write_pattern(*pair.near, 10));
  EXPECT_EQ(loop_.run(net::code_of_read(*pair.near)), Code::reset);
  // The other side hears of nothing.
  std::byte byte[1];
  loop_.run(net::write_pattern(*pair.far, 10));
  loop_.run_for(1s);
  EXPECT_FALSE(pair.far->try_read(byte));
}

}  // namespace
}  // namespace fairlead::sim
