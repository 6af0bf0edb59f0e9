// connect_ingress.h: the API server's way to the nodes: HTTP CONNECT as kube-apiserver's EgressSelector speaks it (HTTPConnect), on a
// UNIX socket or over TCP with mutual TLS.
//
// Contract (k8s.io/apiserver, pkg/server/egressselector): a new connection for each dial; the request target says where to, `Host` does
// not; the answer is 200 and nothing more until the service speaks; the client has no timeout of its own, so that each failure must be
// told, and soon. What is not exactly that is refused, written to the access log once, and nothing is dialled for it.
#pragma once
#include <functional>
#include <list>
#include <memory>
#include <string>

#include "link/peers.h"
#include "net/network.h"
#include "net/tls.h"
#include "observe/access_log.h"
#include "plugins/kube/tunnels.h"
#include "plugins/kube/where.h"
#include "route/egress_policy.h"
#include "runtime/scope.h"

namespace fairlead::kube_plugin {

struct ConnectCounters {
  std::uint64_t accepted = 0;
  std::uint64_t established = 0;
  std::uint64_t malformed = 0;  // no CONNECT could be read
  std::uint64_t refused = 0;    // a CONNECT that could not be had
};

class ConnectIngress {
 public:
  static constexpr Duration kHeadTimeout = 10s;   // TLS and the head together
  static constexpr std::size_t kStrangers = 512;  // connections whose CONNECT was not read yet; more are closed at once

  ConnectIngress(net::Network& network, link::Peers& peers, observe::AccessLog* access_log);
  ~ConnectIngress();

  // Where a target is; asked for each CONNECT.
  using Find = std::move_only_function<Where(const net::HostPort&)>;
  void set_find(Find find) { find_ = std::move(find); }
  // What may be dialled from here of that which belongs to no edge; null: nothing.
  void set_direct(std::shared_ptr<const route::EgressPolicy> policy) { direct_ = std::move(policy); }
  // Of listeners with TLS, for new connections.
  void set_tls(std::shared_ptr<const net::TlsServer> tls) { tls_ = std::move(tls); }

  void listen(std::unique_ptr<net::Listener> listener, bool with_tls, std::string name);
  // No new connections, and those in which nothing moves are to end.
  void drain();
  std::size_t listeners() const { return listeners_.size(); }
  // That a drain should wait for: tunnels to edges. Others of this site can be had again at once.
  std::size_t connections() const { return connections_.size() - neighbours_; }
  const ConnectCounters& counters() const { return counters_; }

 private:
  struct Listening {
    explicit Listening(Loop& loop) : accepting(loop) {}
    std::unique_ptr<net::Listener> listener;
    bool with_tls = false;
    std::string name;
    Scope accepting;
  };
  struct Client;
  Task<void> accept_from(Listening& at);
  Task<void> serve(std::unique_ptr<Client> client, bool with_tls);
  Task<Result<void>> read_head(Client& client, bool with_tls);
  Task<void> tunnel(Client& client);
  Task<void> to_edge(Client& client, Where where);
  Task<void> to_neighbour(Client& client, std::string instead);
  Task<void> refuse(Client& client, link::FlowCode code, unsigned status, std::string sentence);

  net::Network& network_;
  link::Peers& peers_;
  observe::AccessLog* access_log_;
  Find find_;
  std::shared_ptr<const route::EgressPolicy> direct_;
  std::shared_ptr<const net::TlsServer> tls_;
  ConnectCounters counters_;
  std::size_t strangers_ = 0, neighbours_ = 0;
  Tunnels tunnels_;
  std::list<Listening> listeners_;
  Scope connections_;
};

}  // namespace fairlead::kube_plugin
