// trust.h: whom this process trusts today. Replaced when files change; each check takes what is current. Thread-safe.
#pragma once
#include <memory>
#include <mutex>

#include "pki/credentials.h"
#include "pki/revocation.h"

namespace fairlead::link {

class Trust {
 public:
  Trust(std::shared_ptr<const pki::Credentials> credentials, std::shared_ptr<const pki::RevocationList> revoked)
      : credentials_(std::move(credentials)), revoked_(std::move(revoked)) {}

  std::shared_ptr<const pki::Credentials> credentials() const {
    std::lock_guard lock(mutex_);
    return credentials_;
  }
  std::shared_ptr<const pki::RevocationList> revoked() const {
    std::lock_guard lock(mutex_);
    return revoked_;
  }
  void replace(std::shared_ptr<const pki::Credentials> credentials) {
    std::lock_guard lock(mutex_);
    credentials_.swap(credentials);
  }
  void replace(std::shared_ptr<const pki::RevocationList> revoked) {
    std::lock_guard lock(mutex_);
    revoked_.swap(revoked);
  }

 private:
  mutable std::mutex mutex_;
  std::shared_ptr<const pki::Credentials> credentials_;
  std::shared_ptr<const pki::RevocationList> revoked_;
};

}  // namespace fairlead::link
