// ListenerPolicy, RequestPolicy, DatagramPolicy and ConnectionPolicy: what Gateway API has no field for.
#include "route/http_values.h"
#include "route/kinds.h"

namespace fairlead::route {
namespace {

constexpr std::size_t kMaxTargets = 16;                          // as GEP-713 policies have
constexpr std::size_t kMaxProxies = 256;                         // networks; more are better told by a wider one
constexpr std::int64_t kMinHead = 1024, kMaxHead = 1024 * 1024;  // less holds no browser's request; more is no head
constexpr std::int64_t kMaxFields = 10'000;
constexpr std::int64_t kMaxAnswers = 1000, kMaxAssociations = 1'000'000;  // beyond these a number is a slip, not a wish
constexpr Duration kMinTime = 100ms, kMaxTime = 24h;

void decode_target(const Field& f, PolicyTarget& out) {
  Object o(f);
  out.at = f.node().at;
  o.optional("group", out.kind.group);
  o.required("kind", out.kind.kind);
  o.required("name", checked(out.name, check_dns_subdomain));
  o.optional("sectionName", [&](const Field& s) { checked(out.section.emplace(), check_dns_subdomain)(s); });
}

auto time(Duration& out) {
  return [&out](const Field& f) {
    Duration d = out;
    decode(f, d);
    if (d < kMinTime || d > kMaxTime) return f.error("not from {} to {}", to_manifest_text(kMinTime), to_manifest_text(kMaxTime));
    out = d;
  };
}

void decode_limits(const Field& f, ListenerPolicy& out) {
  Object o(f);
  o.optional("headSize", [&](const Field& s) {
    ByteSize size(out.max_head);
    decode(s, size);
    if (size.value() < kMinHead || size.value() > kMaxHead) return s.error("not from 1KiB to 1MiB");
    out.max_head = size.value();
  });
  o.optional("fields", in_range(out.max_fields, 1, kMaxFields));
  o.optional("headTimeout", time(out.head_timeout));
  o.optional("idleTimeout", time(out.idle_timeout));
  o.optional("bodyTimeout", time(out.body_timeout));
  o.optional("connectionsPerSource", out.max_connections_per_source);
}

}  // namespace

void decode_spec(Object& o, ListenerPolicyObject& out) {
  o.required("spec", [&](const Field& f) {
    Object spec(f);
    ListenerPolicy& p = out.policy;
    spec.required("targetRefs", [&](const Field& list) {
      list.items(1, kMaxTargets, [&](const Field& t) { decode_target(t, out.targets.emplace_back()); });
    });
    spec.optional("trustedProxies", list_of(p.trusted_proxies, 0, kMaxProxies));
    spec.optional("proxyProtocol", p.proxy_protocol);
    if (p.proxy_protocol && p.trusted_proxies.empty())
      f.error("proxyProtocol needs trustedProxies: only from these a PROXY header is taken");
    spec.optional("limits", [&](const Field& l) { decode_limits(l, p); });
  });
}

namespace {

void decode_class(const Field& f, wire::TrafficClass& into) {
  using enum wire::TrafficClass;
  one_of(into, {{"Interactive", interactive}, {"Bulk", bulk}, {"Background", background}, {"Management", management}})(f);
}

}  // namespace

void decode_spec(Object& o, RequestPolicyObject& out) {
  o.required("spec", [&](const Field& f) {
    Object spec(f);
    RequestPolicy& p = out.policy;
    spec.optional("maxBodySize", [&](const Field& s) {
      ByteSize size;
      decode(s, size);
      p.max_body = size.value();
    });
    spec.optional("repeatable", p.repeatable);
    spec.optional("class", [&](const Field& c) { decode_class(c, p.traffic_class); });
    spec.optional("onLinkDown", one_of(p.wait_for_link, {{"Fail", false}, {"Wait", true}}));
    spec.optional("nodeHeader", [&](const Field& n) {
      checked(p.node_header, check_header_name)(n);
      if (is_framing_field(p.node_header)) n.error("{} frames the message", shown(p.node_header));
    });
  });
}

void decode_spec(Object& o, DatagramPolicyObject& out) {
  o.required("spec", [&](const Field& f) {
    Object spec(f);
    DatagramPolicy& p = out.policy;
    spec.required("targetRefs", [&](const Field& list) {
      list.items(1, kMaxTargets, [&](const Field& t) { decode_target(t, out.targets.emplace_back()); });
    });
    spec.optional("idleTimeout", time(p.idle));
    spec.optional("answers", in_range(p.answers, 0, kMaxAnswers));
    spec.optional("associations", in_range(p.associations, 1, kMaxAssociations));
    spec.optional("associationsPerSource", in_range(p.per_source, 1, kMaxAssociations));
    spec.optional("largeDatagrams", one_of(p.large_in_stream, {{"Stream", true}, {"Drop", false}}));
    spec.optional("class", [&](const Field& c) { decode_class(c, p.traffic_class); });
  });
}

void decode_spec(Object& o, ConnectionPolicyObject& out) {
  o.required("spec", [&](const Field& f) {
    Object spec(f);
    ConnectionPolicy& p = out.policy;
    spec.required("targetRefs", [&](const Field& list) {
      list.items(1, kMaxTargets, [&](const Field& t) { decode_target(t, out.targets.emplace_back()); });
    });
    spec.optional("class", [&](const Field& c) { decode_class(c, p.traffic_class); });
    spec.optional("onLinkDown", one_of(p.wait_for_link, {{"Fail", false}, {"Wait", true}}));
    spec.optional("waitTimeout", time(p.wait));
  });
}

}  // namespace fairlead::route
