// Bytes to rules: a file of manifests, for the cloud and for an edge. What is in force refers only to what is there, and each
// connection and request gets an answer.
#include <cstdint>
#include <cstdlib>

#include "route/http_rules.h"
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

void check(const route::Snapshot& snapshot, const route::WeightedBackend& share) {
  if (!share.backend) return;
  const route::Backend& backend = snapshot.backend(*share.backend);
  if (share.targets.empty()) __builtin_trap();
  for (std::uint32_t t : share.targets)
    if (t >= backend.targets.size()) __builtin_trap();
}

void check(const route::Snapshot& snapshot, const route::HttpPort& port) {
  if (port.bind.port == 0 || port.hosts.empty()) __builtin_trap();
  http::Fields fields;
  fields.add("version", "one");
  for (const route::HttpHost& host : port.hosts) {
    if (port.tls != host.tls.has_value()) __builtin_trap();
    std::string name = host.hostname.value_or("example.com");
    if (name.starts_with("*.")) name = "a" + name.substr(1);
    if (port.find(name) == nullptr) __builtin_trap();
    for (std::string_view path : {"/", "/a", "/shop/cart"}) {
      const route::HttpMatch m = port.match({.host = name, .path = path, .query = "a=b", .method = "GET", .fields = fields});
      if (m.prefix > path.size()) __builtin_trap();
      if (m.rule == nullptr) continue;
      for (const route::HttpShare& share : m.rule->backends) check(snapshot, share);
      for (const route::HttpFilter& f : m.rule->filters)
        if (const auto* mirror = std::get_if<route::MirrorFilter>(&f)) check(snapshot, mirror->to);
    }
  }
}

void check(const route::Manifests& manifests, const route::Site& site) {
  const OneNode nodes;
  const auto snapshot = route::Snapshot::build(manifests, site);
  route::Picker picker(snapshot, nodes);
  Random random(1);
  for (const route::UdpListener& l : snapshot->udp_listeners())
    if (l.policy.associations == 0 || l.policy.per_source == 0) std::abort();
  for (const route::TcpListener& l : snapshot->tcp_listeners()) {
    if (l.bind.port == 0) __builtin_trap();
    for (const route::WeightedBackend& share : l.backends) check(*snapshot, share);
    if (Result<route::Choice> c = picker.pick(l, random); c && c->node.has_value() == (site.role == route::Site::Role::edge))
      __builtin_trap();
  }
  for (const route::HttpPort& port : snapshot->http_ports()) check(*snapshot, port);
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
