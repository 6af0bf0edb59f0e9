// service_dialler.h: a new connection to a service, as its Backend wants it: the address by the policy of this side, then the PROXY
// header, then TLS. The one place of this plug-in that dials.
#pragma once
#include <memory>
#include <string>
#include <unordered_map>

#include "link/refusal.h"
#include "net/network.h"
#include "net/tls.h"
#include "route/egress_policy.h"
#include "wire/http_message.h"

namespace fairlead::http_plugin {

// Whom to call, and how. Views and pointers of the one who asks.
struct ServiceAddress {
  std::string_view target;
  const wire::HttpService* service = nullptr;
  std::string_view source;  // of the user, for the PROXY header; empty: nobody's (a health check)
};

class ServiceDialler {
 public:
  static constexpr Duration kConnect = 10s;  // longer than a lost SYN and its second try take, shorter than users wait

  ServiceDialler(net::Network& network, std::shared_ptr<const route::EgressPolicy> policy)
      : network_(network), policy_(std::move(policy)) {}

  void set_policy(std::shared_ptr<const route::EgressPolicy> policy) { policy_ = std::move(policy); }
  bool allows(const net::SocketAddress& to) const { return policy_->check(to).has_value(); }
  std::uint64_t dialled() const { return dialled_; }

  // Appends what tells connections apart that may not be shared.
  void put_key(std::string& key, const ServiceAddress& to);

  // `to` stays valid as long as the task.
  //   DEADLINE     not by `deadline`, nor within the Backend's limit
  //   UNREACHABLE, FORBIDDEN, REFUSED    as route::dial says; REFUSED also when the service is not whom TLS was to show
  //   UNSUPPORTED  the CAs cannot be used
  //   PROTOCOL     the target is none
  Task<link::FlowResult<std::unique_ptr<net::Stream>>> dial(ServiceAddress to, TimePoint deadline);

 private:
  struct Trust {
    std::uint64_t id = 0;
    std::shared_ptr<const net::TlsClient> client;  // null: not made yet
  };
  static constexpr std::size_t kMaxTrusts = 64;  // sets of CAs: a handful is in use; beyond, all are read anew

  Trust& trust(const std::string& ca_pem);
  Task<Result<std::unique_ptr<net::Stream>>> connect(ServiceAddress to, net::HostPort target, std::shared_ptr<const net::TlsClient> tls);

  net::Network& network_;
  std::shared_ptr<const route::EgressPolicy> policy_;
  std::uint64_t dialled_ = 0;
  std::unordered_map<std::string, Trust> trusts_;  // by the PEM text
  std::uint64_t trusts_made_ = 0;
};

}  // namespace fairlead::http_plugin
