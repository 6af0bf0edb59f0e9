// proxy.h: an HTTP proxy on the way to the cloud, and how it is asked to connect (CONNECT, RFC 9110, 9.3.6; Basic, RFC 7617).
//
// The user and password of its URL are a secret: they are in no log and no error.
#pragma once
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/log.h"
#include "net/address.h"
#include "net/stream.h"

namespace fairlead::link {

struct Proxy {
  net::HostPort at;
  std::optional<Secret> credentials;  // "user:password"

  // "http://[user:password@]host:port[/]"; the scheme may be left out. Code::invalid, without a word of the URL.
  static Result<Proxy> parse(std::string_view url);
};

// The environment's: HTTPS_PROXY or https_proxy, unless NO_PROXY or no_proxy names the host ("*", names with what is below them, addresses).
// None: there is none. `get` is std::getenv.
Result<std::optional<Proxy>> proxy_of_environment(std::string_view host, const std::function<const char*(const char*)>& get);

// Asks for a connection to `to`; afterwards `transport` is one. Code::refused with the proxy's answer.
Task<Result<bool>> ask_proxy(net::Stream& transport, const Proxy& proxy, net::HostPort to);

}  // namespace fairlead::link
