// cloud_loop.h: one loop of a cloud with all that lives on it.
//
// Made and destroyed on the main thread while the loop does not run; everything else happens on the loop's thread. The members are in
// the order of their making: each uses those above it.
#pragma once
#include <memory>

#include "app/plugins.h"
#include "doctor/probe_server.h"
#include "enrol/join_server.h"
#include "enrol/renewal_egress.h"
#include "h2/endpoint.h"
#include "kube/directory.h"
#include "link/cloud_link.h"
#include "net/real_network.h"
#include "quic/endpoint.h"
#include "quic/steering.h"
#include "runtime/asio_loop.h"

namespace fairlead::app {

struct CloudLoop {
  CloudLoop() : network(loop) {}

  AsioLoop loop;
  net::RealNetwork network;
  std::unique_ptr<quic::Endpoint> endpoint;
  std::unique_ptr<h2::Endpoint> fallback;  // null: there is none
  std::unique_ptr<Plugins> plugins;
  std::unique_ptr<enrol::JoinServer> joins;
  std::unique_ptr<enrol::RenewalEgress> renewals;
  std::unique_ptr<doctor::ProbeServer> probes;
  std::unique_ptr<link::CloudLink> link;
  std::shared_ptr<const kube::Directory> directory = kube::Directory::empty();  // null: a cluster that was not read yet
  std::uint64_t turn = 0;                                                       // of the endpoints of Services
  ListenerFailures failed, kube_failed;                                         // listeners of the last apply
  std::unique_ptr<Scope> tasks;
};

}  // namespace fairlead::app
