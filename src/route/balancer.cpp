#include "route/balancer.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "route/backend_endpoints.h"
#include "route/endpoint_token.h"
#include "route/keyed_hash.h"
#include "route/request_key.h"

namespace fairlead::route {
namespace {

// A fifth of the requests may be retries; so many even if that is less.
constexpr std::uint32_t kRetryShare = 5;
constexpr std::uint32_t kMinRetries = 3;

// How much is to be asked of an endpoint. The first of these that finds one is taken: better a try than a sure failure.
struct Demand {
  bool well, untried;
};
constexpr Demand kDemands[] = {{true, true}, {false, true}, {true, false}, {false, false}};

bool is_tried(std::span<const Endpoint> tried, const Backend& backend, const EndpointGroup::Member& m) {
  return std::ranges::any_of(tried, [&](const Endpoint& e) {
    return e.backend == &backend && e.target == &backend.targets[m.target] && e.node == m.state->name.node;
  });
}

}  // namespace

Lease::Lease(std::shared_ptr<EndpointState> state, std::shared_ptr<BackendLoad> retry_of, TimePoint picked)
    : state_(std::move(state)), retry_of_(std::move(retry_of)), picked_(picked) {}

Lease::Lease(Lease&& other) noexcept = default;

Lease& Lease::operator=(Lease&& other) noexcept {
  if (this == &other) return *this;
  end();
  state_ = std::move(other.state_);
  retry_of_ = std::move(other.retry_of_);
  picked_ = other.picked_;
  return *this;
}

Lease::~Lease() { end(); }

void Lease::end() {
  if (!state_) return;
  state_->outstanding.fetch_sub(1, std::memory_order_relaxed);
  state_->load->requests.fetch_sub(1, std::memory_order_relaxed);
  if (retry_of_) retry_of_->retries.fetch_sub(1, std::memory_order_relaxed);
  state_.reset();
  retry_of_.reset();
}

void Lease::report(Outcome outcome) {
  if (!state_) return;
  if (outcome == Outcome::failure) state_->count_failure(picked_);
  if (outcome == Outcome::success) state_->count_success();
  end();
}

struct Balancer::Impl {
  Impl(std::shared_ptr<const Snapshot> s, const NodeDirectory& nodes, std::shared_ptr<BackendStates> b)
      : snapshot(std::move(s)), states(std::move(b)), roster(nodes), backends(snapshot->backends()) {
    states->retain(snapshot);
  }

  using Groups = std::expected<std::span<EndpointGroup>, Code>;
  using Member = EndpointGroup::Member;

  BackendEndpoints& endpoints_of(BackendId id) {
    std::unique_ptr<BackendEndpoints>& made = backends[id.value()];
    if (!made) {
      const Backend& backend = snapshot->backend(id);
      made = std::make_unique<BackendEndpoints>(backend, states->backend(backend));
    }
    return *made;
  }

  BackendEndpoints* find(const Backend& backend) {
    const auto first = reinterpret_cast<std::uintptr_t>(&snapshot->backend(BackendId(0)));
    const std::uintptr_t at = reinterpret_cast<std::uintptr_t>(&backend) - first;
    if (snapshot->backends() == 0 || at >= snapshot->backends() * sizeof(Backend)) return nullptr;
    return &endpoints_of(BackendId(static_cast<std::uint32_t>(at / sizeof(Backend))));
  }

  // `what`: null for a mirror, which has no request to name a node.
  Groups groups_of(BackendEndpoints& endpoints, const WeightedBackend& share, const PickFor* what, TimePoint now) {
    const Backend& backend = endpoints.backend;
    if (endpoints.state->load().unsettled.load(std::memory_order_relaxed) && backend.health.passive)
      endpoints.state->settle(*backend.health.passive, now);
    if (!backend.node_from) return endpoints.of(share, roster);
    if (what == nullptr) return std::unexpected(Code::invalid);
    return endpoints.at(node_named_in(what->request, *backend.node_from), share, roster);
  }

  Result<Pick> take(const Member& member, const Backend& backend, const HttpShare* share, const PickFor* what, TimePoint now) {
    BackendLoad& load = *member.state->load;
    const std::uint32_t running = load.requests.fetch_add(1, std::memory_order_relaxed);
    if (backend.limits.requests != 0 && running >= backend.limits.requests) {
      load.requests.fetch_sub(1, std::memory_order_relaxed);
      return fail(Code::overloaded, "Backend {} has {} requests at once, as many as it may have", backend.meta.key.to_text(),
                  backend.limits.requests);
    }
    member.state->outstanding.fetch_add(1, std::memory_order_relaxed);
    std::shared_ptr<BackendLoad> retry_of;
    if (what != nullptr && !what->tried.empty()) {
      if (BackendEndpoints* failed = find(*what->tried.back().backend)) {
        retry_of = failed->state->shared_load();
        retry_of->retries.fetch_add(1, std::memory_order_relaxed);
      }
    }
    Pick pick{.endpoint = {member.state->name.node, &backend, &backend.targets[member.target]},
              .share = share,
              .lease = Lease(member.state, std::move(retry_of), now),
              .persistence = {}};
    if (what != nullptr && what->rule.persistence) pick.persistence = to_text(EndpointToken(member.token));
    return pick;
  }

