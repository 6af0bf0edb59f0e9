// Bytes to rules: a file of manifests, for the cloud and for an edge. What is in force refers only to what is there, and each
// connection gets an answer.
#include <cstdint>

#include "route/manifests.h"
#include "route/picker.h"

namespace {

using namespace fairlead;

class OneNode : public route::NodeDirectory {
 public:
  std::uint64_t version() const override { return 1; }
  bool is_connected(const NodeName& node) const override { return node == name_; }
  void for_each(FunctionRef<void(const NodeName&, const route::Labels&)> visit) const override { visit(name_, {{"site", "x"}}); }

 private:
  NodeName name_ = NodeName::parse("a").value();
};

void check(const route::Manifests& manifests, const route::Site& site) {
  const OneNode nodes;
  const auto snapshot = route::Snapshot::build(manifests, site);
  route::Picker picker(snapshot, nodes);
  Random random(1);
  for (const route::TcpListener& l : snapshot->tcp_listeners()) {
    if (l.bind.port == 0) __builtin_trap();
    for (const route::WeightedBackend& share : l.backends) {
      if (!share.backend) continue;
      const route::Backend& backend = snapshot->backend(*share.backend);
      if (share.targets.empty()) __builtin_trap();
      for (std::uint32_t t : share.targets)
        if (t >= backend.targets.size()) __builtin_trap();
    }
    if (Result<route::Choice> c = picker.pick(l, random); c && c->node.has_value() == (site.role == route::Site::Role::edge))
      __builtin_trap();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  route::Problems problems("f");
  const route::Manifests manifests =
      decode_manifests(as_text(from_u8(data + 1, size - 1)), data[0] % 2 == 0 ? route::Format::yaml : route::Format::json, problems);
  if (problems.has_errors() || has_errors(find_duplicates(manifests))) return 0;
  check(manifests, route::Site::cloud());
  check(manifests, route::Site::edge(NodeName::parse("a").value(), {{"site", "x"}}));
  check(manifests, route::Site::any_of(route::Site::Role::edge));
  return 0;
}
