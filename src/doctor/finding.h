// finding.h: what an examination says: one Finding for each thing that was looked at, and the Report that they are in.
//
// Values, without behaviour. The JSON of a Report is a contract: keys are added, never changed; docs/DOCTOR.md has every check and every
// measured value by its name.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/error.h"
#include "base/time.h"

namespace fairlead::doctor {

// `unknown`: could not be looked at, and why is in the summary.
enum class Status : std::uint8_t { ok, warning, problem, unknown };
std::string_view name(Status status);

using Value = std::variant<bool, std::int64_t, double, std::string, std::vector<std::string>>;

struct Finding {
  std::string check;  // "path-mtu": one of kChecks in checks.h, or "session" of the cloud's side
  Status status = Status::unknown;
  std::string summary;                                  // what was found, with figures
  std::vector<std::pair<std::string, Value>> measured;  // by name with unit: "rtt_ms"
  std::string meaning;                                  // what follows from it
  std::string advice;                                   // what to do; empty when there is nothing

  Finding& add(std::string key, Value value) {
    measured.emplace_back(std::move(key), std::move(value));
    return *this;
  }
};

struct Report {
  std::string role;  // where it was made: "edge", "cloud"
  std::string node, cloud, software;
  WallTime at{};
  Duration took{};
  std::vector<Finding> findings;

  // Of the findings the worst: problem, warning, ok; unknown if nothing is known.
  Status status() const;
};

// One object, with a newline at its end.
std::string report_json(const Report& report);
Result<Report> report_from_json(std::string_view text);
// For people: a line for each check, and under it what to do, where something is to be done.
std::string report_text(const Report& report);

// To the microsecond, as JSON has it.
double milliseconds(Duration d);

}  // namespace fairlead::doctor
