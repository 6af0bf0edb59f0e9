// probe_quota.h: how much of the cloud one node may use to measure its way. One for all loops of the process; thread-safe, short calls.
//
// Invariant: a node has at most `connections` connections and one transfer at a time, and moves at most `burst` bytes, then `refill` bytes
// a second. What is known of a node goes with its last connection once its allowance is whole again, so that at most as many are known as
// have measured lately.
#pragma once
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>

#include "base/ids.h"
#include "base/time.h"

namespace fairlead::doctor {

class ProbeQuota {
 public:
  struct Options {
    std::size_t connections = 16;      // of one node: an examination has one, and one for each silence that it tries
    std::size_t all = 1024;            // of all nodes
    std::uint64_t burst = 1ULL << 30;  // the most thorough examination moves 512 MiB
    std::uint64_t refill = 1ULL << 20;
  };
  explicit ProbeQuota(Options options) : options_(options) {}
  ProbeQuota() : ProbeQuota(Options()) {}

  // A connection begins; false: too many. Each that began ends with leave().
  bool enter(const NodeName& node, TimePoint now);
  void leave(const NodeName& node, TimePoint now);

  // A transfer of a node that has entered begins: how many bytes of those wanted it may have; none: another is under way, or nothing is
  // left. Ends with end_transfer() and what it really moved.
  std::optional<std::uint64_t> begin_transfer(const NodeName& node, std::uint64_t wanted, TimePoint now);
  void end_transfer(const NodeName& node, std::uint64_t moved);

  std::size_t known() const;

 private:
  struct Use {
    std::size_t connections = 0;
    bool transfer = false;
    double left = 0;
    TimePoint filled{};
  };
  void fill(Use& use, TimePoint now) const;

  const Options options_;
  mutable std::mutex mutex_;
  std::map<NodeName, Use> nodes_;
  std::size_t connections_ = 0;
};

}  // namespace fairlead::doctor
