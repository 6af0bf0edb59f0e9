// kinds.h: the decoder of each kind, for manifests.cpp. A decoder reads the keys of an object that its kind has.
#pragma once
#include "route/decoder.h"
#include "route/model.h"

namespace fairlead::route {

void decode_metadata(Object& o, const Source& source, ObjectMeta& out);

void decode_spec(Object& o, Gateway& out);
void decode_spec(Object& o, Placement& out);
void decode_spec(Object& o, TcpRoute& out);
void decode_spec(Object& o, Backend& out);

// nodeName or nodeSelector of `o`; both is an error.
void decode_node_choice(Object& o, std::optional<NodeChoice>& out);

}  // namespace fairlead::route
