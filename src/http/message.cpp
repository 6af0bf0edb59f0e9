#include "http/message.h"

#include <algorithm>
#include <cstring>

#include "http/grammar.h"

namespace fairlead::http {

namespace detail {
namespace {

// Eight characters, capitals as small letters.
std::uint64_t lower_each(std::uint64_t w) {
  constexpr std::uint64_t kEach = 0x0101010101010101;
  const std::uint64_t low = w & 0x7f * kEach;
  const std::uint64_t from_a = low + (0x80 - 'A') * kEach;
  const std::uint64_t past_z = low + (0x7f - 'Z') * kEach;
  const std::uint64_t capitals = (from_a ^ past_z) & ~w & 0x80 * kEach;
  return w | capitals >> 2;
}
bool equal_eight(const char* a, const char* b) {
  std::uint64_t x, y;
  std::memcpy(&x, a, sizeof x);
  std::memcpy(&y, b, sizeof y);
  return lower_each(x) == lower_each(y);
}

}  // namespace

bool equal_but_for_case(std::string_view one, std::string_view other) {
  const char *const a = one.data(), *const b = other.data();
  const std::size_t size = one.size();
  std::size_t i = 0;
  for (; i + 8 <= size; i += 8)
    if (!equal_eight(a + i, b + i)) return false;
  if (size >= 8) return i == size || equal_eight(a + size - 8, b + size - 8);
  for (; i < size; i++)
    if (lower(a[i]) != lower(b[i])) return false;
  return true;
}

}  // namespace detail

const Field* Fields::find(std::string_view name) const {
  for (const Field& f : all_)
    if (equal_name(f.name, name)) return &f;
  return nullptr;
}

void Fields::set(std::string_view name, std::string_view value) {
  auto first = std::find_if(all_.begin(), all_.end(), [&](const Field& f) { return equal_name(f.name, name); });
  if (first == all_.end()) return add(name, value);
  *first = {name, value};
  all_.erase(std::remove_if(first + 1, all_.end(), [&](const Field& f) { return equal_name(f.name, name); }), all_.end());
}

std::size_t Fields::remove(std::string_view name) {
  return remove_if([&](const Field& f) { return equal_name(f.name, name); });
}

bool Fields::has_token(std::string_view name, std::string_view token) const {
  for (const Field& f : all_) {
    if (!equal_name(f.name, name)) continue;
    for (ListItems items(f.value); auto item = items.next();)
      if (equal_name(*item, token)) return true;
  }
  return false;
}

void strip_hop_by_hop(Fields& fields) {
  // What Connection names goes, too; the text stays valid, for it lies in the buffer and not in the list.
  std::vector<std::string_view> named;
  for (const Field& f : fields) {
    if (!equal_name(f.name, "connection")) continue;
    for (ListItems items(f.value); auto item = items.next();)
      if (!equal_name(*item, "close") && !is_hop_by_hop(*item)) named.push_back(*item);  // usually it names none, and this needs no memory
  }
  fields.remove_if([&](const Field& f) {
    return is_hop_by_hop(f.name) || std::ranges::any_of(named, [&](std::string_view n) { return equal_name(n, f.name); });
  });
}

}  // namespace fairlead::http
