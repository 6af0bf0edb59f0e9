// tunnels.h: the tunnels of one loop that are open, so that a component that ends need not wait for those that never end.
//
// Watches and the API server's idle connections to kubelets stay open for as long as they may. While draining, a tunnel in which nothing
// has moved for kQuiet is ended: its client connects anew, to whoever serves next. What is at work goes on until the drain's own limit.
#pragma once
#include <cstdint>

#include "base/list.h"
#include "link/flow.h"
#include "runtime/scope.h"

namespace fairlead::kube_plugin {

class Tunnels {
 public:
  static constexpr Duration kQuiet = 500ms;

  explicit Tunnels(Loop& loop) : task_(loop) {}

  // Is in the list while it lives; the flow outlives it.
  class Open : public ListHook {
   public:
    Open(Tunnels& tunnels, link::Flow& flow) : flow_(flow) { tunnels.open_.push_back(*this); }

   private:
    friend class Tunnels;
    std::uint64_t bytes() const { return flow_.bytes_in() + flow_.bytes_out(); }
    link::Flow& flow_;
    std::uint64_t seen_ = UINT64_MAX;  // bytes, half a second ago; not looked at yet
  };

  // From now on. Calling it again changes nothing.
  void end_the_quiet();

 private:
  Task<void> watch();

  List<Open> open_;
  bool ending_ = false;
  Scope task_;
};

}  // namespace fairlead::kube_plugin
