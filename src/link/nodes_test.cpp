#include "link/nodes.h"

#include <gtest/gtest.h>

namespace fairlead::link {
namespace {

NodeName node(std::string_view name) { return NodeName::parse(name).value(); }
Nodes::Place place(std::uint16_t loop, std::uint64_t session) { return {LoopIndex(loop), SessionId(session), BootId(session)}; }
WallTime at(int seconds) { return WallTime{} + std::chrono::seconds(seconds); }

TEST(Nodes, ALaterHelloTakesOverAndTheEarlierOneReleasesNothing) {
  Nodes nodes;
  EXPECT_TRUE(nodes.claim(node("a"), place(0, 1), {{"k", "1"}}, "s", "x:1", at(1)).over.empty());
  EXPECT_EQ(nodes.claim(node("a"), place(3, 2), {{"k", "2"}}, "s", "x:2", at(2)).over, std::vector{place(0, 1)});
  EXPECT_EQ(nodes.connected(), 1u);
  nodes.set_labels(node("a"), place(0, 1), {{"k", "old"}});
  nodes.release(node("a"), place(0, 1), "superseded", at(3));
  EXPECT_EQ(nodes.find(node("a")), place(3, 2));
  EXPECT_EQ(nodes.all().at(node("a")).labels, (wire::Labels{{"k", "2"}}));
  nodes.release(node("a"), place(3, 2), "gone", at(4));
  EXPECT_EQ(nodes.find(node("a")), std::nullopt);
  EXPECT_EQ(nodes.connected(), 0u);
  EXPECT_EQ(nodes.all().at(node("a")).reason, "gone");
  EXPECT_EQ(nodes.all().at(node("a")).changed, at(4));
}

TEST(Nodes, AnotherCarrierBesideLetsTheEarlierOneStepBackAndForwardAgain) {
  Nodes nodes;
  const auto of_boot = [](std::uint64_t session) { return Nodes::Place{LoopIndex(0), SessionId(session), BootId(7)}; };
  static_cast<void>(nodes.claim(node("a"), of_boot(1), {}, "", "", at(1), true));
  const Nodes::Before before = nodes.claim(node("a"), of_boot(2), {}, "", "", at(2), true);
  EXPECT_TRUE(before.over.empty());
  EXPECT_EQ(before.stepped_back, of_boot(1));
  EXPECT_EQ(nodes.find(node("a")), of_boot(2));
  EXPECT_EQ(nodes.connected(), 1u);
  EXPECT_EQ(nodes.step_back(node("a"), of_boot(2)), of_boot(1));
  EXPECT_EQ(nodes.step_back(node("a"), of_boot(2)), std::nullopt) << "it has";
  EXPECT_EQ(nodes.release(node("a"), of_boot(1), "", at(3)), of_boot(2));
  EXPECT_EQ(nodes.step_back(node("a"), of_boot(2)), std::nullopt) << "nobody else is there";
  EXPECT_EQ(nodes.find(node("a")), of_boot(2));
  EXPECT_EQ(nodes.release(node("a"), of_boot(2), "", at(4)), std::nullopt);
  EXPECT_EQ(nodes.connected(), 0u);
}

TEST(Nodes, ANewBootTakesOverFromAllCarriersOfTheOneBefore) {
  Nodes nodes;
  const auto of_boot = [](std::uint64_t session, std::uint64_t boot) {
    return Nodes::Place{LoopIndex(0), SessionId(session), BootId(boot)};
  };
  static_cast<void>(nodes.claim(node("a"), of_boot(1, 7), {}, "", "", at(1)));
  static_cast<void>(nodes.claim(node("a"), of_boot(2, 7), {}, "", "", at(2), true));
  const Nodes::Before before = nodes.claim(node("a"), of_boot(3, 8), {}, "", "", at(3), true);
  EXPECT_EQ(before.over, (std::vector{of_boot(1, 7), of_boot(2, 7)}));
  EXPECT_FALSE(before.stepped_back);
}

TEST(Nodes, TheVersionChangesWithEachChangeAndOnlyThen) {
  Nodes nodes;
  std::uint64_t before = nodes.version();
  const auto changed = [&] { return std::exchange(before, nodes.version()) != nodes.version(); };
  static_cast<void>(nodes.claim(node("a"), place(0, 1), {}, "", "", at(1)));
  EXPECT_TRUE(changed());
  nodes.set_labels(node("a"), place(0, 1), {{"k", "v"}});
  EXPECT_TRUE(changed());
  nodes.set_labels(node("a"), place(0, 9), {{"k", "w"}});
  nodes.set_labels(node("b"), place(0, 1), {{"k", "w"}});
  nodes.release(node("a"), place(0, 9), "", at(2));
  nodes.release(node("b"), place(0, 1), "", at(2));
  EXPECT_FALSE(changed());
  nodes.release(node("a"), place(0, 1), "", at(2));
  EXPECT_TRUE(changed());
}

TEST(Nodes, WhatTheCloudSaysOfANodeGoesBeforeWhatTheNodeSays) {
  Nodes nodes;
  nodes.set_cloud_labels({{node("a"), {{"site", "berlin"}, {"rack", "7"}}}, {node("b"), {{"site", "rome"}}}});
  static_cast<void>(nodes.claim(node("a"), place(0, 1), {{"site", "bonn"}, {"os", "linux"}}, "", "", at(1)));
  EXPECT_EQ(nodes.all().at(node("a")).labels, (wire::Labels{{"os", "linux"}, {"rack", "7"}, {"site", "berlin"}}));
  EXPECT_FALSE(nodes.all().contains(node("b"))) << "labels alone make no node";
  nodes.set_labels(node("a"), place(0, 1), {{"site", "ulm"}});
  EXPECT_EQ(nodes.all().at(node("a")).labels, (wire::Labels{{"rack", "7"}, {"site", "berlin"}}));
  const std::uint64_t before = nodes.version();
  nodes.set_cloud_labels({});
  EXPECT_NE(nodes.version(), before);
  EXPECT_EQ(nodes.all().at(node("a")).labels, (wire::Labels{{"site", "ulm"}})) << "the node's own is back";
  const std::uint64_t after = nodes.version();
  nodes.set_cloud_labels({});
  EXPECT_EQ(nodes.version(), after);
}

TEST(Nodes, OfThoseThatAreGoneTheOldestIsForgottenPastTheLimit) {
  Nodes nodes;
  static_cast<void>(nodes.claim(node("here"), place(0, 1), {}, "", "", at(0)));  // older than all, but connected
  const auto come_and_go = [&](int i) {
    const NodeName name = node("n" + std::to_string(i));
    static_cast<void>(nodes.claim(name, place(0, 2), {}, "", "", at(i)));
    nodes.release(name, place(0, 2), "gone", at(i));
  };
  const int limit = static_cast<int>(Nodes::kRemembered);
  for (int i = 1; i <= limit; i++) come_and_go(i);
  EXPECT_EQ(nodes.all().size(), Nodes::kRemembered + 1);
  EXPECT_TRUE(nodes.all().contains(node("n1")));
  come_and_go(limit + 1);
  EXPECT_EQ(nodes.all().size(), Nodes::kRemembered + 1);
  EXPECT_FALSE(nodes.all().contains(node("n1")));
  EXPECT_TRUE(nodes.all().contains(node("n2")));
  EXPECT_TRUE(nodes.all().contains(node("here")));
  EXPECT_EQ(nodes.connected(), 1u);
}

}  // namespace
}  // namespace fairlead::link
