#include "quic/scheduler.h"

#include <algorithm>

namespace fairlead::quic {
namespace {

constexpr std::size_t kFirstBulk = static_cast<std::size_t>(net::Priority::bulk);

}  // namespace

Scheduler::Entry* Scheduler::next(bool bulk) {
  by_floor_ = false;
  if (!classes_[0].entries.empty()) return &classes_[0].entries.front();
  const bool bulk_waits = std::any_of(classes_.begin() + kFirstBulk, classes_.end(), [](const Class& c) { return !c.entries.empty(); });
  if (!bulk_waits) owed_ = 0;
  by_floor_ = !bulk && owed_ >= kQuantum;
  if (by_floor_) return next_of_floor();
  const std::size_t end = bulk ? net::kPriorities : kFirstBulk;
  bool any = false;
  for (std::size_t i = 1; i < end; i++) any = any || !classes_[i].entries.empty();
  if (!any) return nullptr;
  // Ends: each round adds to the deficit of a class that has senders.
  for (;;) {
    Class& c = classes_[turn_];
    if (turn_ < end && !c.entries.empty() && c.deficit > 0) return &c.entries.front();
    if (c.entries.empty()) c.deficit = 0;  // who has nothing to send saves nothing up
    turn_ = turn_ + 1 < net::kPriorities ? turn_ + 1 : 1;
    Class& following = classes_[turn_];
    if (turn_ < end && !following.entries.empty()) following.deficit += kQuantum * net::kWeights[turn_];
  }
}

// By their weights, a packet each.
Scheduler::Entry* Scheduler::next_of_floor() {
  Class& first = classes_[kFirstBulk];
  Class& second = classes_[kFirstBulk + 1];
  constexpr std::uint32_t kShares = net::kWeights[kFirstBulk] + net::kWeights[kFirstBulk + 1];
  const bool turn_of_second = floor_turns_++ % kShares >= net::kWeights[kFirstBulk];
  Class& chosen = first.entries.empty() || (turn_of_second && !second.entries.empty()) ? second : first;
  return &chosen.entries.front();
}

void Scheduler::sent(Entry& entry, std::size_t bytes) {
  Class& c = class_of(entry);
  if (!by_floor_) c.deficit -= static_cast<std::int64_t>(bytes);
  const bool is_bulk = static_cast<std::size_t>(entry.priority_) >= kFirstBulk;
  owed_ = is_bulk ? std::max<std::int64_t>(owed_ - static_cast<std::int64_t>(bytes), 0)
                  : std::min(owed_ + static_cast<std::int64_t>(bytes) / kFloorPart, kTurn);
  entry.allowance_ -= static_cast<std::int64_t>(bytes);
  if (entry.allowance_ > 0) return;
  entry.allowance_ = kTurn;
  if (entry.linked()) c.entries.push_back(entry);
}

}  // namespace fairlead::quic
