// endpoint_group.h: endpoints of which one is to be found for a request, by the Backend's balancing. It keeps the turn.
//
// Belongs to one Balancer; the states of its members are shared with other loops. pick() does not allocate.
#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "base/function_ref.h"
#include "base/random.h"
#include "route/backend_states.h"

namespace fairlead::route {

class EndpointGroup {
 public:
  struct Member {
    std::shared_ptr<EndpointState> state;
    std::uint32_t target = 0;  // index into Backend::targets
    std::uint32_t weight = 1;  // of its node; 0: only by its token
    std::uint64_t token = 0;   // the state's
    std::int64_t credit = 0;   // of a smooth weighted turn
  };

  // How one is chosen. `is_usable` leaves out those that are not well, or were tried.
  struct Choice {
    Balancing::Policy policy;
    std::optional<std::uint64_t> hash;  // of the request; none: in turn
    Random& random;
    FunctionRef<bool(const Member&)> is_usable;
  };

  // Takes the turn over from what was there before.
  void assign(std::vector<Member> members);
  const std::vector<Member>& members() const { return members_; }

  // Whether pick() would find one.
  bool has_usable(FunctionRef<bool(const Member&)> is_usable) const;
  const Member* pick(const Choice& choice);

 private:
  const Member* in_turn(const Choice& choice);
  const Member* by_credit(const Choice& choice);
  const Member* by_load(const Choice& choice);
  const Member* by_hash(const Choice& choice) const;
  const Member* any(const Choice& choice, const Member* but) const;

  std::vector<Member> members_;
  bool even_ = true;  // all weights are the same, and not 0
  std::size_t next_ = 0;
};

}  // namespace fairlead::route