  // The endpoint that the client's token stands for, if it is well.
  std::optional<Result<Pick>> persisted(const PickFor& what, TimePoint now) {
    const std::optional<EndpointToken> token = parse_endpoint_token(what.persistence);
    if (!token) return {};
    for (const HttpShare& share : what.rule.backends) {
      if (share.weight == 0 || !share.backend) continue;
      BackendEndpoints& endpoints = endpoints_of(*share.backend);
      const Groups groups = groups_of(endpoints, share, &what, now);
      if (!groups) continue;
      for (const EndpointGroup& group : *groups)
        for (const Member& m : group.members())
          if (m.token == token->value() && m.state->is_well(now) && !is_tried(what.tried, endpoints.backend, m))
            return take(m, endpoints.backend, &share, &what, now);
    }
    return {};
  }

  const Member* choose(std::span<EndpointGroup> groups, const Backend& backend, const PickFor* what, Random& random,
                       FunctionRef<bool(const Member&)> is_usable) {
    EndpointGroup::Choice choice{backend.balancing.policy, {}, random, is_usable};
    if (what != nullptr && choice.policy == Balancing::Policy::hash) choice.hash = hash_of(what->request, what->client, backend.balancing);
    for (EndpointGroup& group : groups)
      if (const Member* member = group.pick(choice)) return member;
    return nullptr;
  }

  Result<Pick> pick(const PickFor& what, TimePoint now, Random& random);
  Result<Pick> pick(const PickForClient& what, TimePoint now, Random& random);
  Error why_none(const PickFor& what, TimePoint now);

