// client.h: one client's stream, as seen by those who serve it: reading what has come, writing what is collected, deadlines.
//
// Several coroutines of one connection (the one that serves, the one that sends a body on, the one that fetches the answer) need to know
// when something happens at the client. One task waits for the stream; all others wait for `changed` and look again.
// Invariant: nobody but that task waits in the stream's readable(), and nobody reads while it does.
#pragma once
#include <array>
#include <memory>
#include <optional>
#include <string>

#include "net/stream.h"
#include "plugins/http/desk.h"
#include "runtime/scope.h"
#include "runtime/timer.h"

namespace fairlead::http_plugin {

class Client {
 public:
  enum class Limit : std::uint8_t { connection, request, attempt, body };
  enum class Gone : std::uint8_t { no, end, reset };

  // `work` runs what writes in the background: the tasks of the request that is served.
  Client(std::unique_ptr<net::Stream> stream, Scope& work);

  net::Stream& stream() { return *stream_; }
  // Gives the connection up, if it idles and its stream can.
  std::unique_ptr<net::Incoming> release();
  Loop& loop() { return work_.loop(); }

  // --- reading
  // Bytes, or that there will be none, are there for read(). Before the first read: not known, so true.
  bool readable() const { return readable_; }
  // What has come, into `room` (not empty): 0 when nothing has, or when the client is gone. Never waits.
  std::size_t read(MutableBytes room);
  Gone gone() const { return gone_; }
  // Begins to wait for the stream; read() must not be called by others from `stop_watching` on.
  void watch();
  void stop_watching() { watching_.cancel_now(); }

  // --- writing
  // What is put here leaves with the next flush.
  std::string& out() { return desk->out; }
  // Once everything that is ready now has run, unless it was written before: so a head and a body that come together leave together.
  void flush_soon() { loop().make_ready(flush_hook_); }
  // Returns when all was accepted for sending. Cancelling it loses nothing: the rest stays in out().
  Task<Result<void>> flush();
  // What is in out(), then `bytes`, which are cut if it is cancelled.
  Task<Result<void>> write(Bytes bytes);
  bool write_failed() const { return write_failed_; }

  // --- deadlines
  void set(Limit limit, TimePoint at);
  void clear(Limit limit) { limits_[static_cast<std::size_t>(limit)] = TimePoint::max(); }
  bool passed(Limit limit) const { return limits_[static_cast<std::size_t>(limit)] <= work_.loop().now(); }

  WaitQueue changed;
  std::unique_ptr<Desk> desk;  // of the request that is served; none while the connection idles

 private:
  struct FlushHook : Ready {
    explicit FlushHook(Client& c) : Ready(&run), client(c) {}
    static void run(Ready& self);
    Client& client;
  };
  void fire();
  Task<void> wait_readable();
  // What the stream takes now; false when it is broken.
  bool push(std::string& bytes);
  std::size_t push(Bytes bytes);
  // Until push() may do something. One coroutine waits for the stream, others for it.
  Task<void> wait_writable();
  Task<void> flush_in_background();

  Scope& work_;
  std::unique_ptr<net::Stream> stream_;
  bool readable_ = true;
  bool waiting_to_write_ = false;
  bool write_failed_ = false;  // then gone_ tells, too
  Gone gone_ = Gone::no;
  WaitQueue wanted_;   // the watching task, while readable_
  WaitQueue written_;  // those who wait to write, but for one
  std::array<TimePoint, 4> limits_;
  Timer timer_;
  FlushHook flush_hook_;
  Scope watching_;
};

}  // namespace fairlead::http_plugin
