// balancer_world.h: for tests: nodes that come and go, a rule made in few words, and picks shown as text.
#pragma once
#include <fmt/format.h>

#include <map>
#include <string>
#include <vector>

#include "route/backend_states.h"
#include "route/balancer.h"
#include "route/test_manifests.h"

namespace fairlead::route::testing {

class ConnectedNodes : public NodeDirectory {
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

// "node target", or the error's name.
inline std::string show(const Endpoint& e) { return fmt::format("{} {}", e.node ? e.node->value() : "cloud", e.target->to_text()); }
inline std::string show(const Result<Pick>& p) { return p ? show(p->endpoint) : std::string(name(p.error().code())); }

// What a loop has, over `states` that others may share.
struct BalancerWorld {
  static constexpr std::string_view kTarget = "{address: 127.0.0.1, port: 1}";

  explicit BalancerWorld(std::string_view yaml, std::shared_ptr<BackendStates> shared = std::make_shared<BackendStates>())
      : states(std::move(shared)), snapshot(built(yaml, Site::any_of(Site::Role::cloud))), balancer(snapshot, nodes, states) {}

  BackendId id(std::string_view name) const {
    for (std::uint32_t i = 0; i < snapshot->backends(); i++)
      if (snapshot->backend(BackendId(i)).meta.key.name == name) return BackendId(i);
    throw std::runtime_error(fmt::format("no Backend {}", name));
  }
  const Backend& backend(std::string_view name) const { return snapshot->backend(id(name)); }
  // All targets of a Backend; "": a reference that is no good.
  void share(std::string_view name, std::uint32_t weight = 1) {
    HttpShare& made = rule.backends.emplace_back();
    made.weight = weight;
    if (name.empty()) return;
    made.backend = id(name);
    for (std::uint32_t i = 0; i < backend(name).targets.size(); i++) made.targets.push_back(i);
  }

  Result<Pick> pick() {
    const RequestToMatch request{host, path, "", "GET", fields};
    return balancer.pick({rule, request, client, persistence, tried}, now, random);
  }
  // Picks that are over at once.
  std::map<std::string, int> picks(int n) {
    std::map<std::string, int> seen;
    for (int i = 0; i < n; i++) seen[show(pick())]++;
    return seen;
  }
  std::string sequence(int n) {
    std::string seen;
    for (int i = 0; i < n; i++) seen += show(pick()) + "; ";
    return seen;
  }
  // `n` requests, one after the other, to wherever; those to `node` fail.
  void fail_at(std::string_view node, int n) {
    for (int failed = 0; failed < n;) {
      Result<Pick> p = pick();
      const bool hit = p && p->endpoint.node && p->endpoint.node->value() == node;
      if (p) p->lease.report(hit ? Outcome::failure : Outcome::success);
      failed += hit;
    }
  }

  ConnectedNodes nodes;
  std::shared_ptr<BackendStates> states;
  std::shared_ptr<const Snapshot> snapshot;
  Balancer balancer;
  HttpRule rule{.route = RouteId("default/r")};
  TimePoint now{1000s};
  Random random{1};
  std::string host = "h", path = "/";
  http::Fields fields;
  net::SocketAddress client{net::IpAddress::v4(0x0a000001), 1000};
  std::string persistence;
  std::vector<Endpoint> tried;
};

// `spec`: more keys of the spec, a line each, with two spaces before it.
inline std::string backend_with(std::string_view name, std::string_view location, std::string_view spec,
                                std::string_view targets = BalancerWorld::kTarget) {
  return backend(fmt::format("name: {}", name), location, targets) + std::string(spec);
}

}  // namespace fairlead::route::testing
