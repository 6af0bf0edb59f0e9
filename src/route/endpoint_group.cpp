#include "route/endpoint_group.h"

#include <algorithm>
#include <cmath>
#include <unordered_map>

namespace fairlead::route {
namespace {

// The mixer of MurmurHash3 (public domain, by Appleby).
std::uint64_t mix(std::uint64_t x) {
  x = (x ^ (x >> 33)) * 0xff51afd7ed558ccd;
  x = (x ^ (x >> 33)) * 0xc4ceb9fe1a85ec53;
  return x ^ (x >> 33);
}

}  // namespace

void EndpointGroup::assign(std::vector<Member> members) {
  const auto is_even = [&](const Member& m) { return m.weight == members.front().weight && m.weight > 0; };
  even_ = std::ranges::all_of(members, is_even);
  if (!even_) {
    std::unordered_map<const EndpointState*, std::int64_t> credits;
    for (const Member& m : members_) credits.emplace(m.state.get(), m.credit);
    for (Member& m : members)
      if (auto known = credits.find(m.state.get()); known != credits.end()) m.credit = known->second;
  }
  members_ = std::move(members);
}

bool EndpointGroup::has_usable(FunctionRef<bool(const Member&)> is_usable) const {
  const std::size_t n = members_.size();
  for (std::size_t i = 0, at = next_; i < n; i++, at++) {
    if (at >= n) at = 0;
    if (members_[at].weight > 0 && is_usable(members_[at])) return true;
  }
  return false;
}

const EndpointGroup::Member* EndpointGroup::pick(const Choice& choice) {
  if (members_.empty()) return nullptr;
  switch (choice.policy) {
    case Balancing::Policy::round_robin: break;
    case Balancing::Policy::least_request: return by_load(choice);
    case Balancing::Policy::hash:
      if (choice.hash) return by_hash(choice);
      break;
  }
  return even_ ? in_turn(choice) : by_credit(choice);
}

const EndpointGroup::Member* EndpointGroup::in_turn(const Choice& choice) {
  const std::size_t n = members_.size();
  for (std::size_t i = 0, at = next_; i < n; i++, at++) {
    if (at >= n) at = 0;
    if (!choice.is_usable(members_[at])) continue;
    next_ = at + 1 < n ? at + 1 : 0;
    return &members_[at];
  }
  return nullptr;
}

// Smooth weighted round robin (as nginx has it): each gains its weight, who has most is taken and pays for all.
const EndpointGroup::Member* EndpointGroup::by_credit(const Choice& choice) {
  Member* best = nullptr;
  std::int64_t total = 0;
  for (Member& m : members_) {
    if (m.weight == 0 || !choice.is_usable(m)) continue;
    m.credit += m.weight;
    total += m.weight;
    if (best == nullptr || m.credit > best->credit) best = &m;
  }
  if (best != nullptr) best->credit -= total;
  return best;
}

// One of the usable ones, each as likely as the others; not `but`.
const EndpointGroup::Member* EndpointGroup::any(const Choice& choice, const Member* but) const {
  const auto fits = [&](const Member& m) { return &m != but && m.weight > 0 && choice.is_usable(m); };
  // All are, as a rule.
  constexpr int kTries = 3;
  for (int i = 0; i < kTries; i++)
    if (const Member& m = members_[choice.random.below(members_.size())]; fits(m)) return &m;
  const auto count = static_cast<std::uint64_t>(std::ranges::count_if(members_, fits));
  if (count == 0) return nullptr;
  std::uint64_t skip = choice.random.below(count);
  for (const Member& m : members_)
    if (fits(m) && skip-- == 0) return &m;
  return nullptr;  // one became unusable meanwhile
}

// The better of two. A node of weight 3 is as good with three requests as one of weight 1 with one.
const EndpointGroup::Member* EndpointGroup::by_load(const Choice& choice) {
  const Member* one = any(choice, nullptr);
  if (one == nullptr || members_.size() == 1) return one;
  const Member* other = any(choice, one);
  if (other == nullptr) return one;
  const auto cost = [](const Member& m) { return m.state->outstanding.load(std::memory_order_relaxed) + std::uint64_t{1}; };
  return cost(*other) * one->weight < cost(*one) * other->weight ? other : one;
}

// Rendezvous hashing: who has the highest number for this request. When one goes, only its requests move; when one comes, only those
// that it gets.
const EndpointGroup::Member* EndpointGroup::by_hash(const Choice& choice) const {
  const std::uint64_t hash = *choice.hash;
  const Member* best = nullptr;
  if (even_) {
    std::uint64_t highest = 0;
    for (const Member& m : members_) {
      const std::uint64_t number = mix(hash ^ m.token);
      if (best != nullptr && number <= highest) continue;
      best = &m;
      highest = number;
    }
    if (choice.is_usable(*best)) return best;
    best = nullptr;
    for (const Member& m : members_) {
      const std::uint64_t number = mix(hash ^ m.token);
      if ((best != nullptr && number <= highest) || !choice.is_usable(m)) continue;
      best = &m;
      highest = number;
    }
    return best;
  }
  double highest = 0;
  for (const Member& m : members_) {
    if (m.weight == 0 || !choice.is_usable(m)) continue;
    const double unit = (static_cast<double>(mix(hash ^ m.token) >> 11) + 0.5) * 0x1.0p-53;  // (0, 1)
    const double number = m.weight / -std::log(unit);
    if (best != nullptr && number <= highest) continue;
    best = &m;
    highest = number;
  }
  return best;
}

}  // namespace fairlead::route
