// steering.h: from one loop to another. Each loop has a socket of its own at the same port; the kernel is told to pick it by the first
// byte of the destination connection id (bind_group), and what it gets wrong is handed over in memory (StrayExchange).
#pragma once
#include <memory>
#include <vector>

#include "quic/endpoint.h"

namespace fairlead::quic {

// The stray datagrams of the endpoints of one port. pass_on() may be called from any loop's thread; attach() and detach() are called
// on the thread of the loop that they are for.
// Invariant: at most kMaxQueued datagrams wait for one loop; more are dropped and counted, as a full socket buffer would.
class StrayExchange final : public StrayRouter {
 public:
  static constexpr std::size_t kMaxQueued = 1024;

  // One entry a loop, in the order of LoopIndex. The loops outlive this.
  explicit StrayExchange(const std::vector<Loop*>& loops);
  ~StrayExchange() override;

  void attach(LoopIndex loop, Endpoint& endpoint);
  void detach(LoopIndex loop);  // before the endpoint is destroyed

  void pass_on(LoopIndex to, const net::Datagram& datagram) override;
  std::uint64_t dropped() const;  // from any thread

 private:
  struct Target;
  std::vector<std::shared_ptr<Target>> targets_;  // shared with what was posted, which may run after we are gone
};

}  // namespace fairlead::quic
