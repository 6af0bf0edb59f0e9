#include "route/picker.h"

#include <gtest/gtest.h>

#include <map>

#include "route/test_manifests.h"

namespace fairlead::route {
namespace {

using namespace testing;

class Connected : public NodeDirectory {
 public:
  void connect(std::string_view name, Labels labels = {}) {
    nodes_[NodeName::parse(name).value()] = std::move(labels);
    version_++;
  }
  void leave(std::string_view name) {
    nodes_.erase(NodeName::parse(name).value());
    version_++;
  }
  std::uint64_t version() const override { return version_; }
  bool is_connected(const NodeName& node) const override { return nodes_.contains(node); }
  void for_each(FunctionRef<void(const NodeName&, const Labels&)> visit) const override {
    asked++;
    for (const auto& [name, labels] : nodes_) visit(name, labels);
  }
  mutable int asked = 0;

 private:
  std::map<NodeName, Labels> nodes_;
  std::uint64_t version_ = 0;
};

// "node address:port", or the error's name.
std::string show(const Result<Choice>& c) {
  if (!c) return std::string(name(c.error().code()));
  return fmt::format("{} {}", c->node ? c->node->value() : "cloud", c->target->to_text());
}

std::string rules(std::string_view backend_refs) {
  return gateway("name: g", "{name: tcp, port: 80, protocol: TCP}") + tcp_route("name: r", "{name: g}", backend_refs);
}

TEST(Picker, TakesNodesInTurnAndThenTheNextTarget) {
  Connected nodes;
  for (const char* n : {"b", "a", "c"}) nodes.connect(n, {{"site", "x"}});
  nodes.connect("d", {{"site", "y"}});
  Picker picker(built(rules(backend_ref("name: b")) +
                      backend("name: b", "nodeSelector: {site: x}", "{address: 127.0.0.1, port: 1}, {address: 127.0.0.1, port: 2}")),
                nodes);
  Random random(1);
  const TcpListener& listener = picker.snapshot().tcp_listeners().at(0);
  std::string seen;
  for (int i = 0; i < 7; i++) seen += show(picker.pick(listener, random)) + "; ";
  EXPECT_EQ(seen, "a 127.0.0.1:1; b 127.0.0.1:1; c 127.0.0.1:1; a 127.0.0.1:2; b 127.0.0.1:2; c 127.0.0.1:2; a 127.0.0.1:1; ");
  EXPECT_EQ(nodes.asked, 1);
}

TEST(Picker, FollowsNodesThatComeAndGo) {
  Connected nodes;
  Picker picker(built(rules(backend_ref("name: b")) + backend("name: b", "nodeSelector: {site: x}")), nodes);
  Random random(1);
  const TcpListener& listener = picker.snapshot().tcp_listeners().at(0);
  EXPECT_EQ(show(picker.pick(listener, random)), "unreachable");
  nodes.connect("a", {{"site", "x"}});
  EXPECT_EQ(show(picker.pick(listener, random)), "a 127.0.0.1:8080");
  nodes.connect("a", {{"site", "y"}});
  EXPECT_EQ(show(picker.pick(listener, random)), "unreachable");
  nodes.connect("a", {{"site", "x"}});
  nodes.leave("a");
  EXPECT_EQ(show(picker.pick(listener, random)), "unreachable");
}

TEST(Picker, ANamedNodeIsTakenWhenItIsConnected) {
  Connected nodes;
  Picker picker(built(rules(backend_ref("name: b")) + backend("name: b", "nodeName: a")), nodes);
  Random random(1);
  const TcpListener& listener = picker.snapshot().tcp_listeners().at(0);
  EXPECT_EQ(show(picker.pick(listener, random)), "unreachable");
  nodes.connect("b");
  EXPECT_EQ(show(picker.pick(listener, random)), "unreachable");
  nodes.connect("a");
  EXPECT_EQ(show(picker.pick(listener, random)), "a 127.0.0.1:8080");
  EXPECT_EQ(picker.pick(listener, random)->backend->meta.key.to_text(), "default/b");
}

std::map<std::string, int> shares(Picker& picker, int picks) {
  Random random(7);
  std::map<std::string, int> seen;
  for (int i = 0; i < picks; i++) seen[show(picker.pick(picker.snapshot().tcp_listeners().at(0), random))]++;
  return seen;
}

TEST(Picker, WeightsDivideTheConnections) {
  Connected nodes;
  nodes.connect("a");
  nodes.connect("b");
  const std::string yaml =
      rules(backend_ref("name: a, weight: 9") + "," + backend_ref("name: b") + "," + backend_ref("name: c, weight: 0")) +
      backend("name: a", "nodeName: a") + backend("name: b", "nodeName: b") + backend("name: c", "nodeName: a", "{address: c, port: 1}");
  Picker picker(built(yaml), nodes);
  auto seen = shares(picker, 10'000);
  EXPECT_NEAR(seen["a 127.0.0.1:8080"], 9000, 200);
  EXPECT_EQ(seen["a 127.0.0.1:8080"] + seen["b 127.0.0.1:8080"], 10'000);
}

TEST(Picker, ABackendWithoutItsNodesLeavesItsShareToTheOthers) {
  Connected nodes;
  nodes.connect("b");
  Picker picker(built(rules(backend_ref("name: a, weight: 9") + "," + backend_ref("name: b")) + backend("name: a", "nodeName: a") +
                      backend("name: b", "nodeName: b")),
                nodes);
  EXPECT_EQ(shares(picker, 100), (std::map<std::string, int>{{"b 127.0.0.1:8080", 100}}));
}

TEST(Picker, AReferenceThatIsNoGoodKeepsItsShareAndIsRefused) {
  Connected nodes;
  nodes.connect("a");
  Picker picker(built(rules(backend_ref("name: a") + "," + backend_ref("name: gone")) + backend("name: a", "nodeName: a")), nodes);
  auto seen = shares(picker, 1000);
  EXPECT_NEAR(seen["not_found"], 500, 60);
  EXPECT_EQ(seen["not_found"] + seen["a 127.0.0.1:8080"], 1000);
}

TEST(Picker, AllWeightsZeroIsARefusal) {
  Connected nodes;
  nodes.connect("a");
  Picker picker(built(rules(backend_ref("name: a, weight: 0")) + backend("name: a", "nodeName: a")), nodes);
  EXPECT_EQ(shares(picker, 1), (std::map<std::string, int>{{"not_found", 1}}));
}

TEST(Picker, APortOfTheReferenceNarrowsTheTargets) {
  Connected nodes;
  nodes.connect("a");
  Picker picker(built(rules(backend_ref("name: a, port: 2")) +
                      backend("name: a", "nodeName: a", "{address: x, port: 1}, {address: y, port: 2}, {address: z, port: 2}")),
                nodes);
  EXPECT_EQ(shares(picker, 10), (std::map<std::string, int>{{"a y:2", 5}, {"a z:2", 5}}));
}

TEST(Picker, FromAnEdgeTheCloudIsReachedWithoutNodes) {
  Connected nodes;
  Picker picker(built(edge_gateway("name: g", "{name: tcp, port: 80, protocol: TCP}") +
                          tcp_route("name: r", "{name: g}", backend_ref("name: c")) + backend("name: c", "cloud: {}"),
                      Site::edge(NodeName::parse("e").value(), {})),
                nodes);
  EXPECT_EQ(shares(picker, 2), (std::map<std::string, int>{{"cloud 127.0.0.1:8080", 2}}));
}

}  // namespace
}  // namespace fairlead::route
