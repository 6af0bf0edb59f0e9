// service_call.h: one request of the other side on one connection to the service: the request goes out, the answer comes back.
//
// Both at once, for a service may answer before it has read all, and never more than the buffers of the flow and the socket hold.
// Invariant: until the answer's first head is there the flow is not accepted, so that a failure can become a refusal or another try. From
// then on a failure must abort the flow: the far side sees that its answer broke off.
#pragma once
#include <string>

#include "http/head_parser.h"
#include "plugins/http/backend_pool.h"
#include "plugins/http/outgoing.h"
#include "plugins/http/request_half.h"
#include "plugins/http/response_body.h"
#include "runtime/timer.h"

namespace fairlead::http_plugin {

// Memory of one request at work, used again by the next one.
struct ServiceDesk {
  wire::DecodedHttpRequest head;
  InputBuffer in;  // from the service
  http::ResponseParser parser;
  http::ChunkDecoder chunks;
  std::string out;  // for the service

  void clear() {
    constexpr std::size_t kKeep = 64_KiB;  // what answers in chunks are decoded out of, and heads that are not too unusual
    in.clear();
    if (in.capacity() > kKeep) in.release();
    out.clear();
    if (out.capacity() > kKeep) out.shrink_to_fit();
  }
};

class ServiceCall {
 public:
  enum class End : std::uint8_t {
    answered,   // the whole answer, END and all, is with the flow
    upgraded,   // the head of 101 is; raw bytes follow, the first of them in desk.in
    stale,      // the connection had been used before and ended without a word: the request may be tried on a fresh one
    failed,     // why() and accepted() tell what is to be done
    flow_lost,  // the other side wants no more, or is gone
  };
  struct Limits {
    TimePoint deadline;   // for all of it
    Duration response{};  // for the head of the answer, from when the request was sent; 0: none
  };

  ServiceCall(ServiceDesk& desk, RequestHalf& request, BackendPool::Connection& connection, Limits limits);

  Task<End> run();
  const link::Refusal& why() const { return why_; }
  bool accepted() const { return accepted_; }
  // After `answered`: nothing of either message is left, and both sides want to go on.
  bool reusable() const { return keep_alive_ && sent_all() && desk_.in.empty(); }
  bool sent_all() const { return complete_ && out_.empty() && !out_.failed(); }

  unsigned status() const { return status_; }
  std::uint64_t bytes_in() const { return bytes_in_; }    // content of the request
  std::uint64_t bytes_out() const { return bytes_out_; }  // content of the answer

 private:
  Task<void> upload();
  Task<Result<void>> send(Bytes content);
  Task<void> download();
  // False: the call is over.
  Task<bool> read_head();
  Task<bool> give_head();
  Task<bool> give_content();
  Task<void> watch_flow();

  void finish(End end);
  void fail(link::FlowCode code, std::string message);
  void flow_failed(const Error& error);
  void request_malformed(std::string_view what);
  void service_gone(const Error& error);
  void completed();
  void time_is_up();

  ServiceDesk& desk_;
  RequestHalf& half_;
  link::Flow& flow_;
  BackendPool::Connection& connection_;
  net::Stream& service_;
  const http::Request& request_;
  const Limits limits_;
  RecordWriter writer_;
  Outgoing out_;
  std::uint64_t left_;         // of the request's content, if its length is known
  bool complete_ = false;      // all of the request is sent or in out_
  std::size_t head_size_ = 0;  // of the answer
  bool heard_ = false;         // any byte of the answer
  bool accepted_ = false;
  bool answering_ = false;  // the last head is there
  bool keep_alive_ = false;
  unsigned status_ = 0;
  std::uint64_t bytes_in_ = 0, bytes_out_ = 0;
  std::optional<End> end_;
  link::Refusal why_;
  WaitQueue over_, request_ended_;
  TimePoint response_due_ = TimePoint::max();
  Timer timer_;
  Scope tasks_;
};

}  // namespace fairlead::http_plugin
