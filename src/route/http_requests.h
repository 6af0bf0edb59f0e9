// http_requests.h: requests for tests of HTTP rules, and what the rules say to them, in few words.
#pragma once
#include <fmt/format.h>

#include <stdexcept>
#include <string>

#include "http/target.h"
#include "route/snapshot.h"

namespace fairlead::route::testing {

struct Request {
  std::string host = "example.com", target = "/", method = "GET";
  std::vector<HeaderValue> headers = {};
};

// Asks as an ingress does: with the host and the path in their normal forms.
inline HttpMatch match(const HttpPort& port, const Request& r) {
  std::string scratch;
  http::Fields fields;
  for (const HeaderValue& h : r.headers) fields.add(h.name, h.value);
  const http::Target target = http::split_target(r.target);
  auto path = http::normalize_path(target.path, scratch);
  if (!path) throw std::runtime_error(r.target);
  const std::string host = http::canonical_host(r.host);
  return port.match({.host = host, .path = *path, .query = target.query, .method = r.method, .fields = fields});
}

inline const HttpPort& port_of(const Snapshot& s, std::uint16_t port) {
  for (const HttpPort& p : s.http_ports())
    if (p.bind.port == port) return p;
  throw std::runtime_error(fmt::format("nothing listens at {}", port));
}

// "v1", "v1*9 500*1": the backends of the rule with their weights, 500 for a bad share; "404" when there is no rule; "redirect 302".
inline std::string answer_of(const Snapshot& s, const HttpMatch& m) {
  if (m.rule == nullptr) return "404";
  for (const HttpFilter& f : m.rule->filters)
    if (const auto* redirect = std::get_if<RedirectFilter>(&f)) return fmt::format("redirect {}", redirect->status);
  if (m.rule->backends.empty()) return "500";
  std::string text;
  for (const HttpShare& share : m.rule->backends) {
    const std::string name = share.backend ? s.backend(*share.backend).meta.key.name : "500";
    text += (text.empty() ? "" : " ") + name + (m.rule->backends.size() > 1 ? fmt::format("*{}", share.weight) : "");
  }
  return text;
}
inline std::string answer(const Snapshot& s, const Request& r, std::uint16_t port = 80) { return answer_of(s, match(port_of(s, port), r)); }

}  // namespace fairlead::route::testing
