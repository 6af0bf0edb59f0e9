// problem.h: what is wrong with a file, where, and at which field, as one sentence for the person who wrote it.
//
// All problems of a file are collected, so that it is corrected in one go; their number is bounded, because a file that is wrong
// everywhere would otherwise make a report larger than itself.
#pragma once
#include <fmt/core.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace fairlead::route {

// A place in a file, counted from 1, the column in bytes. 0 where it is not known.
struct Position {
  std::uint32_t line = 0;
  std::uint32_t column = 0;
  friend auto operator<=>(const Position&, const Position&) = default;
};

enum class Severity : std::uint8_t {
  error,    // the file is refused
  warning,  // the file is taken, and does less than its author may think
};

struct Problem {
  Severity severity = Severity::error;
  std::string file;
  Position at;
  std::string path;  // "spec.listeners[0].port"; empty for the document itself
  std::string message;

  std::string to_text() const;  // "routes/front.yaml:12:5: spec.listeners[0].port: 70000 is not a port (1-65535)"
};

// The problems of one file.
class Problems {
 public:
  static constexpr std::size_t kMaxPerFile = 50;
  static constexpr std::size_t kMaxLine = 500;  // of a path and of a message: both may carry text of the file

  explicit Problems(std::string file) : file_(std::move(file)) {}

  const std::string& file() const { return file_; }
  void add(Severity severity, Position at, std::string_view path, std::string_view message);
  bool has_errors() const { return has_errors_; }

  // In the order of the file. The last one says how many were left out, if any were.
  std::vector<Problem> take();

 private:
  std::string file_;
  std::vector<Problem> list_;
  std::size_t left_out_ = 0;
  bool has_errors_ = false;
};

bool has_errors(const std::vector<Problem>& problems);

// One line each.
std::string to_text(const std::vector<Problem>& problems);
// {"valid": false, "problems": [{"severity": "error", "file": ..., "line": 12, "column": 5, "field": ..., "message": ...}]}
std::string to_json(const std::vector<Problem>& problems);

// All of them as one Error (invalid), a line each, for callers that only pass it on.
Error to_error(const std::vector<Problem>& problems);

// `text` in quotes for a report: control characters escaped, cut after kMaxShown bytes.
inline constexpr std::size_t kMaxShown = 60;
std::string shown(std::string_view text);

}  // namespace fairlead::route