  std::shared_ptr<const Snapshot> snapshot;
  std::shared_ptr<BackendStates> states;
  Roster roster;
  std::vector<std::unique_ptr<BackendEndpoints>> backends;  // by BackendId; made when first used
};

Result<Pick> Balancer::Impl::pick(const PickFor& what, TimePoint now, Random& random) {
  roster.look();
  if (!what.persistence.empty() && what.rule.persistence)
    if (std::optional<Result<Pick>> same = persisted(what, now)) return *std::move(same);
  for (const Demand& demand : kDemands) {
    if (!demand.untried && what.tried.empty()) break;
    // One share is all there is in most rules: whether it has an endpoint is seen by picking one.
    const bool alone = what.rule.backends.size() == 1;
    std::uint64_t total = 0;
    bool found = false;
    const auto usable_in = [&](const Backend& backend) {
      return [&](const Member& m) {
        return (!demand.well || m.state->is_well(now)) && (!demand.untried || what.tried.empty() || !is_tried(what.tried, backend, m));
      };
    };
    const auto weight_of = [&](const HttpShare& share) -> std::uint64_t {
      if (share.weight == 0) return 0;
      // To be refused; a request that had an endpoint before is not drawn into that.
      if (!share.backend) return what.tried.empty() ? share.weight : 0;
      if (alone) return share.weight;
      BackendEndpoints& endpoints = endpoints_of(*share.backend);
      const Groups groups = groups_of(endpoints, share, &what, now);
      const auto usable = usable_in(endpoints.backend);
      return groups && std::ranges::any_of(*groups, [&](const EndpointGroup& g) { return g.has_usable(usable); }) ? share.weight : 0;
    };
    for (const HttpShare& share : what.rule.backends) {
      const std::uint64_t weight = weight_of(share);
      total += weight;
      found = found || (weight > 0 && share.backend);
    }
    if (!found) continue;
    std::uint64_t at = alone ? 0 : random.below(total);
    for (const HttpShare& share : what.rule.backends) {
      const std::uint64_t weight = weight_of(share);
      if (at >= weight) {
        at -= weight;
        continue;
      }
      if (!share.backend) return fail(Code::not_found, "a backend of HTTPRoute {} is not there", what.rule.route);
      BackendEndpoints& endpoints = endpoints_of(*share.backend);
      const Groups groups = groups_of(endpoints, share, &what, now);
      const auto usable = usable_in(endpoints.backend);
      const Member* member = groups ? choose(*groups, endpoints.backend, &what, random, usable) : nullptr;
      if (member != nullptr) return take(*member, endpoints.backend, &share, &what, now);
      break;  // the last one became unusable meanwhile
    }
  }
  return fail(why_none(what, now));
}

Error Balancer::Impl::why_none(const PickFor& what, TimePoint now) {
  bool asked = false, invalid = false;
  const auto route = fmt::format("HTTPRoute {}", what.rule.route);
  for (const HttpShare& share : what.rule.backends) {
    if (share.weight == 0) continue;
    if (!share.backend) return {Code::not_found, fmt::format("a backend of {} is not there", route)};
    asked = true;
    const Groups groups = groups_of(endpoints_of(*share.backend), share, &what, now);
    invalid = invalid || (!groups && groups.error() == Code::invalid);
  }
  if (!asked) return {Code::not_found, fmt::format("{} has no backend, or all of them have the weight 0", route)};
  if (invalid) return {Code::invalid, fmt::format("the request names no node that {} reaches", route)};
  return {Code::unreachable, fmt::format("no node of {} is connected", route)};
}

// Weighted rendezvous hashing, of shares as of endpoints (endpoint_group.cpp).
Result<Pick> Balancer::Impl::pick(const PickForClient& what, TimePoint now, Random& random) {
  roster.look();
  const auto hash_with = [&](std::uint64_t what_else) {
    return keyed_hash({what_else, 0}, {reinterpret_cast<const char*>(what.client.ip.data()), what.client.ip.size()});
  };
  bool asked = false;
  for (const bool well : {true, false}) {
    const WeightedBackend* best = nullptr;
    const Member* member = nullptr;
    double highest = 0;
    for (const WeightedBackend& share : what.backends) {
      if (share.weight == 0) continue;
      asked = true;
      const Member* found = nullptr;
      if (share.backend) {
        BackendEndpoints& endpoints = endpoints_of(*share.backend);
        const auto is_usable = [&](const Member& m) {
          return (!well || m.state->is_well(now)) && !is_tried(what.tried, endpoints.backend, m);
        };
        const Groups groups = groups_of(endpoints, share, nullptr, now);
        const EndpointGroup::Choice choice{Balancing::Policy::hash, hash_with(0), random, is_usable};
        for (std::size_t i = 0; groups && i < groups->size() && found == nullptr; i++) found = (*groups)[i].pick(choice);
        if (found == nullptr) continue;
      } else if (!what.tried.empty() || !well) {
        continue;  // to be refused; a client that had an endpoint before is not drawn into that
      }
      const auto index = static_cast<std::uint64_t>(&share - what.backends.data());
      const double unit = (static_cast<double>(hash_with(index + 1) >> 11) + 0.5) * 0x1.0p-53;  // (0, 1)
      const double number = share.weight / -std::log(unit);
      if (best != nullptr && number <= highest) continue;
      best = &share;
      member = found;
      highest = number;
    }
    if (best == nullptr) continue;
    if (member == nullptr) return fail(Code::not_found, "a backend of UDPRoute {} is not there", what.route);
    return take(*member, snapshot->backend(*best->backend), nullptr, nullptr, now);
  }
  if (!asked) return fail(Code::not_found, "all backends of UDPRoute {} have the weight 0", what.route);
  if (what.tried.empty()) return fail(Code::unreachable, "no node of UDPRoute {} is connected", what.route);
  return fail(Code::unreachable, "UDPRoute {} has no further endpoint", what.route);
}

Balancer::Balancer(std::shared_ptr<const Snapshot> snapshot, const NodeDirectory& nodes, std::shared_ptr<BackendStates> states)
    : impl_(std::make_unique<Impl>(std::move(snapshot), nodes, std::move(states))) {}

Balancer::~Balancer() = default;

Result<Pick> Balancer::pick(const PickFor& what, TimePoint now, Random& random) { return impl_->pick(what, now, random); }

Result<Pick> Balancer::pick(const PickForClient& what, TimePoint now, Random& random) { return impl_->pick(what, now, random); }

std::optional<Pick> Balancer::pick_mirror(const MirrorFilter& mirror, TimePoint now, Random& random) {
  if (!mirror.to.backend) return {};
  impl_->roster.look();
  BackendEndpoints& endpoints = impl_->endpoints_of(*mirror.to.backend);
  const Impl::Groups groups = impl_->groups_of(endpoints, mirror.to, nullptr, now);
  if (!groups) return {};
  const auto is_well = [now](const Impl::Member& m) { return m.state->is_well(now); };
  const Impl::Member* member = impl_->choose(*groups, endpoints.backend, nullptr, random, is_well);
  if (member == nullptr) return {};
  Result<Pick> pick = impl_->take(*member, endpoints.backend, nullptr, nullptr, now);
  if (!pick) return {};
  return *std::move(pick);
}

bool Balancer::may_retry(const Backend& backend) {
  BackendEndpoints* endpoints = impl_->find(backend);
  if (endpoints == nullptr) return false;
  const BackendLoad& load = endpoints->state->load();
  return load.retries.load(std::memory_order_relaxed) < std::max(kMinRetries, load.requests.load(std::memory_order_relaxed) / kRetryShare);
}

const Snapshot& Balancer::snapshot() const { return *impl_->snapshot; }

}  // namespace fairlead::route
