// examination.h: all checks of an edge, one after the other, into a Report. Where one shows that the next ones cannot work, these are
// reported as unknown, with the reason.
#pragma once
#include <functional>
#include <set>
#include <string>

#include "doctor/checks.h"

namespace fairlead::doctor {

struct Order {
  net::HostPort cloud;
  NodeName node;
  std::shared_ptr<const pki::Credentials> credentials;
  Duration keep_alive = 4s;  // of the link's configuration
  Effort effort;
  std::set<std::string> only;  // checks; empty: all
  std::string software;
  // Called when something begins that takes a while.
  std::function<void(std::string_view)> progress = [](std::string_view) {};
};

// Whether there is a check of this name.
bool is_check(std::string_view name);

// `network` and its loop must outlive the task.
Task<Report> examine(net::Network& network, Order order);

}  // namespace fairlead::doctor
