#include "plugins/kube/where.h"

#include <gtest/gtest.h>

namespace fairlead::kube_plugin {
namespace {

TEST(Where, OnlyAnEdgesNameWithTheKubeletsPortIsThatKubelet) {
  const auto is_edge = [](const NodeName& node) { return node.value() == "edge-a"; };
  const Where kubelet = by_name({"edge-a", 10250}, is_edge);
  EXPECT_EQ(kubelet.way, Where::Way::edge);
  EXPECT_EQ(kubelet.node->value(), "edge-a");
  EXPECT_EQ(kubelet.target, "kubelet");
  for (const net::HostPort& other : {net::HostPort{"edge-b", 10250}, {"edge-a", 443}, {"10.0.0.1", 10250}, {"2001:db8::1", 10250}, {"", 1}})
    EXPECT_EQ(by_name(other, is_edge).way, Where::Way::direct) << other.to_text();
}

}  // namespace
}  // namespace fairlead::kube_plugin
