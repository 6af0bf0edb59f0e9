// access.h: how to reach the API servers, ready to use: addresses, TLS, token; read from a kubeconfig, or from what a Pod is given.
//
// A value that is read again every kAccessAge, and at once when a server did not take it: tokens, client certificates and CAs are replaced
// by files that change. Blocking (small files), so not for the middle of a data path; an API client does it between requests.
#pragma once
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/log.h"
#include "base/time.h"
#include "kube/kubeconfig.h"
#include "net/address.h"
#include "net/tls.h"

namespace fairlead::kube {

inline constexpr Duration kAccessAge = 60s;  // a Pod's token is replaced minutes before it ends
inline constexpr std::size_t kMaxAccessFile = 1_MiB;

struct Access {
  std::vector<net::HostPort> servers;  // at least one; any of them will do
  std::string server_name;             // that their certificates must be for; empty: each for its own host
  std::string path;                    // before each request's own
  std::shared_ptr<const net::TlsClient> tls;
  Secret token;        // empty: none
  std::string source;  // for messages: the file, "this Pod's ServiceAccount"
};
using LoadAccess = std::move_only_function<Result<Access>()>;

// `more`: other servers of the same cluster, tried after the one that the file names; their certificates must be for the same name as its.
struct KubeconfigOptions {
  std::filesystem::path file;
  std::string context;
  std::vector<net::HostPort> more;
};
Result<Access> access_by_kubeconfig(const KubeconfigOptions& options);

// As client-go has it: KUBERNETES_SERVICE_HOST and _PORT, token and ca.crt in `dir`.
struct InClusterOptions {
  std::filesystem::path dir = "/var/run/secrets/kubernetes.io/serviceaccount";
  std::string host, port;  // empty: of the environment
};
Result<Access> access_in_cluster(const InClusterOptions& options);

}  // namespace fairlead::kube
