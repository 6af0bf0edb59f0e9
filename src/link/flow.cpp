#include "link/flow.h"

#include <fmt/format.h>

#include <algorithm>

namespace fairlead::link {

net::Priority priority_of(TrafficClass c) {
  switch (c) {
    case TrafficClass::management: return net::Priority::management;
    case TrafficClass::bulk: return net::Priority::bulk;
    case TrafficClass::background: return net::Priority::background;
    case TrafficClass::unspecified:
    case TrafficClass::interactive: return net::Priority::interactive;
  }
  return net::Priority::interactive;
}

Task<Result<std::vector<std::byte>>> read_frame(net::MuxStream& stream, std::size_t limit) {
  // The usual frame is whole in the first packet and copied once. Otherwise its pieces are gathered, never more than `limit`.
  std::vector<std::byte> gathered;
  for (;;) {
    auto more = co_await stream.peek();
    if (!more) co_return std::unexpected(more.error());
    if (more->empty()) co_return fail(Code::closed, "the stream ended {} a frame", gathered.empty() ? "before" : "inside");
    const std::size_t before = gathered.size();
    const Bytes view = *more;
    if (before == 0) {
      auto frame = wire::get_frame(view, limit);
      if (!frame) co_return std::unexpected(frame.error());
      if (*frame) {
        std::vector<std::byte> body((*frame)->body.begin(), (*frame)->body.end());
        stream.consume((*frame)->size);
        co_return body;
      }
    }
    gathered.insert(gathered.end(), view.begin(), view.end());
    auto frame = wire::get_frame(gathered, limit);
    if (!frame) co_return std::unexpected(frame.error());
    if (*frame) {
      stream.consume((*frame)->size - before);
      std::vector<std::byte> body((*frame)->body.begin(), (*frame)->body.end());
      co_return body;
    }
    stream.consume(view.size());
  }
}

Flow::Flow(Loop& loop, std::unique_ptr<net::MuxStream> stream, wire::FlowOpen open, FlowId id, std::shared_ptr<FlowTally> tally)
    : loop_(loop),
      stream_(std::move(stream)),
      open_(std::move(open)),
      id_(id),
      tally_(std::move(tally)),
      own_class_(priority_of(open_.traffic_class)) {
  tally_->open++;
  tally_->opened++;
}

Flow::~Flow() {
  if (!shut_) abort(FlowCode::cancelled);
  tally_->open--;
}

namespace {
// An abort is never OK: 0 is what a carrier says for a handle that was dropped, or when it does not know.
FlowCode code_of_abort(std::uint64_t on_wire) { return on_wire == 0 ? FlowCode::cancelled : wire::flow_code(on_wire); }
}  // namespace

Task<FlowResult<wire::FlowReply>> Flow::reply() {
  auto body = co_await read_frame(*stream_);
  if (!body) {
    // The far side may have aborted instead of answering. Then nothing is known about what the service saw.
    const std::optional<std::uint64_t> code = stream_->peer_code();
    co_return link::refuse(code ? code_of_abort(*code) : FlowCode::link_down, body.error().describe(), Delivered::maybe);
  }
  auto answer = wire::decode_flow_reply(*body);
  if (!answer) co_return link::refuse(FlowCode::protocol, answer.error().describe(), Delivered::maybe);
  if (answer->code != FlowCode::ok) {
    tally_->refused++;
    co_return link::refuse(answer->code, std::move(answer->message), answer->delivered);
  }
  co_return *std::move(answer);
}

Task<Result<void>> Flow::accept(std::string head) {
  if (head.size() > wire::kMaxFlowHead)
    co_return fail(Code::too_large, "a reply's head of {} bytes: at most {} are allowed", head.size(), wire::kMaxFlowHead);
  const std::vector<std::byte> frame = wire::encode(wire::FlowReply{.head = std::move(head)});
  auto written = co_await stream_->write(frame);
  co_return written;
}

Task<void> Flow::refuse(Refusal refusal) {
  tally_->refused++;
  const std::vector<std::byte> frame =
      wire::encode(wire::FlowReply{.code = refusal.code, .delivered = refusal.delivered, .message = std::move(refusal.message)});
  auto written = co_await stream_->write(frame);
  if (written) static_cast<void>(shut());
}

Result<void> Flow::shut() {
  auto done = stream_->shut();
  shut_ = shut_ || done.has_value();
  return done;
}

Task<Result<Bytes>> Flow::peek() { return stream_->peek(); }

void Flow::consume(std::size_t n) {
  bytes_in_ += n;
  tally_->bytes_in += n;
  stream_->consume(n);
}

void Flow::commit(std::size_t n) {
  if (n > 0) classify(n);
  bytes_out_ += n;
  tally_->bytes_out += n;
  stream_->commit(n);
}

Task<Result<void>> Flow::write(Bytes bytes) {
  while (!bytes.empty()) {
    auto room = co_await stream_->prepare();
    if (!room) co_return std::unexpected(room.error());
    const std::size_t n = std::min(room->size(), bytes.size());
    std::copy_n(bytes.begin(), n, room->begin());
    commit(n);
    bytes = bytes.subspan(n);
  }
  co_return Result<void>{};
}

void Flow::abort(FlowCode why) {
  if (std::exchange(aborted_, true)) return;
  stream_->abort(static_cast<std::uint64_t>(why));
}

bool Flow::send_datagram(Bytes payload) {
  bytes_out_ += payload.size();
  tally_->bytes_out += payload.size();
  tally_->datagrams_out++;
  const bool kept_all = port_.sender->send(payload, class_of_datagram(payload.size()));
  if (!kept_all) tally_->datagrams_dropped++;
  return kept_all;
}

void Flow::count_datagram(std::size_t n) {
  bytes_in_ += n;
  tally_->bytes_in += n;
  tally_->datagrams_in++;
}

Task<Result<std::optional<std::vector<std::byte>>>> Flow::read_record(std::size_t limit) {
  auto first = co_await stream_->peek();
  if (!first) co_return std::unexpected(first.error());
  if (first->empty()) co_return std::nullopt;
  auto record = co_await read_frame(*stream_, limit);
  if (!record) co_return std::unexpected(record.error());
  co_return *std::move(record);
}

FlowCode Flow::peer_code() const {
  const std::optional<std::uint64_t> code = stream_->peer_code();
  return code ? code_of_abort(*code) : FlowCode::link_down;
}

net::Priority Flow::class_of_datagram(std::size_t n) {
  if (own_class_ != net::Priority::interactive && own_class_ != net::Priority::management) return own_class_;
  const TimePoint now = loop_.now();
  level_ = std::max(0.0, level_ - kBulkRate * std::chrono::duration<double>(now - last_sent_).count()) + static_cast<double>(n);
  last_sent_ = now;
  if (level_ > kBulkAfter)
    flood_ = true;
  else if (level_ < kBulkAfter / 2)
    flood_ = false;
  level_ = std::min(level_, 2.0 * kBulkAfter);
  return flood_ ? net::Priority::bulk : own_class_;
}

void Flow::classify(std::size_t n) {
  if (own_class_ != net::Priority::interactive && own_class_ != net::Priority::management) return;
  // Waiting for the link is not a pause: only the sender having nothing to say is.
  const TimePoint now = loop_.now();
  if (stream_->unsent() == 0 && now - last_sent_ > kPause) {
    run_ = 0;
    if (std::exchange(bulk_, false)) stream_->set_priority(own_class_);
  }
  last_sent_ = now;
  run_ += n;
  if (!bulk_ && run_ > kBulkAfter) {
    bulk_ = true;
    stream_->set_priority(net::Priority::bulk);
  }
}

}  // namespace fairlead::link
