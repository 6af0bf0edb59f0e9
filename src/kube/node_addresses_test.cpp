#include "kube/node_addresses.h"

#include "kube/api_world.h"
#include "kube/cluster.h"

namespace fairlead::kube {
namespace {

using ::testing::HasSubstr;

NodeName name(std::string_view text) { return NodeName::parse(text).value(); }

class NodeAddressesTest : public ApiWorld {
 protected:
  void begin() {
    cluster = std::make_unique<Cluster>(client_host, load(), nullptr, [this](std::shared_ptr<const Directory> made) {
      directory = made;
      nodes->look(std::move(made));
    });
    nodes = std::make_unique<NodeAddresses>(cluster->client());
    nodes->want({{name("edge-a"), {ip("10.0.0.5"), 20000}}, {name("edge-b"), {ip("10.0.0.5"), 20001}}});
    loop.run_for(2s);
  }
  boost::json::object now(const std::string& node) { return object(first.text(Kind::node, node)); }
  std::string addresses(const std::string& node) { return boost::json::serialize(now(node)["status"].as_object()["addresses"]); }
  std::string taints(const std::string& node) { return boost::json::serialize(now(node)["spec"].as_object()["taints"]); }
  std::size_t patches() {
    std::size_t n = 0;
    for (const auto& one : first.asked) n += one.method == "PATCH";
    return n;
  }
  std::string problem(std::string_view node) {
    const auto all = nodes->problems();
    const auto found = all.find(name(node));
    return found == all.end() ? "" : found->second;
  }

