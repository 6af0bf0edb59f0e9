// remote_flow.h: a flow whose user is on one loop and whose session is on another.
//
// Two single-producer queues of owned buffers with credits: each side puts in at most kCredit bytes that the other has not consumed,
// and wakes it once for a batch. Buffers change hands, they are never shared. Only for users that cannot move to the session's loop
// (a client connection that carries requests to many nodes); a TCP connection moves once instead.
// What either side does to its end (shut, abort, drop) happens to the flow, and what happens to the flow is seen at the handle, as if
// it were the stream itself. Thread-safe between exactly those two loops.
#pragma once
#include <deque>
#include <memory>
#include <mutex>
#include <optional>

#include "link/flow.h"
#include "link/remote_datagrams.h"
#include "net/mux.h"
#include "runtime/scope.h"

namespace fairlead::link {

class RemoteFlow : public std::enable_shared_from_this<RemoteFlow> {
 public:
  static constexpr std::size_t kCredit = 256_KiB;
  static constexpr std::size_t kBuffer = 16_KiB;

  RemoteFlow(Loop& user, Loop& session)
      : up_(user, session),
        down_(session, user),
        broken_(user),
        left_(session),
        asked_(session),
        datagrams_(std::make_shared<RemoteDatagrams>(user, session)) {}

  // On the user's loop: the handle. Once.
  std::unique_ptr<net::MuxStream> handle();
  // On the user's loop: for the handle's Flow, if it has datagrams. Once.
  DatagramPort datagram_port() { return datagrams_->port(); }
  // On the session's loop, before the user hears of the flow: what it may send.
  void learn(const Flow& flow) { datagrams_->learn(flow); }
  // On the session's loop: carries until the flow is over or the handle is gone.
  static Task<void> carry(std::shared_ptr<RemoteFlow> remote, std::unique_ptr<Flow> flow);

 private:
  friend class RemoteStream;
  struct Chunk {
    std::unique_ptr<std::byte[]> bytes;
    std::size_t size = 0;
  };
  struct Failure {
    Error error;
    std::optional<std::uint64_t> code;  // of the abort
    bool by_user = false;               // else by the peer, or the session is over
  };
  // One direction. `producer` and `consumer` name loops; everything under the mutex is touched by both.
  struct Direction {
    Direction(Loop& p, Loop& c) : producer(p), consumer(c), room(p), data(c) {}
    Loop& producer;
    Loop& consumer;
    WaitQueue room;  // on the producer's loop
    WaitQueue data;  // on the consumer's loop
    mutable std::mutex mutex;
    std::deque<Chunk> chunks;
    std::size_t outstanding = 0;     // produced and not consumed
    bool finished = false;           // nothing follows the chunks
    bool unread = false;             // the consumer wants no more
    std::optional<Failure> failure;  // nothing is produced any more; what the peer had sent before is still consumed
    bool waking_consumer = false, waking_producer = false, producer_waits = false;
  };
  class Carrier;

  void push(Direction& d, Chunk chunk);
  void finish(Direction& d);
  void release(Direction& d, std::size_t n);
  // The first failure counts.
  void fail(Direction& d, Failure failure);
  std::optional<Failure> failure_of(const Direction& d) const;
  // By the user: it reads no more; both halves end now.
  void drop_down();
  void break_off(const Error& error, std::uint64_t code);
  void wake_consumer(Direction& d, std::unique_lock<std::mutex>& lock);
  void wake_producer(Direction& d, std::unique_lock<std::mutex>& lock);
  // Whoever waits there for anything.
  void wake_user();
  void wake_session();
  // On the session's loop: what the flow has not delivered.
  void tell_undelivered(std::size_t n);
  // On the user's loop: what the user has written and the peer's transport may not have; that of the flow as it was told last.
  std::size_t undelivered();

  // Waits until something can be produced; the failure if nothing ever will.
  Task<Result<void>> wait_room(Direction& d);
  // The next chunk; empty at the end.
  Task<Result<Chunk>> pop(Direction& d);

  Direction up_;                             // user to session
  Direction down_;                           // session to user
  WaitQueue broken_;                         // on the user's loop
  WaitQueue left_;                           // on the session's loop
  WaitQueue asked_;                          // on the session's loop: what is undelivered is to be told again
  std::optional<std::uint64_t> broken_off_;  // under up_'s mutex
  std::size_t undelivered_ = 0;              // by the flow; under up_'s mutex
  std::shared_ptr<RemoteDatagrams> datagrams_;
};

}  // namespace fairlead::link
