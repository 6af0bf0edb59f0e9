// service_call.h: one request of the other side on one connection to the service: the request goes out, the answer comes back.
//
// Invariant: until the answer's first head the flow is not accepted, so that failure() can still become a refusal or another try; from
// then on a failure aborts the flow, and the far side sees that its answer broke off.
#pragma once
#include <optional>
#include <string>

#include "http/chunked.h"
#include "http/head_parser.h"
#include "link/flow.h"
#include "net/stream.h"
#include "plugins/http/backend_pool.h"
#include "plugins/http/payload.h"
#include "runtime/scope.h"
#include "runtime/timer.h"

namespace fairlead::http_plugin {

class ServiceCall {
 public:
  // Buffer for what the service sends before it is known where it goes.
  static constexpr std::size_t kBuffer = 16_KiB;

  // `reader` has read nothing, or all of the request in an earlier call. `answer_by`: when the answer's head is due.
  ServiceCall(link::Flow& flow, RecordReader& reader, const http::Request& request, BackendPool::Connection& connection, TimePoint answer_by);

  // Until the exchange is over, well or not, or has become another protocol (upgraded()).
  Task<void> run();

  bool upgraded() const { return upgraded_; }
  // The connection can take the next request.
  bool reusable() const { return reusable_ && !failure_; }
  const std::optional<link::Refusal>& failure() const { return failure_; }
  bool accepted() const { return accepted_; }
  // The service closed a connection that had waited, without a word: it had not seen the request, as far as HTTP can tell.
  bool stale() const { return failure_ && connection_.reused && !heard_ && !request_read_; }
  bool by_flow() const { return by_flow_; }
  unsigned status() const { return status_; }
  std::uint64_t bytes_in() const { return bytes_in_; }    // content of the request
  std::uint64_t bytes_out() const { return bytes_out_; }  // content of the answer

 private:
  Task<void> upload();
  Task<void> download();
  Task<void> watch_flow();
  Task<Result<void>> send_data(Bytes data);
  Task<Result<bool>> read_more();  // into connection.input; false at the end
  Task<Result<bool>> read_head();  // false: the connection ended before a byte of it
  Task<Result<void>> give_head();
  Task<Result<void>> give_stream(std::optional<std::uint64_t> size);
  Task<Result<void>> give_chunked();
  void fail(link::FlowCode code, std::string message, bool by_flow = false);
  void finish();

  link::Flow& flow_;
  RecordReader& reader_;
  RecordWriter writer_;
  const http::Request& request_;
  BackendPool::Connection& connection_;
  net::Stream& stream_;
  http::ResponseParser parser_;
  http::ChunkDecoder chunks_;
  std::size_t head_size_ = 0;
  std::string out_;
  std::optional<link::Refusal> failure_;
  bool written_ = false;       // something of the request was
  bool request_read_ = false;  // content of it was taken from the flow, and cannot be had again
  bool sent_all_ = false, heard_ = false, accepted_ = false, upgraded_ = false, reusable_ = false, by_flow_ = false, over_ = false;
  bool flow_failed_ = false;  // while the answer was given to it
  unsigned status_ = 0;
  std::uint64_t sent_ = 0, bytes_in_ = 0, bytes_out_ = 0;
  Timer answer_due_;
  Scope tasks_;
};

}  // namespace fairlead::http_plugin
