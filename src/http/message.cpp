#include "http/message.h"

#include <algorithm>

#include "http/grammar.h"

namespace fairlead::http {

bool equal_name(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  for (std::size_t i = 0; i < a.size(); i++)
    if (lower(a[i]) != lower(b[i])) return false;
  return true;
}

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
