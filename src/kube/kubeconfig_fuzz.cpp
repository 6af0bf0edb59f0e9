// Kubeconfigs of anything: a server that is taken has a host, a port and a path that can stand in a request.
#include <cstdlib>

#include "kube/kubeconfig.h"

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  using namespace fairlead::kube;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto config = parse_kubeconfig(text, "kubeconfig");
  if (!config && config.error().message().empty()) std::abort();
  if (!config) return 0;
  if (config->server.host.empty() || config->server.port == 0 || config->server_name.empty() || config->context.empty()) std::abort();
  if (!config->path.empty() && (config->path.front() != '/' || config->path.back() == '/')) std::abort();
  if (config->certificate.empty() != config->key.empty()) std::abort();
  return 0;
}
