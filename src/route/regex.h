// regex.h: a regular expression of a rule, in RE2's syntax: matching takes time in proportion to the text, whatever the expression is,
// so that no request can stall a loop. No look-around and no back-references.
#pragma once
#include <memory>
#include <string>
#include <string_view>

#include "base/error.h"

namespace fairlead::route {

class Regex {
 public:
  // What an expression may take once compiled; RE2 refuses more. A few hundred kinds of characters and repetitions fit.
  static constexpr std::size_t kMaxMemory = 1 << 20;

  static Result<std::shared_ptr<const Regex>> parse(std::string_view text);
  virtual ~Regex() = default;

  // Whether it matches the whole of `text`. Any thread.
  virtual bool matches(std::string_view text) const = 0;
};

}  // namespace fairlead::route
