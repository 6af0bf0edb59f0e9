#include "plugins/http/health_checker.h"

#include <map>
#include <utility>
#include <vector>

#include "base/log.h"
#include "plugins/http/endpoint_check.h"

namespace fairlead::http_plugin {
namespace {

struct Key {
  std::string backend;
  route::EndpointName endpoint;
  friend auto operator<=>(const Key&, const Key&) = default;
};

// A Backend of the snapshot.
struct Checked {
  const route::Backend* backend;
  std::vector<CheckPlan> plans;  // by target
};

Result<Checked> make_checked(const route::Backend& backend) {
  Checked made{&backend, {}};
  for (const route::Target& target : backend.targets) {
    TRY_ASSIGN(CheckPlan plan, make_check_plan(backend, target));
    made.plans.push_back(std::move(plan));
  }
  return made;
}

}  // namespace

struct HealthChecker::Impl {
  Impl(Loop& loop, link::Peers& peers, const route::NodeDirectory& n, std::shared_ptr<route::BackendStates> s)
      : shared{.loop = loop, .peers = peers, .counters = {}, .turn = WaitQueue(loop)}, nodes(n), states(std::move(s)), looking(loop) {}

  Task<void> look() {
    for (;;) {
      co_await shared.loop.sleep(kLookForNodesToCheck);
      if (nodes.version() != version) update();
    }
  }

  // Nodes that a Backend with a check is at; none: the cloud.
  std::vector<std::optional<NodeName>> nodes_of(const route::Backend& backend) const {
    const auto* choice = std::get_if<route::NodeChoice>(&backend.location);
    if (choice == nullptr) return {std::nullopt};
    std::vector<std::optional<NodeName>> picked;
    if (const auto* name = std::get_if<NodeName>(&choice->by)) {
      if (nodes.is_connected(*name)) picked.emplace_back(*name);
    } else {
      nodes.for_each([&](const NodeName& node, const route::Labels& labels) {
        if (choice->picks(node, labels)) picked.emplace_back(node);
      });
    }
    return picked;
  }

  // Begins and ends checks, so that they are those of the rules and of the nodes that are there.
  void update() {
    version = nodes.version();
    std::map<Key, std::unique_ptr<EndpointCheck>> before = std::exchange(checks, {});
    for (const auto& [backend, plans] : checked) {
      const std::string key = backend->meta.key.to_text();
      const std::vector<std::optional<NodeName>> at = nodes_of(*backend);
      std::vector<route::EndpointName> names;
      for (const route::Target& target : backend->targets)
        for (const std::optional<NodeName>& node : at) names.push_back({node, target.to_text()});
      const auto endpoints = states->backend(*backend)->endpoints(names, !backend->node_from);
      for (std::size_t i = 0; i < names.size(); i++) {
        const CheckPlan& plan = plans[i / at.size()];
        Key of{key, names[i]};
        auto known = before.extract(of);
        if (known.empty())
          checks.try_emplace(std::move(of), std::make_unique<EndpointCheck>(shared, key, endpoints[i], plan));
        else {
          if (!(known.mapped()->plan() == plan)) known.mapped()->set_plan(plan);
          checks.insert(std::move(known));
        }
      }
    }
  }

  Checking shared;
  const route::NodeDirectory& nodes;
  std::shared_ptr<route::BackendStates> states;
  std::shared_ptr<const route::Snapshot> snapshot;
  std::vector<Checked> checked;
  std::uint64_t version = 0;
  std::map<Key, std::unique_ptr<EndpointCheck>> checks;
  Scope looking;
};

HealthChecker::HealthChecker(Loop& loop, link::Peers& peers, const route::NodeDirectory& nodes,
                             std::shared_ptr<route::BackendStates> states)
    : impl_(std::make_unique<Impl>(loop, peers, nodes, std::move(states))) {}

HealthChecker::~HealthChecker() = default;

void HealthChecker::apply(std::shared_ptr<const route::Snapshot> snapshot) {
  Impl& in = *impl_;
  in.snapshot = std::move(snapshot);
  in.states->retain(in.snapshot);
  in.checked.clear();
  for (std::uint32_t i = 0; i < in.snapshot->backends(); i++) {
    const route::Backend& backend = in.snapshot->backend(route::BackendId(i));
    if (!backend.health.active) continue;
    auto checked = make_checked(backend);
    if (checked)
      in.checked.push_back(*std::move(checked));
    else
      log::warn("http", "Backend {} cannot be checked: {}", backend.meta.key.to_text(), checked.error());
  }
  in.update();
  if (in.checked.empty())
    in.looking.cancel_now();
  else if (in.looking.size() == 0)
    in.looking.spawn(in.look());
}

std::size_t HealthChecker::endpoints() const { return impl_->checks.size(); }
const HealthCounters& HealthChecker::counters() const { return impl_->shared.counters; }

}  // namespace fairlead::http_plugin
