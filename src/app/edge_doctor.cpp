#include "app/edge_doctor.h"

#include "app/config.h"
#include "app/version.h"
#include "net/real_network.h"
#include "pki/folder.h"

namespace fairlead::app {
namespace {

Task<void> store(net::Network& network, doctor::Order order, doctor::Report& into) {
  into = co_await doctor::examine(network, std::move(order));
}

}  // namespace

Result<doctor::Report> examine_edge(const EdgeDoctor& order) {
  TRY_ASSIGN(const EdgeConfig config, load_edge_config(order.dir));
  TRY_ASSIGN(pki::EdgeIdentity identity, pki::load_edge(order.dir));
  const std::optional<net::HostPort> cloud = order.cloud ? order.cloud : config.cloud;
  if (!cloud)
    return fail(Code::invalid, "where is the cloud? Give --cloud HOST:PORT, or link.cloud in {}", (order.dir / kConfigFile).string());
  doctor::Order made{.cloud = *cloud,
                     .node = identity.node,
                     .credentials = std::move(identity.credentials),
                     .keep_alive = config.link.keep_alive,
                     .effort = order.thorough ? doctor::Effort::thorough() : doctor::Effort(),
                     .only = order.only,
                     .software = software()};
  if (order.progress) made.progress = order.progress;
  AsioLoop loop;
  net::RealNetwork network(loop);
  doctor::Report report;
  loop.run(store(network, std::move(made), report));
  return report;
}

}  // namespace fairlead::app
