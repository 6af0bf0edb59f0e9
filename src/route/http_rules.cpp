#include "route/http_rules.h"

#include <algorithm>

#include "route/http_matcher.h"

namespace fairlead::route {
namespace {

// Of the order of HttpPort::hosts: exact names before "*." names before none, longer ones first.
struct HostRank {
  int kind;
  std::size_t size;
  std::string_view text;  // of a "*." name: from the dot on
  friend bool operator<(const HostRank& a, const HostRank& b) {
    if (a.kind != b.kind) return a.kind < b.kind;
    return a.size != b.size ? a.size > b.size : a.text < b.text;
  }
};

HostRank exact(std::string_view name) { return {0, name.size(), name}; }
HostRank wildcard(std::string_view from_dot) { return {1, from_dot.size(), from_dot}; }
HostRank rank_of(const HttpHost& host) {
  if (!host.hostname) return {2, 0, ""};
  const std::string_view name = *host.hostname;
  return name.starts_with("*.") ? wildcard(name.substr(1)) : exact(name);
}

const HttpHost* look_up(const std::vector<HttpHost>& hosts, const HostRank& wanted) {
  auto found = std::ranges::lower_bound(hosts, wanted, std::less<>(), rank_of);
  return found != hosts.end() && !(wanted < rank_of(*found)) ? &*found : nullptr;
}

}  // namespace

bool is_more_specific(const HttpHost& a, const HttpHost& b) { return rank_of(a) < rank_of(b); }

const HttpHost* HttpPort::find(std::string_view host) const {
  if (const HttpHost* found = look_up(hosts, exact(host))) return found;
  for (std::size_t dot = host.find('.', 1); dot < host.size(); dot = host.find('.', dot + 1))
    if (const HttpHost* found = look_up(hosts, wildcard(host.substr(dot)))) return found;
  return hosts.empty() || hosts.back().hostname ? nullptr : &hosts.back();
}

HttpMatch HttpPort::match(const RequestToMatch& request) const {
  const HttpHost* host = find(request.host);
  HttpMatch found;
  if (host != nullptr && host->rules) found = host->rules->match(request);
  found.listener = host;
  return found;
}

}  // namespace fairlead::route
