// remote_datagrams.h: the datagrams of a flow whose user is on another loop than its session: two bounded queues, the oldest is dropped
// first, one wake-up a batch. Part of a RemoteFlow.
#pragma once
#include <atomic>
#include <memory>
#include <mutex>

#include "link/flow.h"

namespace fairlead::link {

class RemoteDatagrams : public std::enable_shared_from_this<RemoteDatagrams> {
 public:
  RemoteDatagrams(Loop& user, Loop& session) : user_(user), session_(session), inbox_(std::make_shared<DatagramInbox>(user)) {}

  // On the user's loop, once.
  DatagramPort port();
  // On the session's loop: the largest that fits `flow` now.
  void learn(const Flow& flow) {
    if (flow.has_datagrams()) most_.store(flow.max_datagram(), std::memory_order_relaxed);
  }
  // On the session's loop, while `flow` is there.
  static Task<void> carry(std::shared_ptr<RemoteDatagrams> remote, Flow& flow);

 private:
  class Sender;
  class Attached;
  struct Lane {
    std::mutex mutex;
    std::deque<ReceivedDatagram> waiting;
    std::size_t bytes = 0;
    bool waking = false;
    std::optional<Error> ended;
  };
  // False: an older one had to go. `wake`: the other side is to be woken.
  static bool push(Lane& lane, ReceivedDatagram datagram, bool& wake);
  static std::deque<ReceivedDatagram> take_all(Lane& lane);
  void drain_up();    // on the session's loop
  void drain_down();  // on the user's loop
  void post_down();

  Loop& user_;
  Loop& session_;
  Lane up_, down_;
  std::atomic<std::size_t> most_{0};
  std::shared_ptr<DatagramInbox> inbox_;  // the user's
  Flow* flow_ = nullptr;                  // the session's, while it is carried
};

}  // namespace fairlead::link
