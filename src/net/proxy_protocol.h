// proxy_protocol.h: the PROXY protocol of HAProxy, versions 1 and 2: who the client was, told ahead of a connection's bytes.
// No socket: see haproxy's doc/proxy-protocol.txt for the format.
#pragma once
#include <expected>
#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/error.h"
#include "net/address.h"

namespace fairlead::net {

struct ProxyHeader {
  bool local = false;  // LOCAL or UNKNOWN: a check of the proxy's own, the connection's addresses count
  SocketAddress source, destination;
};

struct ParsedProxyHeader {
  ProxyHeader header;
  std::size_t size;  // bytes to drop
};
inline constexpr std::size_t kMaxProxyHeader = 1024;  // TLVs included, which are skipped

// nullopt: more bytes are needed. Code::invalid: there is no header, or it is malformed.
Result<std::optional<ParsedProxyHeader>> parse_proxy_header(Bytes from);
// `version` 1 or 2.
std::string make_proxy_header(unsigned version, const SocketAddress& source, const SocketAddress& destination);

}  // namespace fairlead::net