  std::shared_ptr<const Directory> directory;
  std::unique_ptr<Cluster> cluster;
  std::unique_ptr<NodeAddresses> nodes;
};

// As a kubelet with cloud-provider=external registers its node.
struct Uninitialized : NodeText {
  std::string text() const {
    std::string made = NodeText::text();
    const std::string from = R"("taints":[)";
    return made.replace(made.find(from), from.size(),
                        from + fmt::format(R"({{"key":"{}","value":"true","effect":"NoSchedule"}},)", kCloudTaint));
  }
};

TEST_F(NodeAddressesTest, NewNodeGetsItsAddressAndThenLosesItsTaint) {
  first.put(Kind::node, "edge-a", Uninitialized{NodeText{.name = "edge-a", .port = 20000}});
  begin();
  EXPECT_EQ(addresses("edge-a"), R"([{"type":"InternalIP","address":"10.0.0.5"},{"type":"Hostname","address":"edge-a"}])");
  EXPECT_EQ(taints("edge-a"), R"([{"key":"a","effect":"NoSchedule"}])") << "others stay";
  EXPECT_EQ(directory->node(name("edge-a"))->addresses.front(), ip("10.0.0.5"));
  EXPECT_EQ(patches(), 2U);
  for (const auto& one : first.asked)
    if (one.method == "PATCH") {
      EXPECT_EQ(one.content, "application/merge-patch+json");
      EXPECT_THAT(one.body, HasSubstr("resourceVersion"));
    }
  loop.run_for(1h);
  EXPECT_EQ(patches(), 2U) << "nothing is left to do";
}

TEST_F(NodeAddressesTest, AddressesOfOtherTypesStay) {
  first.put(Kind::node, "edge-a", NodeText{.name = "edge-a", .internal = {"192.168.1.10", "2001:db8::10"}, .port = 20000});
  begin();
  EXPECT_EQ(addresses("edge-a"), R"([{"type":"InternalIP","address":"10.0.0.5"},{"type":"Hostname","address":"edge-a"}])");
  EXPECT_EQ(problem("edge-a"), "");
}

TEST_F(NodeAddressesTest, NodeIsLeftAloneUntilItsKubeletHasThePort) {
  first.put(Kind::node, "edge-a", NodeText{.name = "edge-a"});
  begin();
  EXPECT_EQ(patches(), 0U);
  EXPECT_EQ(problem("edge-a"),
            "its kubelet listens at port 10250: set `port: 20000` in its configuration, where Fairlead listens for it at 10.0.0.5:20000");
  first.put(Kind::node, "edge-a", NodeText{.name = "edge-a", .port = 20000});
  loop.run_for(1s);
  EXPECT_EQ(patches(), 1U);
  EXPECT_EQ(problem("edge-a"), "");
}

TEST_F(NodeAddressesTest, NodesThatAreNotWantedAreNotTouched) {
  first.put(Kind::node, "cloud-1", Uninitialized{NodeText{.name = "cloud-1", .internal = {"10.0.0.7"}}});
  begin();
  EXPECT_EQ(patches(), 0U);
}

TEST_F(NodeAddressesTest, SeveralNodesHaveOneAddressAndTheirOwnPorts) {
  first.put(Kind::node, "edge-a", Uninitialized{NodeText{.name = "edge-a", .port = 20000}});
  first.put(Kind::node, "edge-b", Uninitialized{NodeText{.name = "edge-b", .port = 20001}});
  begin();
  EXPECT_EQ(addresses("edge-a"), R"([{"type":"InternalIP","address":"10.0.0.5"},{"type":"Hostname","address":"edge-a"}])");
  EXPECT_EQ(addresses("edge-b"), R"([{"type":"InternalIP","address":"10.0.0.5"},{"type":"Hostname","address":"edge-b"}])");
}

TEST_F(NodeAddressesTest, ChangeOfSomebodyElseInBetweenIsNotLost) {
  first.put(Kind::node, "edge-a", Uninitialized{NodeText{.name = "edge-a", .port = 20000}});
  bool once = false;
  first.interfere = [&](const FakeApiServer::Asked& one) -> std::optional<FakeApiServer::Raw> {
    if (one.method == "PATCH" && !std::exchange(once, true))
      first.put(Kind::node, "edge-a", Uninitialized{NodeText{.name = "edge-a", .port = 20000, .labels = R"("new":"label")"}});
    return std::nullopt;
  };
  begin();
  loop.run_for(10s);
  EXPECT_THAT(addresses("edge-a"), HasSubstr("10.0.0.5"));
  EXPECT_THAT(boost::json::serialize(now("edge-a")["metadata"]), HasSubstr(R"("new":"label")"));
  EXPECT_EQ(problem("edge-a"), "");
}

TEST_F(NodeAddressesTest, KubeletThatSetsItsAddressBackIsToldOfAndAskedEverMoreRarely) {
  first.put(Kind::node, "edge-a", NodeText{.name = "edge-a", .internal = {"192.168.1.10"}, .port = 20000});
  begin();
  for (int i = 0; i < 360; i++) {
    first.put(Kind::node, "edge-a", NodeText{.name = "edge-a", .internal = {"192.168.1.10"}, .port = 20000});
    loop.run_for(10s);
  }
  EXPECT_LE(patches(), 16U);
  EXPECT_EQ(problem("edge-a"), "its kubelet sets its address back: run it with --cloud-provider=external, or with --node-ip=10.0.0.5");
}

TEST_F(NodeAddressesTest, RuleThatIsMissingIsSaid) {
  first.put(Kind::node, "edge-a", NodeText{.name = "edge-a", .port = 20000});
  first.interfere = [&](const FakeApiServer::Asked& one) -> std::optional<FakeApiServer::Raw> {
    if (one.method != "PATCH") return std::nullopt;
    return FakeApiServer::Raw{.bytes = "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n"};
  };
  begin();
  EXPECT_THAT(problem("edge-a"), HasSubstr("{apiGroups: [\"\"], resources: [nodes/status], verbs: [patch]}"));
  first.interfere = nullptr;
  loop.run_for(1min);
  EXPECT_THAT(addresses("edge-a"), HasSubstr("10.0.0.5"));
  EXPECT_EQ(problem("edge-a"), "");
}

}  // namespace
}  // namespace fairlead::kube
