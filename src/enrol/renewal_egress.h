// renewal_egress.h: the cloud's side of renewal, on one loop: takes the flows of plug-in "enrol", which edges open over their sessions.
//
// Invariant: a certificate is issued for the session's own node only, and only for the key that the name is bound to; what the request
// wishes beside that counts for nothing. Issued and recorded in one transaction, with a line in the audit log.
#pragma once
#include <functional>
#include <map>
#include <memory>

#include "enrol/issuer.h"
#include "enrol/registry_thread.h"
#include "enrol/renewal.h"
#include "link/egress.h"
#include "link/trust.h"

namespace fairlead::enrol {

class RenewalEgress final : public link::Egress {
 public:
  // Of one node: a signature and a write to disk each. Asking for the CAs costs neither.
  static constexpr Duration kPause = 1s;
  // Called on the loop when a node has a new certificate: its session is then good for as long as that.
  using Renewed = std::function<void(const NodeName& node, const pki::Certificate& certificate)>;

  RenewalEgress(Loop& loop, const Issuer& issuer, RegistryDesk& desk, const link::Trust& trust)
      : loop_(loop), issuer_(issuer), desk_(desk), trust_(trust) {}
  void set_renewed(Renewed renewed) { renewed_ = std::move(renewed); }

  std::string_view plugin() const override { return kRenewalPlugin; }
  Task<void> serve(std::unique_ptr<link::Flow> flow) override;

  struct Counters {
    std::uint64_t renewed = 0;
    std::uint64_t refused = 0;
  };
  const Counters& counters() const { return counters_; }

 private:
  Task<link::FlowResult<std::string>> renew(NodeName node, std::string request, std::shared_ptr<const Issuing> issuing);

  Loop& loop_;
  const Issuer& issuer_;
  RegistryDesk& desk_;
  const link::Trust& trust_;
  Renewed renewed_;
  Counters counters_;
  std::map<NodeName, TimePoint> last_;  // renewals of the last kPause
};

}  // namespace fairlead::enrol
