// The DATAGRAMs of one session, without a session.
#include "link/datagrams.h"

#include <gtest/gtest.h>

#include "link/fake_mux.h"
#include "runtime/sim_loop.h"
#include "wire/datagram.h"

namespace fairlead::link {
namespace {

class DatagramsTest : public ::testing::Test {
 protected:
  static std::vector<std::byte> datagram(std::uint64_t id, std::string_view payload) {
    std::array<std::byte, wire::kMaxLength> head{};
    const std::size_t n = wire::put_varint(head, id);
    std::vector<std::byte> whole(head.begin(), head.begin() + static_cast<std::ptrdiff_t>(n));
    const Bytes bytes = as_bytes(payload);
    whole.insert(whole.end(), bytes.begin(), bytes.end());
    return whole;
  }
  static std::string taken(DatagramInbox& inbox) {
    auto d = inbox.take();
    return d ? std::string(as_text(d->payload())) : "(none)";
  }

  SimLoop loop{1};
  FakeMux carrier{loop};
  std::shared_ptr<FlowDatagrams> datagrams = std::make_shared<FlowDatagrams>(loop, carrier);
};

TEST_F(DatagramsTest, EachGoesToItsFlow) {
  DatagramPort a = datagrams->open(4), b = datagrams->open(80'000);
  datagrams->take(datagram(80'000, "b"));
  datagrams->take(datagram(4, ""));
  EXPECT_EQ(taken(*a.inbox), "");
  EXPECT_EQ(taken(*a.inbox), "(none)");
  EXPECT_EQ(taken(*b.inbox), "b");
}

TEST_F(DatagramsTest, WhatComesBeforeItsFlowIsHeldAndFindsIt) {
  datagrams->take(datagram(4, "1"));
  datagrams->take(datagram(8, "other"));
  datagrams->take(datagram(4, "2"));
  DatagramPort port = datagrams->open(4);
  EXPECT_EQ(taken(*port.inbox), "1");
  EXPECT_EQ(taken(*port.inbox), "2");
  EXPECT_EQ(datagrams->held(), 1u);
  EXPECT_EQ(datagrams->counters().held, 2u);
}

TEST_F(DatagramsTest, WhatIsHeldTooLongIsStale) {
  datagrams->take(datagram(4, "1"));
  loop.run_for(FlowDatagrams::kHold - 1ms);
  datagrams->take(datagram(4, "2"));
  loop.run_for(1ms);
  DatagramPort port = datagrams->open(4);
  EXPECT_EQ(taken(*port.inbox), "2");
  EXPECT_EQ(datagrams->counters().unknown, 1u);
}

TEST_F(DatagramsTest, AFlowThatNeverComesHoldsSoMuchAndNoMore) {
  for (std::size_t i = 0; i <= FlowDatagrams::kMaxHeldOfFlow; i++) datagrams->take(datagram(4, std::to_string(i)));
  EXPECT_EQ(datagrams->held(), FlowDatagrams::kMaxHeldOfFlow);
  EXPECT_EQ(datagrams->counters().unknown, 1u);
  DatagramPort port = datagrams->open(4);
  EXPECT_EQ(taken(*port.inbox), "0") << "the first ones are worth most here: they open a conversation";
}

TEST_F(DatagramsTest, AllThatIsHeldIsBounded) {
  for (std::uint64_t id = 0; id <= FlowDatagrams::kMaxHeld; id++) datagrams->take(datagram(id, "x"));
  EXPECT_EQ(datagrams->held(), FlowDatagrams::kMaxHeld);
  EXPECT_EQ(datagrams->counters().unknown, 1u);
  const std::string large(FlowDatagrams::kMaxHeldBytes / 2, 'x');
  for (std::uint64_t id = 10'000; id < 10'003; id++) datagrams->take(datagram(id, large));
  EXPECT_EQ(datagrams->held(), 1u);
}

TEST_F(DatagramsTest, WhatComesForAFlowThatIsOverIsDroppedAndCounted) {
  {
    DatagramPort port = datagrams->open(4);
  }
  datagrams->take(datagram(4, "late"));
  EXPECT_EQ(datagrams->held(), 0u);
  EXPECT_EQ(datagrams->counters().late, 1u);
}

TEST_F(DatagramsTest, WithoutAWholeHeadItIsNone) {
  datagrams->take({});
  datagrams->take({std::byte{0xc0}});
  EXPECT_EQ(datagrams->counters().malformed, 2u);
}

TEST_F(DatagramsTest, OfTooManyUnreadTheOldestAreDropped) {
  DatagramPort port = datagrams->open(4);
  for (std::size_t i = 0; i <= DatagramInbox::kMaxCount; i++) datagrams->take(datagram(4, std::to_string(i)));
  EXPECT_EQ(port.inbox->dropped(), 1u);
  EXPECT_EQ(taken(*port.inbox), "1");
}

TEST_F(DatagramsTest, AfterTheSessionsEndWhatCameCanBeTakenAndNothingIsSent) {
  DatagramPort port = datagrams->open(4);
  datagrams->take(datagram(4, "last"));
  datagrams->end(Error(Code::closed, "over"));
  EXPECT_TRUE(loop.run(port.inbox->arrived()));
  EXPECT_EQ(taken(*port.inbox), "last");
  EXPECT_EQ(loop.run(port.inbox->arrived()).error().code(), Code::closed);
  EXPECT_EQ(port.sender->max_size(), 0u);
  EXPECT_FALSE(port.sender->send(as_bytes("x"), net::Priority::interactive));
  DatagramPort later = datagrams->open(8);
  EXPECT_EQ(loop.run(later.inbox->arrived()).error().code(), Code::closed);
}

}  // namespace
}  // namespace fairlead::link
