// http_egress.h: takes HTTP flows of the other side, calls the real service over HTTP/1.1, and gives its answer back.
//
// One on each loop. Connections to services are kept in a pool (backend_pool.h), by target, TLS identity and loop. The flow is accepted
// when the service's answer begins, so that until then every failure is a refusal that says whether the service may have seen the request:
//   UNREACHABLE, REFUSED, FORBIDDEN   no connection; REFUSED also when the service's certificate is not the one that was to be shown
//   OVERLOADED   its connections are all in use, and none became free in time
//   DEADLINE     the flow's time or the Backend's own limits passed
//   RESET        the service closed the connection or broke it off without an answer
//   PROTOCOL     its answer, or what the other side sent, is malformed
//   UNSUPPORTED  its CAs cannot be used
// From then on the same codes abort the flow: the answer broke off. A request that met a pooled connection which had just been closed is
// sent again, once, on a fresh one, if nothing of it was written, or if its method is idempotent and its content is still to be had
// (RFC 9110, 9.2.2; RFC 9112, 9.3.1).
#pragma once
#include <memory>

#include "link/egress.h"
#include "net/network.h"
#include "observe/access_log.h"
#include "route/egress_policy.h"

namespace fairlead::http_plugin {

struct HttpEgressCounters {
  std::uint64_t requests = 0;
  std::uint64_t refused = 0;  // flows that were refused
  std::uint64_t dialled = 0;  // connections made to services
  std::uint64_t reused = 0;   // requests on a pooled connection
  std::uint64_t pooled = 0;   // connections that wait in the pool, now
};

class HttpEgress final : public link::Egress {
 public:
  HttpEgress(net::Network& network, std::shared_ptr<const route::EgressPolicy> policy, observe::AccessLog* access_log);
  ~HttpEgress() override;
  // Connections in the pool that the new policy forbids are closed.
  void set_policy(std::shared_ptr<const route::EgressPolicy> policy);
  HttpEgressCounters counters() const;

  std::string_view plugin() const override;
  Task<void> serve(std::unique_ptr<link::Flow> flow) override;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace fairlead::http_plugin
