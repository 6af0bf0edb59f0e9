// Bytes to Nodes: YAML, or JSON when the first byte is odd. What comes out keeps to the limits, whatever went in.
#include <algorithm>
#include <cstdint>

#include "route/document.h"

namespace {

using namespace fairlead;

void check(const route::Node& node, std::size_t depth) {
  if (depth > route::kMaxDepth) __builtin_trap();
  const bool mapping = node.kind == route::Node::Kind::mapping;
  const bool sequence = node.kind == route::Node::Kind::sequence;
  if ((!mapping && !node.members.empty()) || (!sequence && !node.items.empty())) __builtin_trap();
  for (const route::Node& item : node.items) check(item, depth + 1);
  for (const route::Member& member : node.members) check(member.value, depth + 1);
}

// Only of a tree without errors: no two keys are equal, and no text has a NUL in it.
void check_clean(const route::Node& node) {
  if (node.text.find('\0') != node.text.npos) __builtin_trap();
  for (const route::Node& item : node.items) check_clean(item);
  for (const route::Member& member : node.members) {
    if (std::count_if(node.members.begin(), node.members.end(), [&](const route::Member& m) { return m.name == member.name; }) != 1)
      __builtin_trap();
    check_clean(member.value);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const route::Format format = data[0] % 2 == 0 ? route::Format::yaml : route::Format::json;
  route::Problems problems("f");
  const std::vector<route::Node> documents = parse_document(as_text(from_u8(data + 1, size - 1)), format, problems);
  for (const route::Node& d : documents) {
    check(d, 0);
    if (!problems.has_errors() && size < 4096) check_clean(d);
  }
  const std::vector<route::Problem> list = problems.take();
  if (list.size() > route::Problems::kMaxPerFile + 1) __builtin_trap();
  for (const route::Problem& p : list)
    if (std::any_of(p.message.begin(), p.message.end(), [](char c) { return c >= 0 && c < 0x20; })) __builtin_trap();
  static_cast<void>(route::to_json(list));
  return 0;
}
