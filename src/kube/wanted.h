// wanted.h: which fields of a JSON object are kept. A Pod has some 10 KB of text, of which the directory needs 200 bytes.
//
// Immutable once made.
#pragma once
#include <string>
#include <string_view>
#include <vector>

namespace fairlead::kube {

class Wanted {
 public:
  Wanted() = default;  // all of it
  // Paths of keys: "metadata/name". A path keeps all that is below it; lists are passed through, so that "spec/ports/port" is the field of
  // each port.
  static Wanted paths(std::initializer_list<std::string_view> paths);

  void add(std::string_view path);
  // `what` is wanted below `key`.
  void add(std::string_view key, Wanted what);
  bool all() const { return fields_.empty(); }
  // Null: not wanted.
  const Wanted* below(std::string_view key) const;

 private:
  std::string key_;
  std::vector<Wanted> fields_;
};

}  // namespace fairlead::kube
