#include "plugins/http/service_call.h"

#include <algorithm>

#include "http/encode.h"

namespace fairlead::http_plugin {
namespace {

// Reads of a socket in a row before others have their turn.
constexpr int kReadsInARow = 16;
// Content below this is copied behind what waits to be written: cheaper than a call of the system for each.
constexpr std::size_t kCopied = 16_KiB;
constexpr std::size_t kFirstBuffer = 8_KiB;  // most answers' heads, and small answers whole

// What may be sent twice without harm (RFC 9110, 9.2.2).
bool is_idempotent(std::string_view method) {
  static constexpr std::string_view kMethods[] = {"GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"};
  return std::ranges::find(kMethods, method) != std::end(kMethods);
}

// Schemes that authenticate the connection and not the request: who uses it next would be taken for the same user.
bool is_of_connection(const http::Fields& fields, std::string_view name) {
  return std::ranges::any_of(fields, [&](const http::Field& f) {
    if (!http::equal_name(f.name, name)) return false;
    const std::string_view scheme = f.value.substr(0, f.value.find(' '));
    return http::equal_name(scheme, "NTLM") || http::equal_name(scheme, "Negotiate");
  });
}

}  // namespace

ServiceCall::ServiceCall(ServiceDesk& desk, RequestHalf& request, BackendPool::Connection& connection, Limits limits)
    : desk_(desk),
      half_(request),
      flow_(request.flow),
      connection_(connection),
      service_(connection.stream()),
      request_(desk.head.request),
      limits_(limits),
      writer_(flow_),
      out_(flow_.loop(), service_, desk.out),
      left_(request_.body.kind == http::BodyLength::Kind::exact ? request_.body.size : 0),
      over_(flow_.loop()),
      request_ended_(flow_.loop()),
      timer_(flow_.loop(), [this] { time_is_up(); }),
      tasks_(flow_.loop()) {
  desk_.in.clear();
  desk_.parser.reset();
}

Task<ServiceCall::End> ServiceCall::run() {
  if (limits_.deadline != TimePoint::max()) timer_.arm(limits_.deadline);
  tasks_.spawn(upload());
  tasks_.spawn(download());
  tasks_.spawn(watch_flow());
  while (!end_) co_await over_.wait();
  tasks_.cancel_now();
  timer_.disarm();
  co_return *end_;
}

// --- ends

void ServiceCall::finish(End end) {
  if (end_) return;
  end_ = end;
  over_.wake_all();
}

void ServiceCall::fail(link::FlowCode code, std::string message) {
  if (end_) return;
  why_ = {code, out_.any_left() ? link::Delivered::maybe : link::Delivered::no, std::move(message)};
  finish(End::failed);
}

void ServiceCall::flow_failed(const Error& error) {
  if (end_) return;
  why_ = {flow_.peer_code(), link::Delivered::maybe, error.describe()};
  finish(End::flow_lost);
}

void ServiceCall::request_malformed(std::string_view what) { fail(link::FlowCode::protocol, std::string(what)); }

void ServiceCall::service_gone(const Error& error) {
  const bool repeatable = !out_.any_left() || (is_idempotent(request_.method) && !half_.content_used);
  if (connection_.reused() && !heard_ && repeatable) return finish(End::stale);
  fail(link::flow_code_of(error.code()), error.describe());
}

Task<void> ServiceCall::watch_flow() {
  Error why = co_await flow_.broken();
  flow_failed(why);
}

void ServiceCall::time_is_up() {
  const TimePoint now = flow_.loop().now();
  if (now >= limits_.deadline) return fail(link::FlowCode::deadline, "the time for this try is over");
  if (now >= response_due_) return fail(link::FlowCode::deadline, "the service has not answered in time");
  const TimePoint next = std::min(limits_.deadline, response_due_);
  if (next != TimePoint::max()) timer_.arm(next);
}

// --- the request

void ServiceCall::completed() {
  complete_ = true;
  if (limits_.response <= 0ns || answering_) return;
  response_due_ = flow_.loop().now() + limits_.response;
  if (!timer_.armed() || timer_.at() > response_due_) timer_.arm(response_due_);
}

Task<Result<void>> ServiceCall::send(Bytes content) {
  const bool chunked = request_.body.kind == http::BodyLength::Kind::unknown;
  std::string& out = out_.buffer();
  if (chunked) {
    char header[http::kMaxChunkHeader];
    out.append(header, http::put_chunk_header(header, content.size()));
  }
  if (content.size() < kCopied) {
    out += as_text(content);
  } else {
    auto written = co_await out_.write(content);
    if (!written) co_return written;
  }
  if (chunked) out += "\r\n";
  auto flushed = co_await out_.flush();
  co_return flushed;
}

Task<void> ServiceCall::upload() {
  const http::BodyLength::Kind kind = request_.body.kind;
  http::put_request_head(out_.buffer(), request_, connection_.poolable());
  out_.flush_soon();
  if (kind == http::BodyLength::Kind::none || (kind == http::BodyLength::Kind::exact && left_ == 0)) completed();
  while (!half_.ended) {
    auto event = co_await half_.reader.next();
    if (!event) {
      if (event.error().code() == Code::invalid)
        request_malformed(event.error().message());
      else
        flow_failed(event.error());
      co_return;
    }
    switch (event->type) {
      case RecordType::head: request_malformed("a head of an answer in a request"); co_return;
      case RecordType::trailers: break;
      case RecordType::end: half_.ended = true; break;
      case RecordType::data: {
        const std::size_t size = event->data.size();
        if (kind == http::BodyLength::Kind::none || (kind == http::BodyLength::Kind::exact && size > left_)) {
          request_malformed("more content than the head of the request had said");
          co_return;
        }
        half_.content_used = true;
        auto sent = co_await send(event->data);
        if (!sent) co_return;  // the service reads no more: its answer, or its end, tells why
        bytes_in_ += size;
        half_.reader.consume(size);
        if (kind == http::BodyLength::Kind::exact) {
          left_ -= size;
          if (left_ == 0) completed();
        }
        break;
      }
    }
  }
  if (kind == http::BodyLength::Kind::exact && left_ > 0) {
    request_malformed("less content than the head of the request had said");
    co_return;
  }
  if (kind == http::BodyLength::Kind::unknown) {
    http::put_last_chunk(out_.buffer(), half_.reader.trailers());
    out_.flush_soon();
    completed();
  }
  request_ended_.wake_all();
}

// --- the answer

Task<void> ServiceCall::download() {
  for (;;) {
    const bool read = co_await read_head();
    if (!read) co_return;
    const unsigned status = desk_.parser.head().response.status;
    answering_ = status == 101 || status >= 200;
    if (answering_) {
      status_ = status;
      response_due_ = TimePoint::max();
    }
    const bool given = co_await give_head();
    if (!given) co_return;
    if (answering_) break;
    desk_.parser.reset();
  }
  if (status_ == 101) {
    // The opener's half is raw bytes behind its END.
    while (!half_.ended) co_await request_ended_.wait();
    finish(End::upgraded);
    co_return;
  }
  const bool whole = co_await give_content();
  if (whole) finish(End::answered);
}

Task<bool> ServiceCall::read_head() {
  InputBuffer& in = desk_.in;
  in.grow(kFirstBuffer);
  for (;;) {
    if (!in.empty()) {
      auto size = desk_.parser.parse(in.rest(), request_.method);
      if (!size) {
        fail(link::FlowCode::protocol, "the service's answer is malformed: " + std::string(size.error().text));
        co_return false;
      }
      if (*size) {
        head_size_ = **size;
        co_return true;
      }
    }
    MutableBytes room = in.room();
    if (room.empty()) {
      in.grow(2 * in.capacity());  // the parser's limit ends this
      room = in.room();
    }
    // Not before it is readable: an answer never is there already when the request was just written.
    co_await service_.readable();
    std::optional<Result<std::size_t>> got = service_.try_read(room);
    if (!got) continue;
    if (!*got) {
      service_gone(got->error());
      co_return false;
    }
    if (**got == 0) {
      const Error end(Code::reset, in.empty() ? "the service closed the connection without an answer"
                                              : "the service closed the connection within the head of its answer");
      service_gone(end);
      co_return false;
    }
    heard_ = true;
    in.filled(**got);
  }
}

// The head in the buffer goes to the far side, with the acceptance of the flow if it is the first one.
Task<bool> ServiceCall::give_head() {
  http::ResponseHead& head = desk_.parser.head();
  http::Response& response = head.response;
  const bool switches = response.status == 101;
  if (switches && (request_.upgrade.empty() || !http::equal_name(request_.upgrade, response.upgrade))) {
    fail(link::FlowCode::protocol, "the service changes to a protocol that was not asked for");
    co_return false;
  }
  keep_alive_ =
      head.keep_alive && !is_of_connection(response.fields, "WWW-Authenticate") && !is_of_connection(request_.fields, "Authorization");
  http::strip_hop_by_hop(response.fields);
  // Says something only where the content is left out.
  const bool left_out = response.status == 304 || (request_.method == "HEAD" && response.status >= 200 && response.status != 204);
  if (!left_out) response.content_length = {};
  if (!accepted_) {
    auto accepted = co_await flow_.accept();
    if (!accepted) {
      flow_failed(accepted.error());
      co_return false;
    }
    accepted_ = true;
  }
  auto given = co_await writer_.head(response);
  if (!given) {
    if (given.error().code() == Code::too_large)
      fail(link::FlowCode::protocol, given.error().describe());
    else
      flow_failed(given.error());
    co_return false;
  }
  desk_.in.consume(head_size_);
  co_return true;
}

Task<bool> ServiceCall::give_content() {
  const http::ResponseHead& head = desk_.parser.head();
  ResponseBody body(head, service_, desk_.in, desk_.chunks);
  if (head.response.body.kind == http::BodyLength::Kind::exact) writer_.expect(head.response.body.size);
  for (int reads = 1; !body.finished(); reads++) {
    auto room = co_await writer_.prepare();
    if (!room) {
      flow_failed(room.error());
      co_return false;
    }
    const std::size_t n = body.pull(*room);
    writer_.commit(n);
    bytes_out_ += n;
    if (n == 0 && body.failure()) {
      const Code code = body.failure()->code();
      fail(link::flow_code_of(code), body.failure()->describe());
      co_return false;
    }
    if (n == 0 && !body.finished()) {
      reads = 0;
      co_await service_.readable();
    } else if (reads % kReadsInARow == 0) {
      co_await flow_.loop().yield();
    }
  }
  auto finished = co_await writer_.finish(body.trailers());
  if (!finished) {
    if (finished.error().code() == Code::too_large)
      fail(link::FlowCode::protocol, finished.error().describe());
    else
      flow_failed(finished.error());
    co_return false;
  }
  co_return true;
}

}  // namespace fairlead::http_plugin
