// http_reference.h: for tests and fuzzing: random HTTPRoutes and requests of few words, and the rule for a request found the plain way,
// by looking at every match of every route and comparing them by the text of Gateway API.
#pragma once
#include <array>
#include <map>
#include <string>
#include <tuple>
#include <vector>

#include "base/function_ref.h"
#include "route/http_matcher.h"

namespace fairlead::route::testing {

// A number below the one given.
using Choose = FunctionRef<std::uint32_t(std::uint32_t)>;

template <std::size_t n>
std::string one_of_words(const std::array<const char*, n>& words, Choose choose) {
  return words[choose(static_cast<std::uint32_t>(n))];
}

inline std::string random_host(Choose choose) { return one_of_words(std::array{"c", "b.c", "a.b.c", "x.b.c", "y.x.b.c", "d", ""}, choose); }
inline std::string random_path(Choose choose) {
  std::string path;
  for (std::uint32_t left = choose(4); left > 0; left--) path += "/" + one_of_words(std::array{"a", "ab", "b", "%2F"}, choose);
  return path.empty() || choose(4) == 0 ? path + "/" : path;
}

// Compiled once: that is what takes the time.
inline std::shared_ptr<const Regex> regex_of(const std::string& text) {
  static std::map<std::string, std::shared_ptr<const Regex>> known;
  std::shared_ptr<const Regex>& found = known[text];
  if (!found) found = Regex::parse(text).value();
  return found;
}

inline RequestMatch random_match(Choose choose) {
  RequestMatch m;
  m.path = static_cast<RequestMatch::Path>(choose(3));
  if (m.path == RequestMatch::Path::regex) {
    m.path_value = one_of_words(std::array{"/a.*", "/(a|b)(/.*)?", ".*b", "/"}, choose);
    m.path_regex = regex_of(m.path_value);
  } else {
    m.path_value = random_path(choose);
  }
  auto value_match = [&](std::string name) {
    ValueMatch v{.name = std::move(name), .value = one_of_words(std::array{"1", "2", "1,2"}, choose), .regex = {}};
    if (choose(4) == 0) v.regex = regex_of("[" + v.value + "3]");
    return v;
  };
  for (const char* name : {"x-a", "X-B"})
    if (choose(4) == 0) m.headers.push_back(value_match(name));
  for (const char* name : {"p", "q"})
    if (choose(4) == 0) m.query.push_back(value_match(name));
  if (choose(3) == 0) m.method = one_of_words(std::array{"GET", "POST"}, choose);
  return m;
}

inline HttpMatcher::Attached random_route(Choose choose) {
  auto route = std::make_shared<CompiledRoute>();
  route->rules.resize(1 + choose(3));
  for (std::size_t rule = 0; rule < route->rules.size(); rule++)
    for (std::uint32_t left = 1 + choose(3); left > 0; left--) route->matches.push_back({rule, random_match(choose)});
  HttpMatcher::Attached made{std::move(route), {}};
  for (std::uint32_t left = choose(3); left > 0; left--)
    made.hostnames.push_back(one_of_words(std::array{"c", "b.c", "a.b.c", "*.c", "*.b.c", "*.x.b.c", "d"}, choose));
  return made;
}

struct RandomRequest {
  std::string host, path, query, method;
  http::Fields fields;

  explicit RandomRequest(Choose choose)
      : host(random_host(choose)), path(random_path(choose)), method(one_of_words(std::array{"GET", "POST", "PUT"}, choose)) {
    for (std::uint32_t left = choose(4); left > 0; left--) {
      query +=
          (query.empty() ? "" : "&") + one_of_words(std::array{"p", "q"}, choose) + "=" + one_of_words(std::array{"1", "2", "%32"}, choose);
      fields.add(choose(2) == 0 ? "X-A" : "x-b", choose(2) == 0 ? "1" : "2");
    }
  }
  RequestToMatch ask() const { return {.host = host, .path = path, .query = query, .method = method, .fields = fields}; }
};

// The parts of a path between slashes, without an empty one at the end.
inline std::vector<std::string> segments(std::string_view path) {
  std::vector<std::string> made;
  for (std::size_t at = 0; at < path.size();) {
    const std::size_t end = std::min(path.find('/', at + 1), path.size());
    made.emplace_back(path.substr(at, end - at));
    at = end;
  }
  if (!made.empty() && made.back() == "/") made.pop_back();
  return made;
}

inline HttpMatch match_plainly(const std::vector<HttpMatcher::Attached>& routes, const RequestToMatch& request) {
  using enum RequestMatch::Path;
  using Rank = std::tuple<int, int, int, int, int, int, int, std::size_t, std::size_t>;
  HttpMatch best;
  std::optional<Rank> least;
  for (std::size_t r = 0; r < routes.size(); r++) {
    // The best host name of the route: exact, then the longest, then none.
    std::optional<std::pair<int, int>> host;
    for (const std::string& name : routes[r].hostnames) {
      const bool wildcard = name.starts_with("*.");
      if (!takes_host(name, request.host)) continue;
      const std::pair<int, int> rank{wildcard ? 1 : 0, -static_cast<int>(name.size())};
      if (!host || rank < *host) host = rank;
    }
    if (routes[r].hostnames.empty()) host = {2, 0};
    if (!host) continue;
    for (std::size_t n = 0; n < routes[r].route->matches.size(); n++) {
      const CompiledRoute::Match& candidate = routes[r].route->matches[n];
      const RequestMatch& m = candidate.request;
      const std::vector<std::string> wanted = segments(m.path_value), there = segments(request.path);
      const bool is_prefix = wanted.size() <= there.size() && std::equal(wanted.begin(), wanted.end(), there.begin());
      if (m.path == exact ? m.path_value != request.path : m.path == regex ? !m.path_regex->matches(request.path) : !is_prefix) continue;
      if (!m.takes_rest(request)) continue;
      std::size_t length = 0;
      for (const std::string& s : wanted) length += s.size();
      const int path = m.path == exact ? 0 : m.path == regex ? 2 : wanted.empty() ? 3 : 1;
      const Rank rank{host->first,
                      host->second,
                      path,
                      path == 1 ? -static_cast<int>(length) : 0,
                      m.method.empty() ? 1 : 0,
                      -static_cast<int>(m.headers.size()),
                      -static_cast<int>(m.query.size()),
                      r,
                      n};
      if (least && *least <= rank) continue;
      least = rank;
      best.rule = &routes[r].route->rules[candidate.rule];
      best.prefix = m.path == prefix ? length : request.path.size();
    }
  }
  return best;
}

}  // namespace fairlead::route::testing
