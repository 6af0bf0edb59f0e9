#include "runtime/loop.h"

namespace fairlead {

void Loop::run_ready(int batches) {
  for (int i = 0; i < batches && has_ready(); i++) {
    List<Ready> batch;
    batch.splice(ready_);
    for (int ran = 1; Ready* ready = batch.pop_front(); ran++) {
      ready->run_(*ready);
      if (ran % kRunBetweenEnds == 0) run_turn_end();
    }
    if (ready_.empty()) run_turn_end();
  }
}

void Loop::run_turn_end() {
  List<Ready> hooks;
  hooks.splice(turn_end_);
  while (Ready* hook = hooks.pop_front()) hook->run_(*hook);
}

void Loop::fire_timers(TimePoint now) {
  while (!timers_.empty() && timers_.front()->at_ <= now) {
    TimerNode* due = timers_.front();
    due->disarm();
    make_ready(due->ready_);
  }
}

void TimerNode::arm(TimePoint at) {
  auto& heap = loop_.timers_;
  if (armed()) {
    if (at == at_) return;
    const bool earlier = at < at_;
    at_ = at;
    order_ = loop_.armed_++;
    if (earlier)
      loop_.sift_up(index_);
    else
      loop_.sift_down(index_);
    return;
  }
  at_ = at;
  order_ = loop_.armed_++;
  index_ = heap.size();
  heap.push_back(this);
  loop_.sift_up(index_);
}

void TimerNode::disarm() {
  if (!armed()) return;
  auto& heap = loop_.timers_;
  const std::size_t hole = index_;
  TimerNode* last = heap.back();
  heap.pop_back();
  index_ = kUnarmed;
  if (last == this) return;
  loop_.place(hole, last);
  loop_.sift_up(hole);
  loop_.sift_down(last->index_);
}

void Loop::place(std::size_t i, TimerNode* node) {
  timers_[i] = node;
  node->index_ = i;
}

void Loop::sift_up(std::size_t i) {
  TimerNode* node = timers_[i];
  while (i > 0) {
    const std::size_t parent = (i - 1) / 2;
    if (!before(node, timers_[parent])) break;
    place(i, timers_[parent]);
    i = parent;
  }
  place(i, node);
}

void Loop::sift_down(std::size_t i) {
  TimerNode* node = timers_[i];
  for (;;) {
    std::size_t child = 2 * i + 1;
    if (child >= timers_.size()) break;
    if (child + 1 < timers_.size() && before(timers_[child + 1], timers_[child])) child++;
    if (!before(timers_[child], node)) break;
    place(i, timers_[child]);
    i = child;
  }
  place(i, node);
}

}  // namespace fairlead
