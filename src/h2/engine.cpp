#include "h2/engine.h"

#include <nghttp2/nghttp2.h>

#include <algorithm>
#include <cstring>

#include "h2/codes.h"
#include "h2/engine_stream.h"
#include "h2/session_memory.h"

namespace fairlead::h2 {
namespace {

// What a peer's frames can make nghttp2 hold or do; beyond, it ends the connection. Flows are aborted by the hundred when a user goes.
constexpr std::size_t kMaxAnswersQueued = 1000;  // to PING and SETTINGS
constexpr std::size_t kMaxSettings = 32;
constexpr std::uint64_t kResetsAtOnce = 10'000, kResetsPerSecond = 2'000;
constexpr std::uint64_t kPingFrame = 17;         // bytes, of its answer too
constexpr std::uint32_t kMaxHeaderList = 8_KiB;  // a request of ours has 150 bytes

std::string text_of(const std::uint8_t* text, std::size_t size) { return {reinterpret_cast<const char*>(text), size}; }

}  // namespace

// nghttp2's. It may be on the stack: they record, and call nothing of nghttp2 but what queues.
struct Engine::Callbacks {
  static Engine& self(void* user) { return *static_cast<Engine*>(user); }

  static int begun(nghttp2_session*, const nghttp2_frame* frame, void* user) {
    Engine& e = self(user);
    if (!e.alive()) return NGHTTP2_ERR_CALLBACK_FAILURE;
    if (frame->hd.type == NGHTTP2_HEADERS && frame->headers.cat == NGHTTP2_HCAT_REQUEST) e.adopt(frame->hd.stream_id);
    return 0;
  }

  static int header(nghttp2_session*, const nghttp2_frame* frame, const std::uint8_t* name, std::size_t name_size,
                    const std::uint8_t* value, std::size_t value_size, std::uint8_t, void* user) {
    Engine& e = self(user);
    if (e.role_ != Role::cloud || frame->hd.type != NGHTTP2_HEADERS || text_of(name, name_size) != ":path") return 0;
    EngineStream* s = e.find(frame->hd.stream_id);
    if (s == nullptr) return 0;
    using Kind = EngineStream::Kind;
    const std::string path = text_of(value, value_size);
    s->kind_ = path == "/flow" ? Kind::flow : path == "/parked" ? Kind::parked : path == "/datagrams" ? Kind::datagrams : Kind::unknown;
    return 0;
  }

