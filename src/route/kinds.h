// kinds.h: the decoder of each kind, for manifests.cpp. A decoder reads the keys of an object that its kind has.
#pragma once
#include "route/connection_policy.h"
#include "route/datagram_policy.h"
#include "route/decoder.h"
#include "route/http_route.h"
#include "route/model.h"

namespace fairlead::route {

void decode_metadata(Object& o, const Source& source, ObjectMeta& out);

void decode_spec(Object& o, Gateway& out);
void decode_spec(Object& o, Placement& out);
void decode_spec(Object& o, TcpRoute& out);
void decode_spec(Object& o, UdpRoute& out);
void decode_spec(Object& o, HttpRoute& out);
void decode_spec(Object& o, Backend& out);
void decode_spec(Object& o, ListenerPolicyObject& out);
void decode_spec(Object& o, RequestPolicyObject& out);
void decode_spec(Object& o, DatagramPolicyObject& out);
void decode_spec(Object& o, ConnectionPolicyObject& out);

// References of a route in the namespace `ns`: reference_decoder.cpp.
inline constexpr std::size_t kMaxParents = 32;   // Gateway API
inline constexpr std::size_t kMaxBackends = 16;  // Gateway API
void decode_parent(const Field& f, const std::string& ns, ParentRef& out);
// What names a Backend; the caller's `o` may have more.
void decode_backend_name(Object& o, const std::string& ns, BackendRef& out);
void decode_weight(Object& o, BackendRef& out);

// Parts of an HTTPRoute.
void decode_match(const Field& f, RequestMatch& out);
void decode_filters(const Field& f, const std::string& ns, std::vector<FilterSpec>& out);
// Whether one of them replaces the prefix that was matched.
bool replaces_prefix(const std::vector<FilterSpec>& filters);

// tls of a listener.
void decode_tls(const Field& f, Listener& out);

// nodeName or nodeSelector of `o`; both is an error.
void decode_node_choice(Object& o, std::optional<NodeChoice>& out);

}  // namespace fairlead::route
