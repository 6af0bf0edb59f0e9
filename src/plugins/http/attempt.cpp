#include "plugins/http/attempt.h"

#include <utility>

namespace fairlead::http_plugin {
namespace {

// Reads of a client in a row before others have their turn.
constexpr int kReadsInARow = 16;

}  // namespace

Attempt::~Attempt() {
  work_.cancel_now();
  if (flow_ && state_ != State::answered) flow_->abort(link::FlowCode::cancelled);
}

void Attempt::start(link::Destination to, wire::FlowOpen open, const http::Request& request) {
  wants_upgrade_ = !request.upgrade.empty();
  length_ = request.body;
  has_body_ = length_.kind != http::BodyLength::Kind::none;
  work_.spawn(run(std::move(to), std::move(open)));
}

void Attempt::over(State state) {
  if (state_ != State::running) return;
  state_ = state;
  client_.changed.wake_all();
}

void Attempt::refuse(link::Refusal why) {
  refusal_ = std::move(why);
  over(answer_.begun() ? State::broken : State::refused);
}

// The flow, or what it carries, is no good. Whether the service saw the request is not known any more.
void Attempt::failed(const Error& error) {
  const bool malformed = error.code() == Code::invalid || error.code() == Code::too_large;
  if (malformed) flow_->abort(link::FlowCode::protocol);
  refuse({malformed ? link::FlowCode::protocol : flow_->peer_code(), link::Delivered::maybe, error.describe()});
}

Task<void> Attempt::run(link::Destination to, wire::FlowOpen open) {
  auto opened = co_await peers_.open(std::move(to), std::move(open));
  if (!opened) {
    refuse(std::move(opened.error()));
    co_return;
  }
  flow_ = *std::move(opened);
  flow_id_ = flow_->id();
  writer_.emplace(*flow_);
  reader_.emplace(*flow_);
  if (has_body_) {
    work_.spawn(upload());
  } else {
    co_await end_upload();
  }

  auto reply = co_await flow_->reply();
  if (!reply) {
    refuse(std::move(reply.error()));
    co_return;
  }
  co_await download();
}

// A failure to send is not the end: the service may have answered before it had all. The answer tells.
Task<void> Attempt::end_upload() {
  if (wants_upgrade_) {
    auto ended = co_await writer_->end_record();
    upload_ended_ = ended.has_value();
    end_raw_half();
  } else {
    auto ended = co_await writer_->finish(body_.trailers());
    static_cast<void>(ended);
  }
}

// No raw bytes will follow a request whose upgrade was refused.
void Attempt::end_raw_half() {
  if (!upgrade_refused_ || !upload_ended_) return;
  const auto shut = flow_->shut();
  static_cast<void>(shut);  // the other half tells
}

Task<void> Attempt::upload() {
  if (length_.kind == http::BodyLength::Kind::exact) writer_->expect(length_.size);
  // What an earlier try has taken from the client.
  if (const std::string* replay = body_.replay(); replay != nullptr && !replay->empty()) {
    const Bytes bytes = as_bytes(*replay);
    auto sent = co_await writer_->data(bytes);
    if (!sent) co_return;
  }
  for (int reads = 1; !body_.finished(); reads++) {
    auto room = co_await writer_->prepare();
    if (!room) co_return;
    const std::size_t n = body_.pull(*room);
    writer_->commit(n);
    if (n == 0) {
      if (body_.finished()) break;
      if (body_.failure()) {
        client_.changed.wake_all();
        co_return;
      }
      reads = 0;
      body_.await_content();
      co_await client_.changed.wait();
    } else if (reads % kReadsInARow == 0) {
      co_await client_.loop().yield();
    }
  }
  co_await end_upload();
}

Task<void> Attempt::download() {
  bool begun = false;
  http::Fields no_trailers;
  const http::Fields* trailers = &no_trailers;
  for (;;) {
    auto event = co_await reader_->next();
    if (!event) {
      failed(event.error());
      co_return;
    }
    switch (event->type) {
      case RecordType::head: {
        const http::Response& response = reader_->response();
        if (begun || response.status < 100) {
          const Error twice(Code::invalid, "a head of an answer where none may be");
          failed(twice);
          co_return;
        }
        if (response.status == 101) {
          if (!wants_upgrade_) {
            const Error unasked(Code::invalid, "the service changed to a protocol that nobody had asked for");
            failed(unasked);
            co_return;
          }
          answer_.begin_upgrade(response);
          auto flushed = co_await client_.flush();
          over(flushed ? State::upgraded : State::client_lost);
          co_return;
        }
        if (response.status < 200) {
          if (response.status == 100) {
            if (!body_.awaits_continue()) break;  // it has it already, or did not ask
            body_.continued();
          }
          answer_.interim(response);
          break;
        }
        if (judge_.is_to_be_tried_again(response)) {
          over(State::unwanted);
          co_return;
        }
        begun = true;
        upgrade_refused_ = wants_upgrade_;
        end_raw_half();
        judge_.begin_answer(response);
        break;
      }
      case RecordType::data: {
        if (!begun) {
          const Error early(Code::invalid, "content before the head of the answer");
          failed(early);
          co_return;
        }
        const std::size_t size = event->data.size();
        auto written = co_await answer_.content(event->data);
        if (!written) {
          if (written.error().code() == Code::invalid)
            failed(written.error());
          else
            over(State::client_lost);
          co_return;
        }
        reader_->consume(size);
        break;
      }
      case RecordType::trailers: trailers = &reader_->trailers(); break;
      case RecordType::end: {
        if (!begun) {
          const Error none(Code::invalid, "an end without an answer");
          failed(none);
          co_return;
        }
        auto ended = co_await answer_.end(*trailers);
        if (ended)
          over(State::answered);
        else if (ended.error().code() == Code::invalid)
          failed(ended.error());
        else
          over(State::client_lost);
        co_return;
      }
    }
  }
}

}  // namespace fairlead::http_plugin
