// Backend.
#include <charconv>

#include "route/http_values.h"
#include "route/kinds.h"

namespace fairlead::route {
namespace {

constexpr std::size_t kMaxTargets = 64;  // more are better several Backends, or a Service
constexpr std::size_t kMaxNodeWeights = 1024;
constexpr std::int64_t kMaxNodeWeight = 100;
constexpr std::int64_t kMaxPart = 16;        // of a path or host name that is to hold a node
constexpr std::size_t kMaxCheckPath = 1024;  // of an active check, with its query
// Beyond these a number is a slip, not a wish.
constexpr std::int64_t kMaxCount = 100, kMaxRequests = 1'000'000, kMaxConnections = 65'535;
constexpr Duration kMinInterval = 100ms, kMinTime = 1ms, kMaxTime = 1h;

// An IP address, or a DNS name that is none in disguise: "127.1" and "0x7f.1" are addresses to resolvers.
void decode_host(const Field& f, std::string& out) {
  const std::optional<std::string_view> text = f.string();
  if (!text) return;
  if (auto ip = net::IpAddress::parse(*text)) {
    out = ip->to_text();
    return;
  }
  const std::string_view last = text->substr(text->rfind('.') + 1);
  const bool number = last.find_first_not_of("0123456789") == last.npos ||
                      (last.starts_with("0x") && last.find_first_not_of("0123456789abcdef", 2) == last.npos);
  if (number || !check_dns_subdomain(*text)) return f.error("{} is neither an IP address nor a DNS name", shown(*text));
  out = *text;
}

auto time_from(Duration least, Duration& out) {
  return [least, &out](const Field& f) {
    Duration d = out;
    decode(f, d);
    if (d < least || d > kMaxTime) return f.error("{} and {} are the limits", to_manifest_text(least), to_manifest_text(kMaxTime));
    out = d;
  };
}

void decode_node_from(const Field& f, NodeFrom& out) {
  Object o(f);
  const int ways = o.has("pathSegment") + o.has("hostLabel") + o.has("header");
  if (ways != 1) f.error("one of pathSegment, hostLabel and header is needed");
  o.optional("pathSegment", in_range(out.index, 1, kMaxPart));
  o.optional("hostLabel", [&](const Field& label) {
    out.where = NodeFrom::Where::host_label;
    in_range(out.index, 1, kMaxPart)(label);
  });
  o.optional("header", [&](const Field& header) {
    out.where = NodeFrom::Where::header;
    checked(out.header, check_header_name)(header);
  });
  o.optional("strip", [&](const Field& strip) {
    decode(strip, out.strip);
    if (out.strip && !o.has("pathSegment")) strip.error("only a pathSegment can be stripped");
  });
}

void decode_location(const Field& f, Backend& out) {
  Object o(f);
  std::optional<NodeChoice> nodes;
  decode_node_choice(o, nodes);
  o.optional("nodeFrom", [&](const Field& from) { decode_node_from(from, out.node_from.emplace()); });
  const bool names_nodes = o.has("nodeName") || o.has("nodeSelector") || o.has("nodeFrom");
  if (o.has("cloud") == names_nodes) f.error("one of nodeName, nodeSelector, nodeFrom and cloud: {{}} is needed");
  if (o.has("nodeFrom") && o.has("nodeName")) f.error("nodeName and nodeFrom: only one of them");
  o.optional("cloud", [&](const Field& cloud) {
    Object nothing(cloud);
    out.location = Backend::Cloud{};
  });
  if (nodes)
    out.location = *std::move(nodes);
  else if (out.node_from)
    out.location = NodeChoice{Labels{}};
}

void decode_hash(Object& o, Balancing& out) {
  using On = Balancing::HashOn;
  const bool hashes = out.policy == Balancing::Policy::hash;
  for (std::string_view key : {"hashOn", "name"})
    if (!hashes && o.has(key)) return o.field().error("{} is of the policy Hash", key);
  if (!hashes) return;
  o.required("hashOn", one_of(out.hash_on, {{"Source", On::source}, {"Header", On::header}, {"Cookie", On::cookie}, {"Path", On::path}}));
  if (out.hash_on == On::header || out.hash_on == On::cookie)
    o.required("name", checked(out.hash_name, check_header_name));  // a cookie's name is a token, too
  else if (o.has("name"))
    o.field().error("name is of a Header or Cookie");
}

void decode_node_weights(const Field& f, std::map<NodeName, std::uint32_t>& out) {
  if (f.node().members.size() > kMaxNodeWeights) return f.error("at most {} allowed", kMaxNodeWeights);
  f.entries([&](const Member& m, const Field& value) {
    Result<NodeName> name = NodeName::parse(m.name);
    if (!name) return f.report(Severity::error, m.at, name.error().describe());
    in_range(out[*std::move(name)], 0, kMaxNodeWeight)(value);
  });
}

void decode_balancing(const Field& f, Backend& out) {
  using Policy = Balancing::Policy;
  Balancing& b = out.balancing;
  Object o(f);
  o.optional("policy",
             one_of(b.policy, {{"RoundRobin", Policy::round_robin}, {"LeastRequest", Policy::least_request}, {"Hash", Policy::hash}}));
  decode_hash(o, b);
  o.optional("nodeWeights", [&](const Field& weights) { decode_node_weights(weights, b.weights); });
  o.optional("preferred", [&](const Field& preferred) {
    Object p(preferred);
    decode_node_choice(p, b.preferred);
    if (!p.has("nodeName") && !p.has("nodeSelector")) preferred.error("nodeName or nodeSelector is missing");
  });
  for (std::string_view key : {"nodeWeights", "preferred"}) {
    if (!o.has(key)) continue;
    if (std::holds_alternative<Backend::Cloud>(out.location)) f.error("{}: the cloud has no nodes", key);
    if (out.node_from) f.error("{}: with nodeFrom the request says which node it is", key);
  }
}

// "200-399", or one status.
void decode_statuses(const Field& f, ActiveCheck& out) {
  const std::optional<std::string_view> text = f.string();
  if (!text) return;
  const auto status = [](std::string_view digits, std::uint16_t& into) {
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), into);
    return digits.size() == 3 && error == std::errc() && end == digits.data() + digits.size() && into >= 200 && into <= 599;
  };
  const std::size_t dash = text->find('-');
  std::uint16_t first = 0, last = 0;
  const bool good = status(text->substr(0, dash), first) && status(dash == text->npos ? *text : text->substr(dash + 1), last);
  if (!good || first > last) return f.error("{} is none of \"200\" and \"200-399\" (200-599)", shown(*text));
  out.status_first = first;
  out.status_last = last;
}

