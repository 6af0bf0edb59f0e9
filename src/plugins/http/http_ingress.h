// http_ingress.h: listens at the addresses of HTTP rules, serves HTTP/1.1 to users, and opens a flow for each request.
//
// One on each loop. A connection's requests may go to many nodes; a session on another loop is reached through a remote flow
// (link::Peers::open does it). A connection without TLS that keeps asking for what lives on another loop moves there. What cannot be had is answered by Fairlead itself, with a JSON problem
// (RFC 9457) and Proxy-Status (RFC 9209), and never hangs; an answer that broke off half way is shown as broken: the chunked body has no
// last chunk, and the connection is reset.
#pragma once
#include <atomic>
#include <map>
#include <memory>
#include <span>
#include <vector>

#include "link/peers.h"
#include "net/listeners.h"
#include "net/tls.h"
#include "observe/access_log.h"
#include "observe/cells.h"
#include "route/balancer.h"
#include "runtime/scope.h"

namespace fairlead::http_plugin {

struct HttpIngressCounters {
  std::uint64_t connections = 0;  // accepted
  std::uint64_t moved = 0;        // of them, to another loop; a connection may move several times
  std::uint64_t requests = 0;
  std::uint64_t answers[6] = {};  // by class of status, [0]: none was given
  std::uint64_t own_answers = 0;  // made here: no route, no node, malformed, ...
  std::uint64_t malformed = 0;    // heads and bodies that were refused
  std::uint64_t retries = 0, mirrored = 0, upgrades = 0;
  std::uint64_t bytes_in = 0, bytes_out = 0;             // content, from and to users
  observe::Histogram seconds{observe::kLatencyBuckets};  // from the head to the end of the answer
};

// The TLS of the listeners of one snapshot, read and checked off the loops, by bind address.
using TlsServers = std::map<net::SocketAddress, std::shared_ptr<const net::TlsServer>>;

class HttpIngress {
 public:
  HttpIngress(net::Network& network, link::Peers& peers, const route::NodeDirectory& nodes, std::shared_ptr<route::BackendStates> states,
              observe::AccessLog* access_log);
  ~HttpIngress();

  // The ingresses of all loops, in their order, if there are several; before the first apply(). They outlive this.
  struct Sibling {
    Loop* loop;
    HttpIngress* ingress;
  };
  void set_siblings(std::span<const Sibling> siblings);

  // New rules, in force from the next request on, also on connections that are open. A port of TLS without an entry in `tls` does not
  // listen, and is not among the failures: whoever read the files tells that.
  std::vector<net::Listeners::Failure> apply(std::shared_ptr<const route::Snapshot> snapshot, std::shared_ptr<const TlsServers> tls);
  // No new connections; those that are open are told at their next answer (Connection: close), idle ones end at once. Tasks go on until
  // they are done; connections() tells how many are left.
  void drain();
  std::size_t listeners() const;
  std::size_t connections() const;
  std::size_t buffers_in_use() const;  // of connections that are in a request; those that idle hold none
  const HttpIngressCounters& counters() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace fairlead::http_plugin
