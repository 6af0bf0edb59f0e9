// mirror.h: a copy of a request that is sent to another backend beside the real one (HTTPRequestMirrorFilter). Its answer is read and
// thrown away, and whatever becomes of it, the user does not notice.
//
// A request whose content is more than RequestBody::kMaxReplay is not mirrored: the copy is sent once the content is whole, and nobody
// keeps more than that. At most kMaxAtOnce are under way on each loop; more are left out.
#pragma once
#include <string>

#include "plugins/http/ingress.h"
#include "plugins/http/payload.h"

namespace fairlead::http_plugin {

inline constexpr std::size_t kMaxMirrorsAtOnce = 256;
inline constexpr Duration kMirrorTimeout = 30s;

void send_mirror(Ingress& ingress, route::Pick pick, wire::FlowOpen open, bool has_body, std::string body);

}  // namespace fairlead::http_plugin
