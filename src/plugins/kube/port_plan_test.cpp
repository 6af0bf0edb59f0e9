#include "plugins/kube/port_plan.h"

#include <gtest/gtest.h>

namespace fairlead::kube_plugin {
namespace {

NodeName node(std::string_view name) { return NodeName::parse(name).value(); }

TEST(PortPlan, ANodeKeepsItsPortOverARestart) {
  PortPlan plan({20'000, 20'010});
  bool changed = false;
  EXPECT_TRUE(plan.assign({node("b")}, changed).empty());
  EXPECT_TRUE(plan.assign({node("a"), node("b")}, changed).empty());
  EXPECT_TRUE(changed);
  EXPECT_EQ(plan.ports().at(node("b")), 20'000);
  EXPECT_EQ(plan.ports().at(node("a")), 20'001);

  PortPlan again = PortPlan::parse(plan.to_text(), {20'000, 20'010});
  EXPECT_EQ(again.ports(), plan.ports());
  changed = false;
  EXPECT_TRUE(again.assign({node("a")}, changed).empty());
  EXPECT_FALSE(changed);
  EXPECT_TRUE(again.ports().contains(node("b"))) << "a node that is away for a while keeps its port";
}

TEST(PortPlan, APortOfANodeThatIsGoneIsGivenAwayOnlyWhenNoneIsLeft) {
  PortPlan plan({1000, 1001});
  bool changed = false;
  EXPECT_TRUE(plan.assign({node("a"), node("b")}, changed).empty());
  EXPECT_EQ(plan.assign({node("a"), node("b"), node("c")}, changed), (std::set<NodeName>{node("c")}));
  EXPECT_TRUE(plan.assign({node("b"), node("c")}, changed).empty());
  EXPECT_EQ(plan.ports().at(node("c")), 1000);
  EXPECT_FALSE(plan.ports().contains(node("a")));
}

TEST(PortPlan, WhatIsNoLineOfItsOwnIsLeftOut) {
  const PortPlan plan = PortPlan::parse("1000 a\n1000 b\n1001 a\nx\n999 c\n1002\n1003 NOT\n1004 d", {1000, 1010});
  EXPECT_EQ(plan.ports(), (std::map<NodeName, std::uint16_t>{{node("a"), 1000}, {node("d"), 1004}}));
}

TEST(PortPlan, TheLastPortOfAllCanBeUsed) {
  PortPlan plan({65535, 65535});
  bool changed = false;
  EXPECT_TRUE(plan.assign({node("a")}, changed).empty());
  EXPECT_EQ(plan.assign({node("a"), node("b")}, changed).size(), 1u);
}

}  // namespace
}  // namespace fairlead::kube_plugin
