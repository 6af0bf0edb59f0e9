#include "kube/directory.h"

#include <gtest/gtest.h>

#include <map>

#include "base/random.h"
#include "kube/index.h"
#include "kube/objects_fixture.h"

namespace fairlead::kube {
namespace {

NodeName name(std::string_view text) { return NodeName::parse(text).value(); }
net::SocketAddress at(std::string_view text) { return net::SocketAddress::parse(text).value(); }

class DirectoryTest : public ::testing::Test {
 protected:
  template <class Text>
  void put(Kind kind, const Text& text) {
    ASSERT_TRUE(index.put(kind, object(text.text())));
  }
  void node(const NodeText& text) { put(Kind::node, text); }
  void pod(const PodText& text) { put(Kind::pod, text); }
  void service(const ServiceText& text) { put(Kind::service, text); }
  void slice(const SliceText& text) { put(Kind::slice, text); }

  Found find(std::string_view target, std::uint64_t turn = 0) {
    directory = index.directory();
    const auto ask = [this](const NodeName& n) {
      const auto found = standings.find(n.value());
      return found == standings.end() ? Standing::stranger : found->second;
    };
    return directory->find(net::HostPort::parse(target).value(), ask, turn);
  }
  Found kubelet(std::string_view n, std::uint16_t port = kKubeletPort) {
    return AtEdge{name(n), AtEdge::Kind::kubelet, {net::IpAddress::loopback_v4(), port}, ""};
  }
  Found at_pod(std::string_view n, std::string_view address, std::string of = "") {
    return AtEdge{name(n), AtEdge::Kind::pod, at(address), std::move(of)};
  }
  Found at_host(std::string_view n, std::string_view address) { return AtEdge{name(n), AtEdge::Kind::host, at(address), ""}; }
  std::vector<std::string> candidates(const Found& found) {
    std::vector<std::string> names;
    const auto* ambiguous = std::get_if<Ambiguous>(&found);
    EXPECT_NE(ambiguous, nullptr);
    if (ambiguous == nullptr) return names;
    for (const NodeName& n : ambiguous->nodes) {
      names.push_back(n.value());
      EXPECT_NE(ambiguous->message.find(n.value()), std::string::npos) << ambiguous->message;
    }
    return names;
  }