  static int came(nghttp2_session*, const nghttp2_frame* frame, void* user) {
    Engine& e = self(user);
    if (!e.alive()) return NGHTTP2_ERR_CALLBACK_FAILURE;
    EngineStream* s = e.find(frame->hd.stream_id);
    switch (frame->hd.type) {
      case NGHTTP2_HEADERS:
        if (s == nullptr) break;
        if (frame->headers.cat == NGHTTP2_HCAT_REQUEST) e.peer_requested(*s);
        if (frame->headers.cat == NGHTTP2_HCAT_RESPONSE) e.peer_answered(*s);
        if ((frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0) e.finished(*s);
        break;
      case NGHTTP2_DATA:
        if (s != nullptr && (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0) e.finished(*s);
        break;
      case NGHTTP2_WINDOW_UPDATE:
        if (s == nullptr) break;
        s->blocked_ = false;
        e.update_ready(*s);
        if (s->id_ == e.datagram_stream_) e.offer_datagrams();
        break;
      case NGHTTP2_SETTINGS:
        for (auto& [id, stream] : e.streams_) {  // the windows may have changed
          stream->blocked_ = false;
          e.update_ready(*stream);
        }
        e.tell_allowed_ = true;
        break;
      case NGHTTP2_PING:
        if ((frame->hd.flags & NGHTTP2_FLAG_ACK) == 0 || !e.ping_out_) break;
        e.ping_out_ = false;
        e.acknowledged_ = e.said_at_ping_;
        e.measured(e.now_ - e.pinged_);
        break;
      case NGHTTP2_GOAWAY: {
        const std::uint32_t code = frame->goaway.error_code;
        const bool application = is_application(code) || code == NGHTTP2_NO_ERROR;
        net::MuxClose how{.by_peer = true,
                          .orderly = true,
                          .code = code,
                          .application = application,
                          .reason = text_of(frame->goaway.opaque_data, std::min<std::size_t>(frame->goaway.opaque_data_len, 1024))};
        if (is_application(code)) how.code = code - kApplication;
        if (!application && !is_alert(code)) how.code = kHttp2Error + std::min<std::uint32_t>(code, 0xff);
        e.end(std::move(how));
        break;
      }
      default: break;
    }
    return 0;
  }

  static int data(nghttp2_session* session, std::uint8_t, std::int32_t id, const std::uint8_t* bytes, std::size_t size, void* user) {
    Engine& e = self(user);
    if (!e.alive()) return NGHTTP2_ERR_CALLBACK_FAILURE;
    nghttp2_session_consume_connection(session, size);
    if (EngineStream* s = e.find(id)) {
      e.received(*s, from_u8(bytes, size));
    } else {
      nghttp2_session_consume_stream(session, id, size);
    }
    return 0;
  }

  static int closed(nghttp2_session*, std::int32_t id, std::uint32_t code, void* user) {
    self(user).closed_by_h2(id, code);
    return 0;
  }

  static int sent(nghttp2_session*, const nghttp2_frame* frame, void* user) {
    Engine& e = self(user);
    if (frame->hd.type == NGHTTP2_PING) e.pings_ += kPingFrame;
    if (frame->hd.type == NGHTTP2_GOAWAY && !e.goaway_said_) {
      e.end({.by_peer = false,
             .orderly = false,
             .code = kHttp2Error + std::min<std::uint32_t>(frame->goaway.error_code, 0xff),
             .application = false,
             .reason = e.failure_.empty() ? "the peer's HTTP/2 is not ours" : e.failure_});
    }
    return 0;
  }

  static int fault(nghttp2_session*, int, const char* text, std::size_t size, void* user) {
    self(user).failure_.assign(text, std::min<std::size_t>(size, 200));
    return 0;
  }

  static const nghttp2_session_callbacks* table() {
    static const nghttp2_session_callbacks* made = [] {
      nghttp2_session_callbacks* c = nullptr;
      nghttp2_session_callbacks_new(&c);
      nghttp2_session_callbacks_set_on_begin_headers_callback(c, &begun);
      nghttp2_session_callbacks_set_on_header_callback(c, &header);
      nghttp2_session_callbacks_set_on_frame_recv_callback(c, &came);
      nghttp2_session_callbacks_set_on_data_chunk_recv_callback(c, &data);
      nghttp2_session_callbacks_set_on_stream_close_callback(c, &closed);
      nghttp2_session_callbacks_set_on_frame_send_callback(c, &sent);
      nghttp2_session_callbacks_set_error_callback2(c, &fault);
      return c;
    }();
    return made;
  }
};

Engine::Engine(Role role, const EngineSettings& settings, EngineEvents& events, net::MemoryBudget& budget, TimePoint now)
    : role_(role),
      settings_(settings),
      events_(events),
      memory_(budget),
      library_(std::make_unique<SessionMemory>(memory_)),
      now_(now),
      heard_(now),
      parked_target_(settings.first_parked),
      pinged_(now) {
  nghttp2_option* option = nullptr;
  nghttp2_option_new(&option);
  nghttp2_option_set_no_auto_window_update(option, 1);
  nghttp2_option_set_no_closed_streams(option, 1);
  nghttp2_option_set_max_outbound_ack(option, kMaxAnswersQueued);
  nghttp2_option_set_max_settings(option, kMaxSettings);
  nghttp2_option_set_stream_reset_rate_limit(option, kResetsAtOnce, kResetsPerSecond);
  const auto make = role == Role::cloud ? &nghttp2_session_server_new3 : &nghttp2_session_client_new3;
  const int made = make(&session_, Callbacks::table(), this, option, library_->table());
  nghttp2_option_del(option);
  if (made != 0) throw std::bad_alloc();
  std::vector<nghttp2_settings_entry> ours = {
      {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, static_cast<std::uint32_t>(settings.initial_stream_window)},
      {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, kMaxHeaderList}};
  if (role == Role::cloud) {
    // Flows of the edge, and the streams that it parks for ours.
    ours.push_back({NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, 2 * settings.max_streams + settings.max_parked});
  } else {
    ours.push_back({NGHTTP2_SETTINGS_ENABLE_PUSH, 0});
  }
  check(nghttp2_submit_settings(session_, NGHTTP2_FLAG_NONE, ours.data(), ours.size()), "say the settings");
  check(nghttp2_session_set_local_window_size(session_, NGHTTP2_FLAG_NONE, 0, static_cast<std::int32_t>(settings.connection_window)),
        "open the window");
  if (role == Role::edge) start_streams();
}

Engine::~Engine() {
  datagrams_.clear();
  while (OwnedHook* hook = all_.pop_front()) static_cast<EngineStream&>(*hook).orphan();
  streams_.clear();
  nghttp2_session_del(session_);
}

void Engine::check(int code, std::string_view doing) {
  if (code >= 0 || close_info_) return;
  end({.by_peer = false,
       .orderly = false,
       .code = kHttp2Error,
       .application = false,
       .reason = fmt::format("{}: {}", doing, nghttp2_strerror(code))});
}

void Engine::end(net::MuxClose how) {
  if (close_info_) return;
  close_info_ = std::move(how);
  datagrams_.clear();
  for (OwnedHook& hook : all_) {
    EngineStream& s = static_cast<EngineStream&>(hook);
    quic::Scheduler::idle(s);
    s.send_.fail(memory_);
  }
  events_.on_closed(*close_info_);
}

void Engine::feed(Bytes bytes, TimePoint now) {
  now_ = now;
  if (close_info_) return;
  heard_ = now;
  stats_.bytes_received += bytes.size();
  const ssize_t n = nghttp2_session_mem_recv(session_, as_u8(bytes), bytes.size());
  if (n < 0) check(static_cast<int>(n), "read HTTP/2");
  if (memory_.budget().over()) relieve();
  if (std::exchange(tell_allowed_, false) && alive()) events_.on_streams_allowed();
}

void Engine::transport_ended(std::string why) {
  end({.by_peer = true, .orderly = false, .code = 0, .application = false, .reason = std::move(why)});
}

void Engine::measured(Duration rtt) {
  stats_.rtt = stats_.rtt == 0ns ? rtt : (7 * stats_.rtt + rtt) / 8;
  stats_.min_rtt = stats_.min_rtt == 0ns ? rtt : std::min(stats_.min_rtt, rtt);
}

TimePoint Engine::deadline() const {
  if (close_info_) return TimePoint::max();
  TimePoint at = ask_memory_at_;
  if (ping_out_) return std::min(at, heard_ + settings_.idle_timeout);
  const bool unanswered = said() > acknowledged_;
  return std::min(at, pinged_ + (unanswered ? settings_.probe : settings_.keep_alive));
}

void Engine::expire(TimePoint now) {
  now_ = now;
  if (close_info_) return;
  if (ping_out_ && now - heard_ >= settings_.idle_timeout)
    return end({.by_peer = false, .orderly = false, .code = 0, .application = false, .reason = {}});
  if (!ping_out_ && now >= deadline()) ping_wanted_ = true;
  if (now >= ask_memory_at_) offer_room();
}

void Engine::goaway(std::uint32_t code, std::string_view reason) {
  goaway_said_ = goaway_due_ = true;
  const std::string_view text = reason.substr(0, 1024);
  std::ignore = nghttp2_submit_goaway(session_, NGHTTP2_FLAG_NONE, nghttp2_session_get_last_proc_stream_id(session_), code,
                                      reinterpret_cast<const std::uint8_t*>(text.data()), text.size());
}

void Engine::close(std::uint64_t code, std::string_view reason) {
  if (close_info_) return;
  goaway(on_wire(code), reason);
  end({.by_peer = false, .orderly = true, .code = code, .application = true, .reason = std::string(reason)});
}

void Engine::refuse(std::uint8_t tls_alert, std::string_view reason) {
  if (close_info_) return;
  goaway(kAlert + tls_alert, reason);
  end({.by_peer = false, .orderly = true, .code = kAlert + std::uint64_t{tls_alert}, .application = false, .reason = std::string(reason)});
}

net::MuxStats Engine::stats() const {
  net::MuxStats stats = stats_;
  stats.bytes_in_flight = (said() > acknowledged_ ? said() - acknowledged_ : 0) + (ping_out_ ? kPingFrame : 0);
  // As over QUIC a flow counts until the peer has all of it.
  stats.streams = opened_by_peer_ + opened_by_us_ + (closed_ || said_at_close_ > acknowledged_ ? 1 : 0);
  stats.memory = memory_.used();
  return stats;
}

}  // namespace fairlead::h2
