// rule_set.h: what is put in force together on every loop: the rules, what may be dialled under them, and the TLS of their listeners.
//
// Made off the loops from one snapshot; immutable.
#pragma once
#include <filesystem>
#include <memory>
#include <vector>

#include "app/config.h"
#include "net/listeners.h"
#include "plugins/http/http_ingress.h"
#include "route/egress_policy.h"
#include "route/snapshot.h"

namespace fairlead::app {

using ListenerFailures = std::vector<net::Listeners::Failure>;

struct RuleSet {
  std::shared_ptr<const route::Snapshot> snapshot;
  std::shared_ptr<const route::EgressPolicy> policy;
  std::shared_ptr<const http_plugin::TlsServers> tls;
  ListenerFailures tls_failures;                 // listeners whose certificates cannot be used
  std::vector<std::filesystem::path> tls_files;  // that `tls` was made of
};

// Policy: the listeners of the rules are Fairlead's own ports. TLS: where certificates cannot be used, what `before` had for that
// listener stays; `before` may be null.
RuleSet make_rule_set(const Config& config, std::shared_ptr<const route::Snapshot> snapshot, const RuleSet* before);

}  // namespace fairlead::app
