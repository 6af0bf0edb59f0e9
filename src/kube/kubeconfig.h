// kubeconfig.h: what a kubeconfig file says of one context: where the API server is, how it is known, who we are.
//
// What Fairlead will not do is refused with a sentence, never passed over: programs that log in (exec, auth-provider), passwords,
// impersonation, proxies, servers without TLS or whose certificate is not looked at.
#pragma once
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/log.h"
#include "net/address.h"

namespace fairlead::kube {

// Where a text is: in the kubeconfig itself, or in a file of its own.
struct TextSource {
  Secret inlined;              // decoded
  std::filesystem::path file;  // as written: relative to the folder of the kubeconfig
  bool empty() const { return inlined.empty() && file.empty(); }
};

struct Kubeconfig {
  std::string context, cluster, user;
  net::HostPort server;
  std::string path;         // before each request's own; begins with '/' or is empty, without one at the end
  std::string server_name;  // that the certificate must be for
  TextSource ca;            // empty: the system's
  TextSource certificate, key;
  TextSource token;
};

// `context`: empty: the current one. `file` is only named in errors. Code::invalid, not_found (a context, cluster or user), unsupported.
Result<Kubeconfig> parse_kubeconfig(std::string_view text, std::string_view file, std::string_view context = "");

// "https://host[:port][/path]" into server and path.
Result<void> parse_server(std::string_view url, Kubeconfig& into);

// RFC 4648, 4, with white space between; nullopt if it is not that.
std::optional<std::string> decode_base64(std::string_view text);

}  // namespace fairlead::kube
