#include "route/manifests.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "route/kinds.h"
#include "route/suggestion.h"

namespace fairlead::route {
namespace {

struct Kind {
  std::string_view group;
  std::string_view name;
  std::array<std::string_view, 2> versions;                        // empty: none
  void (*read)(Object& o, const Source& source, Manifests& into);  // none: not in this version
};

template <class T, std::vector<T> Manifests::* list>
void read(Object& o, const Source& source, Manifests& into) {
  T& made = (into.*list).emplace_back();
  decode_metadata(o, source, made.meta);
  decode_spec(o, made);
}

const std::array kKinds = {
    Kind{kGatewayGroup, "Gateway", {"v1", "v1beta1"}, &read<Gateway, &Manifests::gateways>},
    Kind{kGatewayGroup, "TCPRoute", {"v1", "v1alpha2"}, &read<TcpRoute, &Manifests::tcp_routes>},
    Kind{kGatewayGroup, "UDPRoute", {"v1", "v1alpha2"}, &read<UdpRoute, &Manifests::udp_routes>},
    Kind{kGatewayGroup, "HTTPRoute", {"v1", "v1beta1"}, &read<HttpRoute, &Manifests::http_routes>},
    Kind{kFairleadGroup, "Backend", {"v1alpha1"}, &read<Backend, &Manifests::backends>},
    Kind{kFairleadGroup, "Placement", {"v1alpha1"}, &read<Placement, &Manifests::placements>},
    Kind{kFairleadGroup, "ListenerPolicy", {"v1alpha1"}, &read<ListenerPolicyObject, &Manifests::listener_policies>},
    Kind{kFairleadGroup, "RequestPolicy", {"v1alpha1"}, &read<RequestPolicyObject, &Manifests::request_policies>},
    Kind{kFairleadGroup, "DatagramPolicy", {"v1alpha1"}, &read<DatagramPolicyObject, &Manifests::datagram_policies>},
    Kind{kFairleadGroup, "ConnectionPolicy", {"v1alpha1"}, &read<ConnectionPolicyObject, &Manifests::connection_policies>},
    Kind{kGatewayGroup, "GRPCRoute", {}, nullptr},
    Kind{kGatewayGroup, "TLSRoute", {}, nullptr},
    Kind{kGatewayGroup, "GatewayClass", {}, nullptr},
    Kind{kGatewayGroup, "ReferenceGrant", {}, nullptr},
    Kind{kGatewayGroup, "ListenerSet", {}, nullptr},
    Kind{kGatewayGroup, "BackendTLSPolicy", {}, nullptr},
    Kind{kFairleadGroup, "MessageRoute", {}, nullptr},
    Kind{"", "Service", {}, nullptr},
    Kind{"discovery.k8s.io", "EndpointSlice", {}, nullptr},
};

std::string api_versions(const Kind& kind) {
  std::string text;
  for (std::string_view v : kind.versions)
    if (!v.empty()) text += fmt::format("{}\"{}/{}\"", text.empty() ? "" : " or ", kind.group, v);
  return text;
}

bool is_list(std::string_view api_version, std::string_view kind) { return api_version == "v1" && kind == "List"; }

class Reader {
 public:
  Reader(Source source, Manifests& into) : source_(std::move(source)), into_(into) {}

  void read_object(const Field& f, bool inside_list) {
    Object o(f);
    std::string api_version, kind_name;
    o.required("apiVersion", api_version);
    o.required("kind", kind_name);
    if (is_list(api_version, kind_name) && !inside_list) return read_list(o);
    const Kind* kind = find(o, api_version, kind_name);
    if (kind == nullptr) {
      for (std::string_view key : {"metadata", "spec", "status", "data", "items"}) o.ignore(key);
      return;
    }
    o.ignore("status");  // what `kubectl get -o yaml` has beside the spec
    source_.at = f.node().at;
    kind->read(o, source_, into_);
  }

 private:
  void read_list(Object& o) {
    o.ignore("metadata");
    o.required("items", [&](const Field& items) { items.items(0, kMaxNodes, [&](const Field& item) { read_object(item, true); }); });
  }

  const Kind* find(const Object& o, std::string_view api_version, std::string_view kind_name) {
    if (api_version.empty() || kind_name.empty()) return nullptr;  // reported already
    const std::size_t slash = api_version.find('/');
    const std::string_view group = slash == api_version.npos ? "" : api_version.substr(0, slash);
    const std::string_view version = slash == api_version.npos ? api_version : api_version.substr(slash + 1);
    std::vector<std::string_view> names;
    for (const Kind& kind : kKinds) {
      if (kind.read != nullptr) names.push_back(kind.name);
      if (kind.name != kind_name) continue;
      if (kind.read == nullptr && kind.group == group) {
        o.field().error("{} is not supported by this version of Fairlead", kind_name);
        return nullptr;
      }
      if (kind.read == nullptr) continue;
      if (kind.group == group && !version.empty() && std::find(kind.versions.begin(), kind.versions.end(), version) != kind.versions.end())
        return &kind;
      o.field().error("{} of {} is not known: its apiVersion is {}", kind_name, shown(api_version), api_versions(kind));
      return nullptr;
    }
    o.field().error("unknown kind {} of {}{}", shown(kind_name), shown(api_version), did_you_mean(kind_name, names));
    return nullptr;
  }

  Source source_;
  Manifests& into_;
};

}  // namespace

void Manifests::append(const Manifests& other) {
  auto add = [](auto& to, const auto& from) { to.insert(to.end(), from.begin(), from.end()); };
  add(gateways, other.gateways);
  add(placements, other.placements);
  add(tcp_routes, other.tcp_routes);
  add(udp_routes, other.udp_routes);
  add(http_routes, other.http_routes);
  add(backends, other.backends);
  add(listener_policies, other.listener_policies);
  add(request_policies, other.request_policies);
  add(datagram_policies, other.datagram_policies);
  add(connection_policies, other.connection_policies);
}

std::size_t Manifests::size() const {
  return gateways.size() + placements.size() + tcp_routes.size() + udp_routes.size() + http_routes.size() + backends.size() +
         listener_policies.size() + request_policies.size() + datagram_policies.size() + connection_policies.size();
}

Manifests decode_manifests(std::string_view text, Format format, Problems& problems) {
  Manifests made;
  Reader reader({std::make_shared<const std::string>(problems.file()), {}}, made);
  Decoding in{problems};
  for (const Node& document : parse_document(text, format, problems)) reader.read_object(Field(document, in), false);
  return made;
}

}  // namespace fairlead::route
