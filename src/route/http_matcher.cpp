#include "route/http_matcher.h"

#include <algorithm>
#include <utility>

namespace fairlead::route {
namespace {

bool is_any_path(const RequestMatch& m) { return m.path == RequestMatch::Path::prefix && m.path_value == "/"; }

std::string_view without_slash(std::string_view prefix) {
  if (prefix.ends_with('/')) prefix.remove_suffix(1);
  return prefix;
}

}  // namespace

bool takes_host(std::string_view pattern, std::string_view host) {
  if (!pattern.starts_with("*.")) return pattern == host;
  pattern.remove_prefix(1);
  return host.size() > pattern.size() && host.ends_with(pattern);
}

HttpMatcher::HttpMatcher(std::vector<Attached> routes) {
  for (Attached& attached : routes) {
    for (const CompiledRoute::Match& match : attached.route->matches) {
      const auto number = static_cast<std::uint32_t>(candidates_.size());
      candidates_.push_back({attached.route.get(), &match});
      for (const std::string& hostname : attached.hostnames) add(hostname, number);
      if (attached.hostnames.empty()) add("", number);
    }
    routes_.push_back(std::move(attached.route));
  }
  for (Host& host : exact_) finish(host);
  for (Host& host : wildcards_) finish(host);
  finish(any_);
  for (std::uint32_t i = 0; i < wildcards_.size(); i++) {
    const std::string& name = wildcard_index_.key(i);
    wildcards_[i].wider = longest_wildcard(std::string_view(name).substr(1));
  }
}

void HttpMatcher::add(std::string_view hostname, std::uint32_t candidate) {
  auto numbered = [](std::vector<Host>& hosts, std::uint32_t n) -> Host& {
    if (n == hosts.size()) hosts.emplace_back();
    return hosts[n];
  };
  Host* host = &any_;
  if (hostname.starts_with("*."))
    host = &numbered(wildcards_, wildcard_index_.put(RollingHash::of_backwards(hostname.substr(1)), hostname.substr(1)));
  else if (!hostname.empty())
    host = &numbered(exact_, exact_index_.put(RollingHash::of(hostname), hostname));

  const RequestMatch& match = candidates_[candidate].match->request;
  if (is_any_path(match)) return host->any_path.add(candidate, match);
  if (match.path == RequestMatch::Path::regex) return host->regexes.push_back(candidate);
  if (match.path == RequestMatch::Path::exact) {
    const std::uint32_t n = host->exact_index.put(RollingHash::of(match.path_value), match.path_value);
    if (n == host->exact.size()) host->exact.emplace_back();
    host->longest_exact = std::max(host->longest_exact, match.path_value.size());
    return host->exact[n].add(candidate, match);
  }
  const std::string_view prefix = without_slash(match.path_value);
  const std::uint32_t n = host->prefix_index.put(RollingHash::of(prefix), prefix);
  if (n == host->prefixes.size()) host->prefixes.emplace_back();
  host->longest_prefix = std::max(host->longest_prefix, prefix.size());
  host->prefixes[n].matches.add(candidate, match);
}

void HttpMatcher::finish(Host& host) const {
  for (MatchList& list : host.exact) list.finish();
  for (Host::Prefix& prefix : host.prefixes) prefix.matches.finish();
  host.any_path.finish();
  std::ranges::sort(host.regexes, {}, [&](std::uint32_t n) { return std::pair(candidates_[n].match->request.precedence(), n); });
  for (std::uint32_t i = 0; i < host.prefixes.size(); i++) {
    std::string_view shorter = host.prefix_index.key(i);
    while (host.prefixes[i].shorter == HashIndex::kNone && shorter.size() > 1) {
      shorter = shorter.substr(0, shorter.rfind('/'));
      host.prefixes[i].shorter = host.prefix_index.find(RollingHash::of(shorter), shorter);
    }
  }
}

// The longest of the "*." names that take `host`; the others follow by `wider`.
std::uint32_t HttpMatcher::longest_wildcard(std::string_view host) const {
  std::uint32_t longest = HashIndex::kNone;
  if (wildcards_.empty()) return longest;
  RollingHash hash;
  for (std::size_t i = host.size(); i-- > 1;) {
    hash.add(host[i]);
    if (host[i] != '.') continue;
    if (std::uint32_t found = wildcard_index_.find(hash.value(), host.substr(i)); found != HashIndex::kNone) longest = found;
  }
  return longest;
}

HttpMatch HttpMatcher::match(const RequestToMatch& request) const {
  HttpMatch out;
  if (const std::uint32_t n = exact_index_.find(RollingHash::of(request.host), request.host); n != HashIndex::kNone)
    if (find_in(exact_[n], request, out)) return out;
  for (std::uint32_t n = longest_wildcard(request.host); n != HashIndex::kNone; n = wildcards_[n].wider)
    if (find_in(wildcards_[n], request, out)) return out;
  find_in(any_, request, out);
  return out;
}

bool HttpMatcher::find_in(const Host& host, const RequestToMatch& request, HttpMatch& out) const {
  const std::string_view path = request.path;
  if (!host.exact.empty() && path.size() <= host.longest_exact)
    if (const std::uint32_t n = host.exact_index.find(RollingHash::of(path), path); n != HashIndex::kNone)
      if (take(host.exact[n].first(request), path.size(), out)) return true;

  if (!host.prefixes.empty() && path.starts_with('/')) {
    std::uint32_t longest = HashIndex::kNone;
    RollingHash hash;
    for (std::size_t i = 0;; i++) {
      // A prefix ends where a segment does.
      if (i > 0 && (i == path.size() || path[i] == '/'))
        if (std::uint32_t found = host.prefix_index.find(hash.value(), path.substr(0, i)); found != HashIndex::kNone) longest = found;
      if (i == path.size() || i == host.longest_prefix) break;
      hash.add(path[i]);
    }
    for (std::uint32_t n = longest; n != HashIndex::kNone; n = host.prefixes[n].shorter)
      if (take(host.prefixes[n].matches.first(request), host.prefix_index.key(n).size(), out)) return true;
  }

  for (const std::uint32_t n : host.regexes) {
    const RequestMatch& m = candidates_[n].match->request;
    if (m.path_regex->matches(path) && m.takes_rest(request)) return take(n, path.size(), out);
  }
  return path.starts_with('/') && take(host.any_path.first(request), 0, out);
}

bool HttpMatcher::take(std::uint32_t candidate, std::size_t prefix, HttpMatch& out) const {
  if (candidate == MatchList::kNone) return false;
  const Candidate& c = candidates_[candidate];
  out.rule = &c.route->rules[c.match->rule];
  out.prefix = prefix;
  return true;
}

}  // namespace fairlead::route