Result<void> check_check_path(std::string_view text) {
  const auto is_odd = [](char c) { return c <= ' ' || c > '~' || c == '#'; };
  if (text.starts_with('/') && text.size() <= kMaxCheckPath && std::ranges::none_of(text, is_odd)) return {};
  return fail(Code::invalid, "{} is not a path of at most {} visible characters, with its query, that begins with /", shown(text),
              kMaxCheckPath);
}

void decode_active(const Field& f, ActiveCheck& out) {
  Object o(f);
  o.optional("path", checked(out.path, check_check_path));
  o.optional("host", [&](const Field& host) { decode_host(host, out.host); });
  o.optional("interval", time_from(kMinInterval, out.interval));
  o.optional("timeout", time_from(kMinTime, out.timeout));
  o.optional("unhealthyAfter", in_range(out.unhealthy_after, 1, kMaxCount));
  o.optional("healthyAfter", in_range(out.healthy_after, 1, kMaxCount));
  o.optional("statuses", [&](const Field& statuses) { decode_statuses(statuses, out); });
}

void decode_health(const Field& f, HealthCheck& out) {
  Object o(f);
  o.optional("active", [&](const Field& active) { decode_active(active, out.active.emplace()); });
  o.optional("passive", [&](const Field& passive) {
    PassiveCheck& made = out.passive.emplace();
    Object p(passive);
    p.optional("failures", in_range(made.failures, 1, kMaxCount));
    p.optional("eject", time_from(kMinTime, made.eject));
  });
  if (!out.active && !out.passive) f.error("active or passive is missing");
}

void decode_backend_tls(const Field& f, BackendTls& out) {
  Object o(f);
  o.required("hostname", [&](const Field& name) { decode_host(name, out.hostname); });
  o.optional("caFile", [&](const Field& file) {
    decode(file, out.ca_file);
    if (out.ca_file.empty() || out.ca_file.find('\0') != out.ca_file.npos) file.error("the name of a file is needed");
  });
}

}  // namespace

void decode(const Field& f, Target& out) {
  Object o(f);
  o.required("address", [&](const Field& a) { decode_host(a, out.host); });
  o.required("port", out.port);
}

void decode_spec(Object& o, Backend& out) {
  o.required("spec", [&](const Field& f) {
    Object spec(f);
    spec.required("location", [&](const Field& l) { decode_location(l, out); });
    spec.required("targets", list_of(out.targets, 1, kMaxTargets));
    Protocol protocol = Protocol::http;
    spec.optional("protocol", one_of(protocol, {{"HTTP", Protocol::http}}));
    spec.optional("balancing", [&](const Field& b) { decode_balancing(b, out); });
    spec.optional("healthCheck", [&](const Field& h) { decode_health(h, out.health); });
    spec.optional("limits", [&](const Field& l) {
      Object limits(l);
      limits.optional("requests", in_range(out.limits.requests, 1, kMaxRequests));
      limits.optional("connections", in_range(out.limits.connections, 1, kMaxConnections));
    });
    spec.optional("tls", [&](const Field& t) { decode_backend_tls(t, out.tls.emplace()); });
    spec.optional("timeouts", [&](const Field& t) {
      Object timeouts(t);
      timeouts.optional("connect", time_from(kMinTime, out.timeouts.connect));
      timeouts.optional("idle", time_from(kMinTime, out.timeouts.idle));
    });
    spec.optional("proxyProtocol", in_range(out.proxy_protocol, 1, 2));
  });
}

}  // namespace fairlead::route
