// listener_tls.h: the TLS of a port, made from the files that its listeners name.
//
// Blocking: not for a loop.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "base/error.h"
#include "net/tls.h"
#include "route/http_rules.h"

namespace fairlead::http_plugin {

// Errors name the Gateway, the listener and the file. All listeners of a port ask for client certificates in the same way: which
// listener a client means is known only by the name that it gives, and a session that was begun for one may be resumed for another.
Result<std::shared_ptr<const net::TlsServer>> load_tls(const route::HttpPort& port);

// The files that load_tls() reads, each once: when one of them changes it is to be called again.
std::vector<std::string> tls_files(const route::HttpPort& port);

}  // namespace fairlead::http_plugin
