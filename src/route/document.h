// document.h: what a file says before it means anything: a tree of Nodes, each with its place in the file.
//
// Both YAML and JSON become Nodes, and everything above (decoder.h) knows Nodes only. What would make two readers of the same
// file disagree, or a small file a large tree, is refused here: duplicate keys, anchors and aliases, merge keys, tags other than
// the core ones, keys that are not text, bytes that are not UTF-8, NUL, control characters, and more than the limits below.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "route/problem.h"

namespace fairlead::route {

// 10,000 HTTPRoutes are 4 MiB and half a million nodes; a node is about 100 bytes. The deepest manifest has some 12 levels.
inline constexpr std::size_t kMaxFileBytes = 16_MiB;
inline constexpr std::size_t kMaxNodes = 1'000'000;
inline constexpr std::size_t kMaxDepth = 64;

struct Member;

struct Node {
  enum class Kind : std::uint8_t { null, boolean, number, string, sequence, mapping };

  Kind kind = Kind::null;
  bool quoted = false;  // a string that could not be mistaken for anything else: "80" and not 80, "no" and not no
  Position at;
  std::string text;             // a scalar as it was written; true and false in small letters
  std::vector<Node> items;      // of a sequence
  std::vector<Member> members;  // of a mapping, in the order of the file, no two of the same name
};

struct Member {
  std::string name;
  Position at;
  Node value;
};

enum class Format : std::uint8_t { yaml, json };
Format format_of(std::string_view file_name);  // by its ending: .json, else YAML

// The documents of `text`; those that are empty are left out. After an error: those that were complete before it.
// JSON is one document. The place of a JSON node is that of the key or text last seen, for its parser does not tell more.
std::vector<Node> parse_document(std::string_view text, Format format, Problems& problems);

}  // namespace fairlead::route
