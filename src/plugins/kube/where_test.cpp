#include "plugins/kube/where.h"

#include <gtest/gtest.h>

#include "kube/index.h"
#include "kube/objects_fixture.h"

namespace fairlead::kube_plugin {
namespace {

using kube::Kind;

constexpr auto standing = [](const NodeName& node) {
  return node.value().starts_with("edge") ? kube::Standing::connected : kube::Standing::stranger;
};
Where look(const net::HostPort& target, const kube::Directory& directory = *kube::Directory::empty()) {
  return look_up(target, &directory, standing, 0);
}

TEST(Where, WithoutAClusterAnEdgesNameIsWhatIsKnownOfIt) {
  const Where kubelet = look({"edge-a", 10250});
  EXPECT_EQ(kubelet.way, Where::Way::edge);
  EXPECT_EQ(kubelet.node->value(), "edge-a");
  EXPECT_EQ(kubelet.target, "kubelet");
  EXPECT_EQ(look({"edge-a", 9100}).target, "127.0.0.1:9100");
  for (const net::HostPort& other : {net::HostPort{"cloud-b", 10250}, {"10.0.0.1", 10250}, {"2001:db8::1", 10250}, {"", 1}})
    EXPECT_EQ(look(other).way, Where::Way::direct) << other.to_text();
}

TEST(Where, BeforeTheClusterIsKnownNoAddressIsGuessed) {
  EXPECT_EQ(look_up({"edge-a", 10250}, nullptr, standing, 0).target, "kubelet");
  EXPECT_EQ(look_up({"webhook.example", 443}, nullptr, standing, 0).way, Where::Way::direct);
  for (const net::HostPort& other : {net::HostPort{"10.0.0.1", 10250}, {"2001:db8::1", 10250}, {"web.default.svc", 443}}) {
    const Where where = look_up(other, nullptr, standing, 0);
    EXPECT_EQ(where.way, Where::Way::none) << other.to_text();
    EXPECT_EQ(where.code, link::FlowCode::link_down);
    EXPECT_NE(where.message.find("not known yet"), std::string::npos);
  }
}

TEST(Where, WhatADirectoryKnowsIsSaidInTheWordsOfAFlow) {
  kube::Index index;
  const auto put = [&](Kind kind, const auto& text) { ASSERT_TRUE(index.put(kind, kube::object(text.text()))); };
  put(Kind::node, kube::NodeText{.name = "edge-a", .internal = {"192.168.1.10"}});
  put(Kind::node, kube::NodeText{.name = "edge-b", .internal = {"192.168.1.11"}});
  put(Kind::node, kube::NodeText{.name = "edge-c", .internal = {"192.168.1.11"}});
  put(Kind::pod, kube::PodText{.key = "d/web", .node = "edge-a", .ip = "10.1.0.5"});
  put(Kind::service, kube::ServiceText{.key = "d/web", .ips = {"10.96.0.20"}});
  put(Kind::slice, kube::SliceText{.key = "d/web-x", .service = "web", .endpoints = {{"10.1.0.5", "edge-a"}}});
  put(Kind::service, kube::ServiceText{.key = "d/both", .ips = {"10.96.0.21"}});
  put(Kind::slice, kube::SliceText{.key = "d/both-x", .service = "both", .endpoints = {{"10.1.0.5", "edge-a"}, {"10.0.5.1", "cloud-1"}}});
  put(Kind::service, kube::ServiceText{.key = "d/none", .ips = {"10.96.0.22"}});
  const auto directory = index.directory();

  EXPECT_EQ(look({"192.168.1.10", 10250}, *directory).target, "kubelet");
  EXPECT_EQ(look({"192.168.1.10", 9100}, *directory).kind, "host");
  const Where pod = look({"10.1.0.5", 8080}, *directory);
  EXPECT_EQ(pod.kind, "pod");
  EXPECT_EQ(pod.target, "10.1.0.5:8080");
  const Where service = look({"10.96.0.20", 443}, *directory);
  EXPECT_EQ(service.kind, "service");
  EXPECT_EQ(service.target, "10.1.0.5:8443");
  const Where both = look({"10.96.0.21", 443}, *directory);
  EXPECT_EQ(both.way, Where::Way::direct);
  EXPECT_EQ(both.target, "10.0.5.1:8443");
  const Where ambiguous = look({"192.168.1.11", 10250}, *directory);
  EXPECT_EQ(ambiguous.way, Where::Way::none);
  EXPECT_EQ(ambiguous.code, link::FlowCode::no_route);
  EXPECT_NE(ambiguous.message.find("edge-b, edge-c"), std::string::npos);
  const Where none = look({"10.96.0.22", 443}, *directory);
  EXPECT_EQ(none.code, link::FlowCode::unreachable);
}

}  // namespace
}  // namespace fairlead::kube_plugin
