// issuer.h: what this cloud issues certificates with today. Replaced when files change; each certificate takes what is current.
// Thread-safe.
#pragma once
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "pki/authority.h"

namespace fairlead::enrol {

struct Issuing {
  std::optional<pki::Authority> authority;  // none: the folder does not hold the CA's key
  std::string trust_pem;                    // ca.pem as edges are to have it
  Duration edge_lifetime = pki::kEdgeLifetime;
  Duration renew_grace{};  // after its expiry, how long a certificate may be renewed by its key alone
};

class Issuer {
 public:
  explicit Issuer(std::shared_ptr<const Issuing> issuing) : issuing_(std::move(issuing)) {}
  std::shared_ptr<const Issuing> current() const {
    std::lock_guard lock(mutex_);
    return issuing_;
  }
  void replace(std::shared_ptr<const Issuing> issuing) {
    std::lock_guard lock(mutex_);
    issuing_.swap(issuing);
  }

 private:
  mutable std::mutex mutex_;
  std::shared_ptr<const Issuing> issuing_;
};

// From the cloud's folder; a folder without ca-key.pem issues nothing and is no error. Blocking.
Result<std::shared_ptr<const Issuing>> load_issuing(const std::filesystem::path& dir, Duration edge_lifetime = pki::kEdgeLifetime,
                                                    Duration renew_grace = {});

}  // namespace fairlead::enrol
