#include "route/snapshot.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "route/resolver.h"

namespace fairlead::route {

const Condition* find(const std::vector<Condition>& conditions, std::string_view type) {
  auto found = std::find_if(conditions.begin(), conditions.end(), [&](const Condition& c) { return c.type == type; });
  return found == conditions.end() ? nullptr : &*found;
}

std::shared_ptr<const Snapshot> Snapshot::build(Manifests manifests, const Site& site) {
  return Resolver(std::move(manifests), site).resolve();
}

namespace {

template <class T>
void find_duplicates(const std::vector<T>& objects, std::string_view kind, std::vector<Problem>& into) {
  std::map<ObjectKey, const Source*> seen;
  for (const T& o : objects) {
    auto [first, is_new] = seen.emplace(o.meta.key, &o.meta.source);
    if (is_new) continue;
    const Source& here = o.meta.source;
    const Source& there = *first->second;
    into.push_back({Severity::error, *here.file, here.at, "",
                    fmt::format("{} {} is also in {}:{}", kind, o.meta.key.to_text(), *there.file, there.at.line)});
  }
}

}  // namespace

std::vector<Problem> find_duplicates(const Manifests& manifests) {
  std::vector<Problem> found;
  find_duplicates(manifests.gateways, "Gateway", found);
  find_duplicates(manifests.placements, "Placement", found);
  find_duplicates(manifests.tcp_routes, "TCPRoute", found);
  find_duplicates(manifests.udp_routes, "UDPRoute", found);
  find_duplicates(manifests.http_routes, "HTTPRoute", found);
  find_duplicates(manifests.backends, "Backend", found);
  find_duplicates(manifests.listener_policies, "ListenerPolicy", found);
  find_duplicates(manifests.request_policies, "RequestPolicy", found);
  find_duplicates(manifests.datagram_policies, "DatagramPolicy", found);
  find_duplicates(manifests.connection_policies, "ConnectionPolicy", found);
  return found;
}

}  // namespace fairlead::route
