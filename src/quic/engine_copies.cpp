#include <algorithm>

#include "quic/engine_impl.h"

namespace fairlead::quic {
namespace {

// Streams of which only a copy has come: the original is under way, so they are few unless the peer is no good.
constexpr std::size_t kMaxEarly = 64;
// Of a stream, by copies and ahead of the originals: these bytes are not yet counted against its window.
constexpr std::uint64_t kMaxAhead = 16_KiB;

}  // namespace

// All that `s` had to send has just been sent: is it a small piece by itself?
void EngineImpl::copy_if_small(StreamImpl& s) {
  if (!peer_knows_copies || s.priority() > net::Priority::interactive) return;
  const std::uint64_t size = s.send.committed() - s.burst_from;
  if (size <= CopyQueue::kMaxBytes) queue_copy(s, s.burst_from, static_cast<std::size_t>(size), s.fin_sent, now + CopyQueue::kLater);
}

bool EngineImpl::queue_copy(StreamImpl& s, std::uint64_t from, std::size_t size, bool end, TimePoint due) {
  if (size == 0 && !end) return false;
  if (size + StreamCopy::kMaxHead > max_datagram() || !copies.allow(now, size + StreamCopy::kMaxHead, path_window, path_rtt)) return false;
  std::vector<std::byte> datagram = StreamCopy::head(s.number, from, end);
  const std::size_t head = datagram.size();
  datagram.resize(head + size);
  if (!s.send.read(from, MutableBytes(datagram).subspan(head))) return false;
  copies.push(due, std::move(datagram));
  return true;
}

// What is answered on a stream of which only a copy has come goes by a copy, too: the library does not know the stream. It goes once more
// on the stream itself when that is there.
void EngineImpl::answer_early() {
  for (StreamImpl* s : early_streams) {
    if (!peer_knows_copies || s->stop_writing || s->priority() > net::Priority::interactive) continue;
    const std::uint64_t upto = s->send.committed();
    if (upto == s->early_sent && s->early_end == s->fin_queued) continue;
    if (upto - s->early_sent <= CopyQueue::kMaxBytes)
      queue_copy(*s, s->early_sent, static_cast<std::size_t>(upto - s->early_sent), s->fin_queued, now);
    s->early_sent = upto;
    s->early_end = s->fin_queued;
  }
}

// The original of its beginning has come.
bool EngineImpl::begin_early(std::int64_t id) {
  if (early_streams.empty()) return false;
  const auto found = std::ranges::find(early_streams, id, [](StreamImpl* s) { return s->number; });
  if (found == early_streams.end()) return false;
  StreamImpl& s = **found;
  early_streams.erase(found);
  s.early = false;
  ngtcp2_conn_set_stream_user_data(conn, id, &s);
  request(s);
  update_ready(s);
  return true;
}

void EngineImpl::receive_copy(Bytes datagram) {
  stats.copies_received++;
  const std::optional<StreamCopy> copy = StreamCopy::read(datagram);
  if (!copy || (copy->stream & 2) != 0) return;
  StreamImpl* s = nullptr;
  if (const auto found = by_number.find(copy->stream); found != by_number.end()) {
    s = found->second;
  } else {
    const bool ours = ((copy->stream & 1) != 0) == server;
    const auto index = static_cast<std::uint64_t>(copy->stream >> 2);
    if (ours || copy->offset != 0 || phase != Phase::open || early_streams.size() == kMaxEarly || index >= streams_allowed) return;
    if (!seen.see(index)) return;
    s = &adopt_stream(copy->stream);
    s->early = true;
    early_streams.push_back(s);
    s->tell_opened = true;
  }
  if (s->gone || s->peer_reset || s->fin_received || copy->offset > s->have) return;
  const std::uint64_t end = copy->offset + copy->bytes.size();
  if (end < s->have || (end == s->have && !copy->end) || end > s->delivered + kMaxAhead) return;
  stats.copies_used++;
  received(*s, copy->offset, copy->bytes, copy->end);
}

}  // namespace fairlead::quic
