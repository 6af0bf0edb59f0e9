#include "link/splice.h"

#include "net/linger.h"
#include "runtime/scope.h"

namespace fairlead::link {
namespace {

// Reads of a socket in a row before others have their turn.
constexpr int kReadsInARow = 16;

// Without progress for so long what is undelivered is given up. A far side that does not read has as much patience as a silent link.
constexpr Duration kFlowLinger = 2min;
constexpr Duration kSocketLinger = 30s;  // its peer is near

struct Joint {
  Joint(Flow& f, net::Stream& s) : flow(f), socket(s), tasks(f.loop()) {}

  // The first failure is the reason; what the other direction sees of it is not.
  void socket_failed(const Error& error) {
    if (!failure) failure = {.code = flow_code_of(error.code()), .message = error.describe()};
  }
  void flow_failed(const Error& error) {
    if (!failure) failure = {.code = flow.peer_code(), .by_flow = true, .message = error.describe()};
    finish();
  }
  void was_refused(const Refusal& refusal) {
    if (!failure) failure = {.code = refusal.code, .by_flow = true, .refused = true, .message = refusal.message};
    finish();
  }
  void half_done(bool& half) {
    half = true;
    if (sent_all && received_all) finish();
  }
  void finish() { tasks.cancel(); }

  Flow& flow;
  net::Stream& socket;
  std::optional<SpliceEnd> failure;
  std::optional<Error> unsendable;  // our half of the flow is dead, though the other may live
  bool sent_all = false, received_all = false;
  Scope tasks;
};

Task<void> socket_to_flow(Joint& joint) {
  for (int reads = 1;; reads++) {
    auto room = co_await joint.flow.prepare();
    if (!room) {
      // The far side reads no more. Why, its own half tells: an answer may still be on the way there.
      joint.unsendable = room.error();
      if (joint.received_all || joint.failure) joint.flow_failed(*joint.unsendable);
      co_return;
    }
    std::optional<Result<std::size_t>> got = joint.socket.try_read(*room);
    if (!got) {
      joint.flow.commit(0);  // gives the buffer back while there is nothing to put in it
      reads = 0;
      co_await joint.socket.readable();
      continue;
    }
    if (!*got) {
      joint.socket_failed(got->error());
      joint.finish();
      co_return;
    }
    if (**got == 0) {
      if (joint.failure) {
        joint.finish();  // what it says is whole, what it heard is not
        co_return;
      }
      auto shut = joint.flow.shut();
      if (shut) {
        joint.half_done(joint.sent_all);
      } else {
        joint.flow_failed(shut.error());
      }
      co_return;
    }
    joint.flow.commit(**got);
    if (reads % kReadsInARow == 0) co_await joint.flow.loop().yield();
  }
}

// The socket takes nothing any more. What it has said before is still read.
void unwritable(Joint& joint, const Error& error) {
  joint.socket_failed(error);
  if (joint.sent_all || joint.unsendable) joint.finish();
}

Task<void> flow_to_socket(Joint& joint, bool opened) {
  if (opened) {
    auto reply = co_await joint.flow.reply();
    if (!reply) {
      joint.was_refused(reply.error());
      co_return;
    }
  }
  for (;;) {
    auto bytes = co_await joint.flow.peek();
    if (!bytes) {
      joint.flow_failed(bytes.error());
      co_return;
    }
    if (bytes->empty()) {
      if (joint.unsendable) {
        joint.flow_failed(*joint.unsendable);
        co_return;
      }
      auto shut = joint.socket.shut();
      if (shut) {
        joint.half_done(joint.received_all);
      } else {
        unwritable(joint, shut.error());
      }
      co_return;
    }
    const std::size_t size = bytes->size();
    auto written = co_await joint.socket.write(*bytes);
    if (!written) {
      unwritable(joint, written.error());
      co_return;
    }
    joint.flow.consume(size);
  }
}

// While the socket is idle nobody else would see that the far side wants no more, or that the session is over.
Task<void> watch_flow(Joint& joint) {
  Error why = co_await joint.flow.broken();
  if (joint.sent_all) co_return;  // it has all that it was to have; the other half tells how that ends
  joint.unsendable = why;
  if (joint.received_all || joint.failure) joint.flow_failed(why);
}

Task<SpliceEnd> run(Flow& flow, net::Stream& socket, bool opened) {
  Joint joint(flow, socket);
  joint.tasks.spawn(socket_to_flow(joint));
  joint.tasks.spawn(flow_to_socket(joint, opened));
  joint.tasks.spawn(watch_flow(joint));
  co_await joint.tasks.done();
  if (!joint.failure) co_return SpliceEnd{};
  if (joint.failure->by_flow) {
    co_await net::until_delivered(flow.loop(), socket, kSocketLinger);
  } else {
    co_await net::until_delivered(flow.loop(), flow, kFlowLinger);
    flow.abort(joint.failure->code);
  }
  socket.reset();
  co_return *std::move(joint.failure);
}

}  // namespace

Task<SpliceEnd> splice(Flow& flow, net::Stream& socket) { return run(flow, socket, false); }
Task<SpliceEnd> splice_opened(Flow& flow, net::Stream& socket) { return run(flow, socket, true); }

}  // namespace fairlead::link
