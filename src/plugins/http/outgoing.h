// outgoing.h: bytes on their way to a service, collected into few writes, and whether any of them left.
//
// One coroutine puts bytes here. What was put leaves with the next flush(), or once everything that is ready now has run, so that a head
// and the content that came with it leave together. Destroying it drops what was not sent.
#pragma once
#include <string>

#include "net/stream.h"
#include "runtime/scope.h"

namespace fairlead::http_plugin {

class Outgoing {
 public:
  // `buffer`: empty, and used as long as this lives.
  Outgoing(Loop& loop, net::Stream& stream, std::string& buffer)
      : loop_(loop), stream_(stream), buffer_(buffer), hook_(*this), written_(loop), background_(loop) {}
  Outgoing(const Outgoing&) = delete;
  Outgoing& operator=(const Outgoing&) = delete;
  ~Outgoing() { buffer_.clear(); }

  std::string& buffer() { return buffer_; }
  void flush_soon() { loop_.make_ready(hook_); }
  // Returns when all was accepted for sending; with the stream's error if it takes nothing any more.
  Task<Result<void>> flush();
  // The buffer, then `bytes` from where they are.
  Task<Result<void>> write(Bytes bytes);

  bool empty() const { return buffer_.empty(); }
  bool any_left() const { return left_ > 0; }  // the peer may have seen something
  bool failed() const { return failure_.has_value(); }

 private:
  struct Hook : Ready {
    explicit Hook(Outgoing& o) : Ready(&run), outgoing(o) {}
    static void run(Ready& self) { static_cast<Hook&>(self).outgoing.flush_now(); }
    Outgoing& outgoing;
  };
  void flush_now();
  Task<void> flush_in_background();
  Result<std::size_t> push(Bytes bytes);
  Result<void> push_buffer();
  Task<void> writable();

  Loop& loop_;
  net::Stream& stream_;
  std::string& buffer_;
  std::optional<Error> failure_;
  std::uint64_t left_ = 0;
  bool waiting_ = false;  // somebody is in the stream's writable(); the others wait for `written_`
  Hook hook_;
  WaitQueue written_;
  Scope background_;
};

}  // namespace fairlead::http_plugin
