// try_limiter.h: how often one source may try to join and fail. A try is charged when it begins and given back when it joins, so that a
// thousand edges behind one NAT come in, and a thousand tries at once do not.
//
// Invariant: at most kSources are known, and each costs the same few bytes; the one that was quiet for longest is forgotten first.
// An IPv6 source is its /64, which one host can have whole. Thread-safe: one serves all loops.
#pragma once
#include <cstdint>
#include <list>
#include <mutex>
#include <unordered_map>

#include "base/time.h"
#include "net/address.h"

namespace fairlead::enrol {

class TryLimiter {
 public:
  struct Options {
    std::uint32_t burst = 30;    // failed tries at once
    Duration refill = 2s;        // then one more after so long
    std::size_t sources = 4096;  // known at a time
    Duration tell_every = 60s;   // a source that is over its limit is told of in the audit log that often
  };
  explicit TryLimiter(Options options) : options_(options) {}
  TryLimiter() : TryLimiter(Options()) {}

  struct Verdict {
    bool allowed;
    bool tell = false;         // over the limit, and worth a line
    std::uint64_t untold = 0;  // refused since the last line
  };
  Verdict begin(const net::IpAddress& source, TimePoint now);
  void give_back(const net::IpAddress& source);
  std::size_t sources() const;

 private:
  struct Source {
    std::string key;
    double left;
    TimePoint filled;
    TimePoint told{};
    bool ever_told = false;
    std::uint64_t untold = 0;
  };
  static std::string key_of(const net::IpAddress& source);

  const Options options_;
  mutable std::mutex mutex_;
  std::list<Source> by_use_;  // the latest first
  std::unordered_map<std::string, std::list<Source>::iterator> by_key_;
};

}  // namespace fairlead::enrol
