// manifests.h: the manifests in a file, decoded. One file per kind has its decode(); this is the only place that knows all of them.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "route/connection_policy.h"
#include "route/datagram_policy.h"
#include "route/document.h"
#include "route/http_route.h"
#include "route/model.h"

namespace fairlead::route {

struct Manifests {
  std::vector<Gateway> gateways;
  std::vector<Placement> placements;
  std::vector<TcpRoute> tcp_routes;
  std::vector<UdpRoute> udp_routes;
  std::vector<HttpRoute> http_routes;
  std::vector<Backend> backends;
  std::vector<ListenerPolicyObject> listener_policies;
  std::vector<RequestPolicyObject> request_policies;
  std::vector<DatagramPolicyObject> datagram_policies;
  std::vector<ConnectionPolicyObject> connection_policies;

  void append(const Manifests& other);
  std::size_t size() const;
};

// Everything wrong with `text` is added to `problems`, whose file name the objects keep as their source. The result is to be used
// only if there was no error. A `kind: List` is its items.
Manifests decode_manifests(std::string_view text, Format format, Problems& problems);

}  // namespace fairlead::route
