// endpoint_check.h: the active check of one endpoint, again and again.
//
// Destroying it ends it; the endpoint then counts as well, for nobody would find out any more.
#pragma once
#include <string>

#include "link/peers.h"
#include "plugins/http/health_checker.h"
#include "route/backend_states.h"
#include "route/model.h"
#include "runtime/scope.h"
#include "runtime/wait_queue.h"

namespace fairlead::http_plugin {

// What all checks of a process share.
struct Checking {
  Loop& loop;
  link::Peers& peers;
  HealthCounters counters;
  std::size_t under_way = 0;
  WaitQueue turn;
};

// What is asked, and what the answer means. Checks with the same plan are the same.
struct CheckPlan {
  std::string head;  // of FlowOpen
  Duration interval, timeout;
  unsigned unhealthy_after, healthy_after;
  std::uint16_t status_first, status_last;
  friend bool operator==(const CheckPlan&, const CheckPlan&) = default;
};
Result<CheckPlan> make_check_plan(const route::Backend& backend, const route::Target& target);

class EndpointCheck {
 public:
  EndpointCheck(Checking& shared, std::string backend, std::shared_ptr<route::EndpointState> state, CheckPlan plan);
  ~EndpointCheck();

  const CheckPlan& plan() const { return plan_; }
  // What was found so far stays, the counting begins anew.
  void set_plan(CheckPlan plan);

 private:
  Task<void> run();
  Task<Result<unsigned>> ask();
  void judge(const Result<unsigned>& status);

  Checking& shared_;
  const std::string backend_;
  const std::shared_ptr<route::EndpointState> state_;
  CheckPlan plan_;
  unsigned good_ = 0, bad_ = 0;  // in a row
  Scope task_;
};

}  // namespace fairlead::http_plugin
