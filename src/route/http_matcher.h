// http_matcher.h: the HTTPRoutes of one listener, compiled: which rule a request is for, in the order that Gateway API gives
// (HTTPRouteSpec.hostnames, HTTPRouteRule.matches):
//
//   1. host name: an exact one, then "*." names by length, then routes without host names. A rule of a less specific name is asked
//      when no rule of a more specific one takes the request
//   2. path: Exact, then PathPrefix by length, then RegularExpression, then what says nothing of the path (PathPrefix "/"). The place
//      of regular expressions is ours to choose (Gateway API)
//   3. a method, then the number of headers, then of query parameters
//   4. the older route, then by namespace and name, then the order in the route
//
// Immutable, asked by any thread; a match allocates nothing. Host names and paths are looked up by hash, one step for each label or
// segment, however many routes there are, and rules of one host name and one path by the exact headers and query parameters that they
// want. Regular expressions are tried in turn.
#pragma once
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "route/hash_index.h"
#include "route/http_rules.h"
#include "route/match_list.h"
#include "route/request_match.h"

namespace fairlead::route {

// The rules of one HTTPRoute, shared by all listeners that serve it.
struct CompiledRoute {
  struct Match {
    std::size_t rule;
    RequestMatch request;
  };
  std::vector<HttpRule> rules;
  std::vector<Match> matches;  // in the order of the route
};

// Whether `pattern`, an exact name or "*.example.com", takes `host` ("a.example.com", "b.a.example.com"; not "example.com").
bool takes_host(std::string_view pattern, std::string_view host);

class HttpMatcher {
 public:
  struct Attached {
    std::shared_ptr<const CompiledRoute> route;
    std::vector<std::string> hostnames;  // those that the listener has too; none: any
  };
  // `routes`: those with precedence first.
  explicit HttpMatcher(std::vector<Attached> routes);

  // HttpMatch::listener is left to the caller.
  HttpMatch match(const RequestToMatch& request) const;

 private:
  // What has one host name.
  struct Host {
    struct Prefix {
      MatchList matches;
      std::uint32_t shorter = HashIndex::kNone;  // the next shorter prefix that is there
    };
    HashIndex exact_index, prefix_index;
    std::vector<MatchList> exact;
    std::vector<Prefix> prefixes;  // without "/"
    MatchList any_path;            // PathPrefix "/"
    std::vector<std::uint32_t> regexes;
    std::size_t longest_exact = 0, longest_prefix = 0;
    std::uint32_t wider = HashIndex::kNone;  // of a "*." name: the next shorter one that is there
  };
  struct Candidate {
    const CompiledRoute* route;
    const CompiledRoute::Match* match;
  };

  void add(std::string_view hostname, std::uint32_t candidate);
  void finish(Host& host) const;
  std::uint32_t longest_wildcard(std::string_view host) const;
  bool find_in(const Host& host, const RequestToMatch& request, HttpMatch& out) const;
  bool take(std::uint32_t candidate, std::size_t prefix, HttpMatch& out) const;

  std::vector<std::shared_ptr<const CompiledRoute>> routes_;
  std::vector<Candidate> candidates_;       // by precedence of routes
  HashIndex exact_index_, wildcard_index_;  // of a wildcard: ".example.com", hashed from its end
  std::vector<Host> exact_, wildcards_;
  Host any_;
};

}  // namespace fairlead::route
