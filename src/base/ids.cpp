#include "base/ids.h"

#include <algorithm>

namespace fairlead {

Result<NodeName> NodeName::parse(std::string_view text) {
  if (text.empty()) return fail(Code::invalid, "a node name must not be empty");
  if (text.size() > kMaxSize) return fail(Code::invalid, "node name of {} characters: at most {} are allowed", text.size(), kMaxSize);
  auto alnum = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); };
  char before = '.';
  for (char c : text) {
    if (!alnum(c) && c != '-' && c != '.') return fail(Code::invalid, "node name \"{}\": only a-z, 0-9, '-' and '.' are allowed", text);
    if (!alnum(c) && !alnum(before) && !(c == '-' && before == '-'))
      return fail(Code::invalid, "node name \"{}\": each part must begin and end with a letter or digit", text);
    before = c;
  }
  if (!alnum(before)) return fail(Code::invalid, "node name \"{}\": must end with a letter or digit", text);
  return NodeName(std::string(text));
}

}  // namespace fairlead
