// test_manifests.h: manifests for tests, in few words.
#pragma once
#include <fmt/format.h>

#include <stdexcept>
#include <string>

#include "route/manifests.h"
#include "route/snapshot.h"

namespace fairlead::route::testing {

// `listeners` and the other YAML arguments are flow style: "{name: tcp, port: 80, protocol: TCP}".
inline std::string gateway(std::string_view metadata, std::string_view listeners, std::string_view more = "",
                           std::string_view class_name = "fairlead") {
  return fmt::format(
      "---\napiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\nmetadata: {{{}}}\n"
      "spec:\n  gatewayClassName: {}\n  listeners: [{}]\n  {}\n",
      metadata, class_name, listeners, more);
}
inline std::string edge_gateway(std::string_view metadata, std::string_view listeners, std::string_view more = "") {
  return gateway(metadata, listeners, more, "fairlead-edge");
}
inline std::string tcp_route(std::string_view metadata, std::string_view parents, std::string_view backends) {
  return fmt::format(
      "---\napiVersion: gateway.networking.k8s.io/v1alpha2\nkind: TCPRoute\nmetadata: {{{}}}\n"
      "spec:\n  parentRefs: [{}]\n  rules:\n  - backendRefs: [{}]\n",
      metadata, parents, backends);
}
inline std::string http_route(std::string_view metadata, std::string_view parents, std::string_view rules, std::string_view more = "") {
  return fmt::format(
      "---\napiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: {{{}}}\n"
      "spec:\n  parentRefs: [{}]\n  rules: [{}]\n  {}\n",
      metadata, parents, rules, more);
}
inline std::string policy(std::string_view kind, std::string_view metadata, std::string_view spec) {
  return fmt::format("---\napiVersion: fairlead.dev/v1alpha1\nkind: {}\nmetadata: {{{}}}\nspec: {{{}}}\n", kind, metadata, spec);
}
inline std::string backend_ref(std::string_view more) { return fmt::format("{{group: fairlead.dev, kind: Backend, {}}}", more); }
inline std::string backend(std::string_view metadata, std::string_view location,
                           std::string_view targets = "{address: 127.0.0.1, port: 8080}") {
  return fmt::format(
      "---\napiVersion: fairlead.dev/v1alpha1\nkind: Backend\nmetadata: {{{}}}\nspec:\n  location: {{{}}}\n  targets: [{}]\n", metadata,
      location, targets);
}
inline std::string placement(std::string_view metadata, std::string_view spec) {
  return fmt::format("---\napiVersion: fairlead.dev/v1alpha1\nkind: Placement\nmetadata: {{{}}}\nspec: {{{}}}\n", metadata, spec);
}

inline Manifests decoded(std::string_view yaml) {
  Problems problems("f.yaml");
  Manifests made = decode_manifests(yaml, Format::yaml, problems);
  if (problems.has_errors()) throw std::runtime_error(to_text(problems.take()));
  return made;
}
inline std::shared_ptr<const Snapshot> built(std::string_view yaml, const Site& site = Site::cloud()) {
  return Snapshot::build(decoded(yaml), site);
}

}  // namespace fairlead::route::testing