  Index index{[](const Labels& labels) {
    return std::ranges::find(labels, std::pair<std::string, std::string>("site", "berlin")) != labels.end();
  }};
  std::map<std::string, Standing> standings{{"edge-a", Standing::connected}, {"edge-b", Standing::connected}};
  std::shared_ptr<const Directory> directory;
};

TEST_F(DirectoryTest, NameOfAnEdgeWithTheKubeletsPortIsItsKubelet) {
  node({.name = "edge-a", .internal = {"192.168.1.10"}});
  EXPECT_EQ(find("edge-a:10250"), kubelet("edge-a"));
}

TEST_F(DirectoryTest, KubeletIsAlsoMeantByThePortThatItsNodeSays) {
  node({.name = "edge-a", .internal = {"192.168.1.10"}, .port = 20001});
  EXPECT_EQ(find("edge-a:10250"), kubelet("edge-a", 20001));
  EXPECT_EQ(find("edge-a:20001"), kubelet("edge-a", 20001));
  EXPECT_EQ(find("192.168.1.10:20001"), kubelet("edge-a", 20001));
}

TEST_F(DirectoryTest, EdgeThatHasNoNodeIsKnownByItsNameAlone) {
  EXPECT_EQ(find("edge-a:10250"), kubelet("edge-a"));
  EXPECT_EQ(find("edge-a:9100"), at_host("edge-a", "127.0.0.1:9100"));
}

TEST_F(DirectoryTest, OtherPortsOfAnEdgeAreDialledAtItsOwnAddress) {
  node({.name = "edge-a", .internal = {"192.168.1.10"}});
  EXPECT_EQ(find("edge-a:9100"), at_host("edge-a", "192.168.1.10:9100"));
  EXPECT_EQ(find("192.168.1.10:9100"), at_host("edge-a", "192.168.1.10:9100"));
}

TEST_F(DirectoryTest, AddressOfAnEdgeWithTheKubeletsPortIsItsKubelet) {
  node({.name = "edge-a", .internal = {"192.168.1.10", "2001:db8::10"}});
  EXPECT_EQ(find("192.168.1.10:10250"), kubelet("edge-a"));
  EXPECT_EQ(find("[2001:db8::10]:10250"), kubelet("edge-a"));
}

TEST_F(DirectoryTest, NodesThatAreNoEdgesAndWhatNobodyKnowsAreDirect) {
  node({.name = "cloud-1", .internal = {"10.0.0.7"}});
  EXPECT_EQ(find("cloud-1:10250"), Found(Direct{}));
  EXPECT_EQ(find("10.0.0.7:10250"), Found(Direct{}));
  EXPECT_EQ(find("203.0.113.9:443"), Found(Direct{}));
  EXPECT_EQ(find("hooks.example.com:443"), Found(Direct{}));
}

TEST_F(DirectoryTest, LabelsMakeANodeAnEdgeBeforeItEverConnected) {
  node({.name = "edge-z", .internal = {"192.168.1.10"}, .labels = R"("site":"berlin")"});
  EXPECT_EQ(find("edge-z:10250"), kubelet("edge-z"));
  node({.name = "edge-z", .internal = {"192.168.1.10"}, .labels = R"("site":"paris")"});
  EXPECT_EQ(find("edge-z:10250"), Found(Direct{}));
}

TEST_F(DirectoryTest, AddressOfAPodLeadsToItsNode) {
  node({.name = "edge-a", .internal = {"192.168.1.10"}});
  pod({.key = "default/web", .node = "edge-a", .ip = "10.1.0.5"});
  EXPECT_EQ(find("10.1.0.5:8080"), at_pod("edge-a", "10.1.0.5:8080"));
  EXPECT_EQ(find("10.1.0.5:10250"), at_pod("edge-a", "10.1.0.5:10250")) << "a pod is no kubelet, whatever its port";
}

TEST_F(DirectoryTest, PodsThatAreOverOrGoneOrElsewhereOwnNothing) {
  pod({.key = "default/web", .node = "edge-a", .ip = "10.1.0.5"});
  pod({.key = "default/job", .node = "edge-a", .ip = "10.1.0.6", .phase = "Succeeded"});
  pod({.key = "default/far", .node = "cloud-1", .ip = "10.1.0.7"});
  EXPECT_EQ(find("10.1.0.6:80"), Found(Direct{}));
  EXPECT_EQ(find("10.1.0.7:80"), Found(Direct{}));
  index.remove(Kind::pod, "default/web");
  EXPECT_EQ(find("10.1.0.5:80"), Found(Direct{}));
}

TEST_F(DirectoryTest, PodThatMovesIsFoundWhereItIsNow) {
  pod({.key = "default/web-0", .node = "edge-a", .ip = "10.1.0.5"});
  EXPECT_EQ(find("10.1.0.5:80"), at_pod("edge-a", "10.1.0.5:80"));
  pod({.key = "default/web-0", .node = "edge-b", .ip = "10.2.0.5"});
  EXPECT_EQ(find("10.1.0.5:80"), Found(Direct{}));
  EXPECT_EQ(find("10.2.0.5:80"), at_pod("edge-b", "10.2.0.5:80"));
}

TEST_F(DirectoryTest, PodsOnTheNetworkOfTheirNodeShareItsAddress) {
  node({.name = "edge-a", .internal = {"192.168.1.10"}});
  pod({.key = "kube-system/exporter", .node = "edge-a", .ip = "192.168.1.10", .host_network = true});
  EXPECT_EQ(find("192.168.1.10:9100"), at_host("edge-a", "192.168.1.10:9100"));
  EXPECT_EQ(find("192.168.1.10:10250"), kubelet("edge-a"));
  index.remove(Kind::pod, "kube-system/exporter");
  EXPECT_EQ(find("192.168.1.10:10250"), kubelet("edge-a")) << "the node still has it";
}

TEST_F(DirectoryTest, AddressOfTwoEdgesIsRefusedAndTheNameDecides) {
  node({.name = "edge-a", .internal = {"192.168.1.10"}});
  node({.name = "edge-b", .internal = {"192.168.1.10"}, .port = 10260});
  EXPECT_EQ(candidates(find("192.168.1.10:10250")), (std::vector<std::string>{"edge-a", "edge-b"}));
  EXPECT_EQ(candidates(find("192.168.1.10:10260")), (std::vector<std::string>{"edge-a", "edge-b"})) << "ports prove nothing";
  EXPECT_EQ(find("edge-a:10250"), kubelet("edge-a"));
  EXPECT_EQ(find("edge-b:10250"), kubelet("edge-b", 10260));
  index.remove(Kind::node, "edge-b");
  EXPECT_EQ(find("192.168.1.10:10250"), kubelet("edge-a"));
}

TEST_F(DirectoryTest, AnEdgeTakesNoAddressAwayFromANodeOfTheCloud) {
  node({.name = "cloud-1", .internal = {"10.0.0.7"}});
  node({.name = "edge-a", .internal = {"10.0.0.7"}});
  EXPECT_EQ(candidates(find("10.0.0.7:10250")), (std::vector<std::string>{"cloud-1", "edge-a"}));
  EXPECT_EQ(find("cloud-1:10250"), Found(Direct{}));
}

TEST_F(DirectoryTest, AddressOfPodsOfTwoEdgesIsRefused) {
  pod({.key = "default/one", .node = "edge-a", .ip = "10.1.0.5"});
  pod({.key = "default/two", .node = "edge-b", .ip = "10.1.0.5"});
  EXPECT_EQ(candidates(find("10.1.0.5:80")), (std::vector<std::string>{"edge-a", "edge-b"}));
}

TEST_F(DirectoryTest, AddressThatTwoNodesOfTheCloudShareIsNoneOfOurs) {
  node({.name = "cloud-1", .internal = {"10.0.0.7"}});
  node({.name = "cloud-2", .internal = {"10.0.0.7"}});
  EXPECT_EQ(find("10.0.0.7:10250"), Found(Direct{}));
}

TEST_F(DirectoryTest, AddressesThatNobodyCanHaveForOthersAreNotBelieved) {
  node({.name = "edge-a", .internal = {"127.0.0.1", "169.254.169.254", "0.0.0.0", "not-an-address"}});
  for (const char* target : {"127.0.0.1:10250", "169.254.169.254:80", "0.0.0.0:80"}) EXPECT_EQ(find(target), Found(Direct{})) << target;
}

TEST_F(DirectoryTest, ServiceWhoseEndpointsAreAtEdgesGoesToThemInTurn) {
  service({.key = "shop/hook", .ips = {"10.96.0.20"}});
  slice({.key = "shop/hook-x", .service = "hook", .endpoints = {{"10.1.0.5", "edge-a"}, {"10.2.0.5", "edge-b"}}});
  EXPECT_EQ(find("10.96.0.20:443", 0), at_pod("edge-a", "10.1.0.5:8443", "shop/hook"));
  EXPECT_EQ(find("10.96.0.20:443", 1), at_pod("edge-b", "10.2.0.5:8443", "shop/hook"));
  EXPECT_EQ(find("10.96.0.20:443", 2), at_pod("edge-a", "10.1.0.5:8443", "shop/hook"));
  EXPECT_EQ(find("hook.shop.svc:443"), at_pod("edge-a", "10.1.0.5:8443", "shop/hook"));
  EXPECT_EQ(find("hook.shop.svc.cluster.local:443"), at_pod("edge-a", "10.1.0.5:8443", "shop/hook"));
  EXPECT_EQ(find("hook.other.svc:443"), Found(Direct{}));
}

TEST_F(DirectoryTest, EndpointsAtEdgesThatAreAwayAreTheLastChoice) {
  service({.key = "shop/hook", .ips = {"10.96.0.20"}});
  slice({.key = "shop/hook-x", .service = "hook", .endpoints = {{"10.1.0.5", "edge-a"}, {"10.2.0.5", "edge-b"}}});
  standings["edge-a"] = Standing::away;
  for (std::uint64_t turn = 0; turn < 4; turn++) EXPECT_EQ(find("10.96.0.20:443", turn), at_pod("edge-b", "10.2.0.5:8443", "shop/hook"));
  standings["edge-b"] = Standing::away;
  EXPECT_EQ(find("10.96.0.20:443", 0), at_pod("edge-a", "10.1.0.5:8443", "shop/hook"));
}

TEST_F(DirectoryTest, ServiceWithEndpointsInTheCloudIsDialledThere) {
  service({.key = "shop/hook", .ips = {"10.96.0.20"}});
  slice({.key = "shop/hook-x", .service = "hook", .endpoints = {{"10.0.5.1", "cloud-1"}, {"10.0.5.2"}}});
  EXPECT_EQ(find("10.96.0.20:443"), Found(Direct{}));
  slice({.key = "shop/hook-y", .service = "hook", .endpoints = {{"10.1.0.5", "edge-a"}}});
  EXPECT_EQ(find("10.96.0.20:443", 0), Found(Direct{at("10.0.5.1:8443")})) << "the Service's own address could lead to the edge";
  EXPECT_EQ(find("10.96.0.20:443", 1), Found(Direct{at("10.0.5.2:8443")}));
}

TEST_F(DirectoryTest, EndpointsThatAreNotReadyAreNotAsked) {
  service({.key = "shop/hook", .ips = {"10.96.0.20"}});
  slice({.key = "shop/hook-x",
         .service = "hook",
         .endpoints = {{"10.1.0.5", "edge-a", false, false}, {"10.1.0.6", "edge-a", false, true}, {"10.1.0.7", "edge-a"}}});
  EXPECT_EQ(find("10.96.0.20:443", 1), at_pod("edge-a", "10.1.0.7:8443", "shop/hook"));
  slice(
      {.key = "shop/hook-x", .service = "hook", .endpoints = {{"10.1.0.5", "edge-a", false, false}, {"10.1.0.6", "edge-a", false, true}}});
  EXPECT_EQ(find("10.96.0.20:443"), at_pod("edge-a", "10.1.0.6:8443", "shop/hook")) << "it goes away and still serves";
  slice({.key = "shop/hook-x", .service = "hook", .endpoints = {{"10.1.0.5", "edge-a", false, false}}});
  const Found none = find("10.96.0.20:443");
  ASSERT_TRUE(std::holds_alternative<Nowhere>(none));
  EXPECT_EQ(std::get<Nowhere>(none).code, Code::unreachable);
  EXPECT_EQ(std::get<Nowhere>(none).message, "no endpoint of the Service shop/hook is ready");
}

TEST_F(DirectoryTest, PortThatAServiceDoesNotHaveIsRefused) {
  service({.key = "shop/hook", .ips = {"10.96.0.20"}});
  const Found none = find("10.96.0.20:53");
  ASSERT_TRUE(std::holds_alternative<Nowhere>(none)) << "53 is UDP's";
  EXPECT_EQ(std::get<Nowhere>(none).code, Code::refused);
}

TEST_F(DirectoryTest, AddressOfAServiceIsItsOwnWhateverAnEdgeSays) {
  service({.key = "default/kubernetes", .ips = {"10.96.0.1"}});
  slice({.key = "default/kubernetes", .service = "kubernetes", .endpoints = {{"10.0.0.2"}}});
  node({.name = "edge-a", .internal = {"10.96.0.1"}});
  pod({.key = "default/thief", .node = "edge-a", .ip = "10.96.0.1"});
  EXPECT_EQ(find("10.96.0.1:443"), Found(Direct{}));
}

TEST_F(DirectoryTest, EndpointIsFoundByItsAddressThoughNoPodHasIt) {
  slice({.key = "shop/camera-x", .service = "camera", .endpoints = {{"192.168.7.50", "edge-a"}}});
  EXPECT_EQ(find("192.168.7.50:554"), at_pod("edge-a", "192.168.7.50:554"));
  index.remove(Kind::slice, "shop/camera-x");
  EXPECT_EQ(find("192.168.7.50:554"), Found(Direct{}));
}

TEST_F(DirectoryTest, EndpointThatDoesNotSayItsNodeIsThatOfItsPod) {
  service({.key = "shop/hook", .ips = {"10.96.0.20"}});
  slice({.key = "shop/hook-x", .service = "hook", .endpoints = {{"10.1.0.5"}}});
  EXPECT_EQ(find("10.96.0.20:443"), Found(Direct{}));
  pod({.key = "shop/hook-0", .node = "edge-a", .ip = "10.1.0.5"});
  EXPECT_EQ(find("10.96.0.20:443"), at_pod("edge-a", "10.1.0.5:8443", "shop/hook"));
}

TEST_F(DirectoryTest, ClusterAddressThatChangesHandsIsTheLastOnes) {
  service({.key = "shop/old", .ips = {"10.96.0.20"}});
  slice({.key = "shop/old-x", .service = "old", .endpoints = {{"10.1.0.5", "edge-a"}}});
  find("10.96.0.20:443");
  service({.key = "shop/new", .ips = {"10.96.0.20"}});
  slice({.key = "shop/new-x", .service = "new", .endpoints = {{"10.2.0.5", "edge-b"}}});
  index.remove(Kind::service, "shop/old");
  EXPECT_EQ(find("10.96.0.20:443"), at_pod("edge-b", "10.2.0.5:8443", "shop/new"));
  index.remove(Kind::service, "shop/new");
  EXPECT_EQ(find("10.96.0.20:443"), Found(Direct{}));
}

TEST_F(DirectoryTest, NodeThatIsNamedAsItsAddressIsFoundByBoth) {
  standings["192.168.1.10"] = Standing::connected;
  EXPECT_EQ(find("192.168.1.10:10250"), kubelet("192.168.1.10")) << "without a Node";
  node({.name = "192.168.1.10", .internal = {"192.168.1.10"}});
  EXPECT_EQ(find("192.168.1.10:10250"), kubelet("192.168.1.10"));
}

TEST_F(DirectoryTest, OneThatWasTakenBeforeDoesNotChange) {
  pod({.key = "default/web", .node = "edge-a", .ip = "10.1.0.5"});
  find("10.1.0.5:80");
  const std::shared_ptr<const Directory> before = directory;
  pod({.key = "default/web", .node = "edge-b", .ip = "10.1.0.6"});
  EXPECT_EQ(find("10.1.0.6:80"), at_pod("edge-b", "10.1.0.6:80"));
  const auto ask = [](const NodeName& n) { return n.value().starts_with("edge") ? Standing::connected : Standing::stranger; };
  EXPECT_EQ(before->find({"10.1.0.5", 80}, ask), at_pod("edge-a", "10.1.0.5:80"));
  EXPECT_EQ(before->find({"10.1.0.6", 80}, ask), Found(Direct{}));
}

TEST_F(DirectoryTest, WhatALaterListDoesNotHaveIsGone) {
  index.begin_list(Kind::pod);
  pod({.key = "default/web", .node = "edge-a", .ip = "10.1.0.5"});
  pod({.key = "default/db", .node = "edge-a", .ip = "10.1.0.6"});
  index.end_list(Kind::pod);
  index.begin_list(Kind::pod);
  pod({.key = "default/db", .node = "edge-a", .ip = "10.1.0.6"});
  EXPECT_EQ(find("10.1.0.5:80"), at_pod("edge-a", "10.1.0.5:80")) << "the list is not at its end";
  index.end_list(Kind::pod);
  EXPECT_EQ(find("10.1.0.5:80"), Found(Direct{}));
  EXPECT_EQ(find("10.1.0.6:80"), at_pod("edge-a", "10.1.0.6:80"));
  EXPECT_EQ(index.size(Kind::pod), 1U);
}

TEST_F(DirectoryTest, WhatDoesNotMatterMakesNoNewOne) {
  node({.name = "edge-a", .internal = {"192.168.1.10"}});
  pod({.key = "default/web", .node = "edge-a", .ip = "10.1.0.5"});
  find("10.1.0.5:80");
  EXPECT_FALSE(index.changed());
  node({.name = "edge-a", .internal = {"192.168.1.10"}, .version = "77"});
  pod({.key = "default/web", .node = "edge-a", .ip = "10.1.0.5", .version = "78"});
  pod({.key = "default/pending", .node = "", .ip = ""});
  EXPECT_FALSE(index.changed());
  pod({.key = "default/web", .node = "edge-a", .ip = "10.1.0.9"});
  EXPECT_TRUE(index.changed());
}

TEST_F(DirectoryTest, NodesTellTheirPortAndAddresses) {
  node({.name = "edge-a", .internal = {"192.168.1.10"}, .port = 20001, .ready = false});
  find("edge-a:10250");
  const Directory::Node* found = directory->node(name("edge-a"));
  ASSERT_NE(found, nullptr);
  EXPECT_EQ(found->kubelet_port, 20001);
  EXPECT_FALSE(found->ready);
  EXPECT_EQ(found->addresses, std::vector{net::IpAddress::parse("192.168.1.10").value()});
  EXPECT_EQ(directory->node(name("edge-b")), nullptr);
  EXPECT_EQ(directory->sizes().nodes, 1U);
}

// All objects of a random cluster, put and removed in any order, must come to what the same objects make that are put once.
TEST(Index, AnyOrderOfChangesComesToTheSame) {
  Random random(7);
  const auto always = [](const NodeName&) { return Standing::connected; };
  for (int run = 0; run < 20; run++) {
    Index changing;
    std::map<std::pair<Kind, std::string>, std::string> there;
    for (int step = 0; step < 400; step++) {
      const auto which = random.below(4);
      const auto id = random.below(6);
      const auto ip = [&](int net) { return fmt::format("10.{}.0.{}", net, random.below(5)); };
      const auto some_node = [&] { return fmt::format("n{}", random.below(3)); };
      Kind kind = Kind::pod;
      std::string key = fmt::format("d/o{}", id), text;
      if (which == 0) {
        kind = Kind::node;
        key = fmt::format("n{}", id % 3);
        text = NodeText{.name = key, .internal = {ip(0)}}.text();
      } else if (which == 1) {
        text = PodText{.key = key, .node = some_node(), .ip = ip(1), .host_network = random.chance(0.2)}.text();
      } else if (which == 2) {
        kind = Kind::service;
        text = ServiceText{.key = key, .ips = {fmt::format("10.96.0.{}", id)}}.text();
      } else {
        kind = Kind::slice;
        text =
            SliceText{.key = key, .service = fmt::format("o{}", random.below(6)), .endpoints = {{ip(1), some_node()}, {ip(2), some_node()}}}
                .text();
      }
      if (random.chance(0.4)) {
        changing.remove(kind, key);
        there.erase({kind, key});
      } else {
        ASSERT_TRUE(changing.put(kind, object(text)));
        there[{kind, key}] = text;
      }
      if (random.chance(0.1)) std::ignore = changing.directory();
    }
    Index once;
    for (const auto& [key, text] : there) ASSERT_TRUE(once.put(key.first, object(text)));
    const auto a = changing.directory(), b = once.directory();
    for (int net : {0, 1, 2})
      for (int last = 0; last < 5; last++) {
        const net::HostPort target{fmt::format("10.{}.0.{}", net, last), 8443};
        EXPECT_EQ(a->find(target, always), b->find(target, always)) << target.to_text();
      }
    for (int last = 0; last < 6; last++)
      for (std::uint64_t turn = 0; turn < 3; turn++) {
        const net::HostPort target{fmt::format("10.96.0.{}", last), 443};
        EXPECT_EQ(a->find(target, always, turn), b->find(target, always, turn)) << target.to_text();
      }
  }
}

}  // namespace
}  // namespace fairlead::kube
