#include "quic/scheduler.h"

namespace fairlead::quic {

Scheduler::Entry* Scheduler::next(bool bulk) {
  if (!classes_[0].entries.empty()) return &classes_[0].entries.front();
  const std::size_t end = bulk ? net::kPriorities : static_cast<std::size_t>(net::Priority::bulk);
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

void Scheduler::sent(Entry& entry, std::size_t bytes) {
  Class& c = class_of(entry);
  c.deficit -= static_cast<std::int64_t>(bytes);
  entry.allowance_ -= static_cast<std::int64_t>(bytes);
  if (entry.allowance_ > 0) return;
  entry.allowance_ = kTurn;
  if (entry.linked()) c.entries.push_back(entry);
}

}  // namespace fairlead::quic
