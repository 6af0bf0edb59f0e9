// remote_peers.h: for tests: opens flows as others do, and gives them to a user on another loop (which may be the same one).
#pragma once
#include "link/peers.h"
#include "link/remote_flow.h"

namespace fairlead::link {

class RemotePeers final : public Peers {
 public:
  RemotePeers(Peers& peers, Loop& loop) : peers_(peers), loop_(loop), carrying_(loop) {}
  std::optional<LoopIndex> home(const Destination& to) const override { return peers_.home(to); }
  LoopIndex loop_index() const override { return peers_.loop_index(); }
  Task<FlowResult<std::unique_ptr<Flow>>> open(Destination to, wire::FlowOpen open) override {
    wire::FlowOpen head = open;
    auto flow = co_await peers_.open(std::move(to), std::move(open));
    if (!flow) co_return std::unexpected(flow.error());
    auto remote = std::make_shared<RemoteFlow>(loop_, loop_);
    auto tally = std::make_shared<FlowTally>();
    auto handle = std::make_unique<Flow>(loop_, remote->handle(), std::move(head), (*flow)->id(), std::move(tally));
    remote->learn(**flow);
    if (handle->head().datagrams) handle->carry_datagrams(remote->datagram_port());
    carrying_.spawn(RemoteFlow::carry(std::move(remote), *std::move(flow)));
    co_return handle;
  }
  std::size_t carried() const { return carrying_.size(); }

 private:
  Peers& peers_;
  Loop& loop_;
  Scope carrying_;
};

}  // namespace fairlead::link
