#include "http/grammar.h"

#include <algorithm>
#include <bit>
#include <cstdint>
#include <cstring>

#include "http/message.h"

namespace fairlead::http {
namespace {

static_assert(std::endian::native == std::endian::little, "the first byte is the lowest");

// Eight characters at a time. A bit is set for each that is meant; above the lowest one set there may be wrong ones.
constexpr std::uint64_t kEach = 0x0101010101010101;
constexpr std::uint64_t kTop = 0x80 * kEach;
constexpr std::uint64_t below(std::uint64_t w, unsigned char bound) { return (w - bound * kEach) & ~w & kTop; }
constexpr std::uint64_t equal(std::uint64_t w, unsigned char c) { return below(w ^ (c * kEach), 1); }

template <class Stop>
const char* skip_until(const char* p, const char* end, Stop stop) {
  while (end - p >= 8) {
    std::uint64_t w;
    std::memcpy(&w, p, sizeof w);
    if (const std::uint64_t hit = stop(w)) return p + std::countr_zero(hit) / 8;
    p += 8;
  }
  if (p == end) return p;
  // What is missing is filled up with what does not stop.
  std::uint64_t w = 'x' * kEach;
  std::memcpy(&w, p, static_cast<std::size_t>(end - p));
  const std::uint64_t hit = stop(w);
  return hit == 0 ? end : p + std::countr_zero(hit) / 8;
}

}  // namespace

const char* skip_text(const char* p, const char* end) {
  return skip_until(p, end, [](std::uint64_t w) { return below(w, 0x20) | equal(w, 0x7f); });
}
const char* skip_visible(const char* p, const char* end) {
  return skip_until(p, end, [](std::uint64_t w) { return below(w, 0x21) | equal(w, 0x7f) | (w & kTop); });
}

bool is_value(std::string_view text) {
  const char* p = text.data();
  const char* const end = p + text.size();
  while ((p = skip_text(p, end)) != end)
    if (*p++ != '\t') return false;
  return true;
}

bool is_hop_by_hop(std::string_view name) {
  // By size, since this is asked of each field.
  switch (name.size()) {
    case 2: return equal_name(name, "te");
    case 4: return equal_name(name, "host");
    case 6: return equal_name(name, "expect");
    case 7: return equal_name(name, "upgrade") || equal_name(name, "trailer");
    case 10: return equal_name(name, "connection") || equal_name(name, "keep-alive");
    case 14: return equal_name(name, "content-length") || equal_name(name, "http2-settings");
    case 16: return equal_name(name, "proxy-connection");
    case 17: return equal_name(name, "transfer-encoding");
    default: return false;
  }
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
    while (!item.empty() && is_blank(item.front())) item.remove_prefix(1);
    while (!item.empty() && is_blank(item.back())) item.remove_suffix(1);
    if (!item.empty()) return item;
    if (last) return std::nullopt;
  }
}

}  // namespace fairlead::http
