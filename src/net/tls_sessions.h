// tls_sessions.h: what a client kept of its TLS sessions, to resume them: by server name, the least recently used goes first.
//
// Thread-safe. For tls_client.cpp only.
#pragma once
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>

#include "base/time.h"
#include "pki/gnutls_raii.h"

namespace fairlead::net {

class TlsSessions {
 public:
  static constexpr std::size_t kMaxSize = 256;  // of 2 to 4 KiB each; a TlsClient is for the services of a few Backends

  // GnuTLS's session data. `until`: the server's certificate is not valid longer.
  void put(const std::string& server_name, std::shared_ptr<const pki::Datum> data, WallTime until);
  // Null: none that may be used.
  std::shared_ptr<const pki::Datum> get(const std::string& server_name, WallTime now);
  std::size_t size() const;

 private:
  struct Kept {
    std::string server_name;
    std::shared_ptr<const pki::Datum> data;
    WallTime until;
  };
  mutable std::mutex mutex_;
  std::list<Kept> kept_;  // the last used first
  std::unordered_map<std::string, std::list<Kept>::iterator> by_name_;
};

}  // namespace fairlead::net
