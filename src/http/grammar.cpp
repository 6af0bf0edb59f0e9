#include "http/grammar.h"

#include <algorithm>

#include "http/message.h"

namespace fairlead::http {

bool is_hop_by_hop(std::string_view name) {
  static constexpr std::string_view kNames[] = {
      "connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade", "host", "expect", "content-length"};
  return std::ranges::any_of(kNames, [&](std::string_view n) { return equal_name(n, name); });
}

std::optional<std::string_view> ListItems::next() {
  for (;;) {
    bool quoted = false;
    std::size_t i = 0;
    for (; i < rest_.size(); i++) {
      if (quoted && rest_[i] == '\\') {
        i++;
      } else if (rest_[i] == '"') {
        quoted = !quoted;
      } else if (rest_[i] == ',' && !quoted) {
        break;
      }
    }
    i = std::min(i, rest_.size());
    std::string_view item = rest_.substr(0, i);
    const bool last = i == rest_.size();
    rest_.remove_prefix(last ? i : i + 1);
    while (!item.empty() && (item.front() == ' ' || item.front() == '\t')) item.remove_prefix(1);
    while (!item.empty() && (item.back() == ' ' || item.back() == '\t')) item.remove_suffix(1);
    if (!item.empty()) return item;
    if (last) return std::nullopt;
  }
}

}  // namespace fairlead::http
