// suggestion.h: which of the known words was meant.
#pragma once
#include <span>
#include <string>
#include <string_view>

namespace fairlead::route {

// `; did you mean "port"?` for the candidate nearest to `word`, counting letters added, left out, changed or swapped and not the
// case; nothing when none is near. The first of two equally near ones.
std::string did_you_mean(std::string_view word, std::span<const std::string_view> candidates);

}  // namespace fairlead::route
