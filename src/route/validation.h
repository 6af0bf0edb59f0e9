// validation.h: `fairlead validate -f`: everything that is wrong with some manifests, and what they ask for in vain.
#pragma once
#include <iosfwd>
#include <span>
#include <string>
#include <vector>

#include "route/problem.h"

namespace fairlead::route {

struct Report {
  std::vector<Problem> problems;  // errors, or else warnings: references to what is not there, conflicts, what is not supported yet
  std::size_t files = 0;
  std::size_t objects = 0;

  bool is_valid() const { return !has_errors(problems); }
  std::string to_text() const;  // a line for each problem, and one that sums up
  std::string to_json() const;  // {"valid": true, "files": 1, "objects": 3, "problems": [...]}
};

// Files, directories (as Directory reads them), and "-" for `standard_input`. References are looked up among all of them together,
// for the cloud and for any edge.
Report validate(std::span<const std::string> paths, std::istream& standard_input);

}  // namespace fairlead::route
