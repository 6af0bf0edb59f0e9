#include "kube/wanted.h"

#include <algorithm>

namespace fairlead::kube {

Wanted Wanted::paths(std::initializer_list<std::string_view> paths) {
  Wanted wanted;
  for (const std::string_view path : paths) wanted.add(path);
  return wanted;
}

void Wanted::add(std::string_view path) {
  const std::size_t slash = path.find('/');
  const std::string_view key = path.substr(0, slash);
  auto at = std::ranges::find(fields_, key, &Wanted::key_);
  if (at == fields_.end()) {
    fields_.emplace_back().key_ = key;
    at = std::prev(fields_.end());
  }
  if (slash != path.npos) at->add(path.substr(slash + 1));
}

void Wanted::add(std::string_view key, Wanted what) {
  what.key_ = key;
  fields_.push_back(std::move(what));
}

const Wanted* Wanted::below(std::string_view key) const {
  if (all()) return this;
  const auto at = std::ranges::find(fields_, key, &Wanted::key_);
  return at == fields_.end() ? nullptr : &*at;
}

}  // namespace fairlead::kube
