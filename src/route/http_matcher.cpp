#include "route/http_matcher.h"

#include <algorithm>
#include <tuple>

#include "http/target.h"

namespace fairlead::route {
namespace {

// A text that lives as long as the thread, so that a match makes none.
std::string& scratch() {
  thread_local std::string text;
  return text;
}

// The value of all headers of that name.
std::optional<std::string_view> joined(const http::Fields& fields, std::string_view name, std::string& into) {
  std::optional<std::string_view> value;
  for (const http::Field& f : fields) {
    if (f.name.size() != name.size() || !http::equal_name(f.name, name)) continue;
    if (!value) {
      value = f.value;
      continue;
    }
    if (value->data() != into.data() || into.empty()) into.assign(*value);
    into += ',';
    into += f.value;
    value = into;
  }
  return value;
}

bool takes(const ValueMatch& wanted, const std::optional<std::string_view>& value) {
  return value && (wanted.regex ? wanted.regex->matches(*value) : *value == wanted.value);
}

bool is_any_path(const RequestMatch& m) { return m.path == RequestMatch::Path::prefix && m.path_value == "/"; }

std::string_view without_slash(std::string_view prefix) {
  if (prefix.ends_with('/')) prefix.remove_suffix(1);
  return prefix;
}

}  // namespace

bool RequestMatch::takes_rest(const RequestToMatch& request) const {
  if (!method.empty() && method != request.method) return false;
  std::string& text = scratch();
  for (const ValueMatch& h : headers) {
    text.clear();
    if (!takes(h, joined(request.fields, h.name, text))) return false;
  }
  return std::ranges::all_of(query, [&](const ValueMatch& q) { return takes(q, http::query_parameter(request.query, q.name, text)); });
}

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
  if (is_any_path(match)) return host->any_path.push_back(candidate);
  if (match.path == RequestMatch::Path::regex) return host->regexes.push_back(candidate);
  if (match.path == RequestMatch::Path::exact) {
    const std::uint32_t n = host->exact_index.put(RollingHash::of(match.path_value), match.path_value);
    if (n == host->exact.size()) host->exact.emplace_back();
    host->longest_exact = std::max(host->longest_exact, match.path_value.size());
    return host->exact[n].push_back(candidate);
  }
  const std::string_view prefix = without_slash(match.path_value);
  const std::uint32_t n = host->prefix_index.put(RollingHash::of(prefix), prefix);
  if (n == host->prefixes.size()) host->prefixes.emplace_back();
  host->longest_prefix = std::max(host->longest_prefix, prefix.size());
  host->prefixes[n].candidates.push_back(candidate);
}

void HttpMatcher::finish(Host& host) const {
  auto sort = [&](std::vector<std::uint32_t>& list) {
    auto rank = [&](std::uint32_t n) {
      const RequestMatch& m = candidates_[n].match->request;
      return std::tuple(m.method.empty(), -static_cast<std::int64_t>(m.headers.size()), -static_cast<std::int64_t>(m.query.size()), n);
    };
    std::ranges::sort(list, [&](std::uint32_t a, std::uint32_t b) { return rank(a) < rank(b); });
  };
  for (auto& list : host.exact) sort(list);
  for (auto& prefix : host.prefixes) sort(prefix.candidates);
  sort(host.regexes);
  sort(host.any_path);
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
      if (try_all(host.exact[n], request, path.size(), out)) return true;

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
      if (try_all(host.prefixes[n].candidates, request, host.prefix_index.key(n).size(), out)) return true;
  }

  for (const std::uint32_t n : host.regexes)
    if (candidates_[n].match->request.path_regex->matches(path) && try_all({&n, 1}, request, path.size(), out)) return true;
  return path.starts_with('/') && try_all(host.any_path, request, 0, out);
}

bool HttpMatcher::try_all(std::span<const std::uint32_t> candidates, const RequestToMatch& request, std::size_t prefix,
                          HttpMatch& out) const {
  for (const std::uint32_t n : candidates) {
    const Candidate& c = candidates_[n];
    if (!c.match->request.takes_rest(request)) continue;
    out.rule = &c.route->rules[c.match->rule];
    out.prefix = prefix;
    return true;
  }
  return false;
}

}  // namespace fairlead::route
