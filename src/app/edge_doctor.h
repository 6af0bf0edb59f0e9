// edge_doctor.h: `fairlead doctor` on an edge's folder. The edge itself may be running or not: nothing of it is touched.
#pragma once
#include <filesystem>
#include <functional>
#include <optional>
#include <set>
#include <string>

#include "doctor/examination.h"

namespace fairlead::app {

struct EdgeDoctor {
  std::filesystem::path dir;
  std::optional<net::HostPort> cloud;  // instead of the configuration's
  bool thorough = false;
  std::set<std::string> only;  // checks; empty: all
  std::function<void(std::string_view)> progress;
};

// Blocks until all is measured. Errors are those of a folder or a configuration that cannot be run with.
Result<doctor::Report> examine_edge(const EdgeDoctor& order);

}  // namespace fairlead::app
