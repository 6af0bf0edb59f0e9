// engine_stream.h: one flow's HTTP/2 stream, as the engine keeps it. Shared by the engine, while HTTP/2 has the stream, and its user's handle.
//
// HTTP/2 has one way to stop early, RST_STREAM, which ends both halves. A reset that comes after the peer's END_STREAM means only that the
// peer reads no more: what it had sent stays readable. A user who lets go after shutting lets the engine reset once all is sent.
#pragma once
#include <memory>
#include <optional>

#include "h2/engine.h"
#include "quic/receive_buffer.h"
#include "quic/receive_window.h"
#include "quic/send_buffer.h"

namespace fairlead::h2 {

class EngineStream final : public quic::Scheduler::Entry, public OwnedHook, public RequestHook {
 public:
  EngineStream(Engine& engine, std::int32_t id, std::size_t window)
      : Entry(net::Priority::interactive), engine_(&engine), id_(id), credit_(window) {}
  ~EngineStream();

  std::uint64_t id() const { return static_cast<std::uint64_t>(id_); }
  Bytes peek() const { return receive_.peek(); }
  void consume(std::size_t n);
  bool at_end() const { return fin_received_ && receive_.size() == 0; }
  std::optional<std::uint64_t> reset_code() const { return peer_reset_; }
  std::optional<std::uint64_t> stopped_code() const { return peer_stopped_; }
  bool overloaded() const { return overloaded_; }

  MutableBytes prepare();
  void commit(std::size_t n);
  void finish();
  bool has_room() const;
  std::size_t unsent() const { return send_.unsent(); }

  void abort(std::uint64_t code);
  void set_priority(net::Priority priority);
  bool closed() const { return gone_ || engine_ == nullptr || !engine_->alive(); }
  // The user's last call.
  void release();

  void* user = nullptr;

 private:
  friend class Engine;
  quic::StreamMemory& memory();
  bool urgent() const { return priority() <= net::Priority::management; }
  bool writable() const { return !closed() && !stopped_ && !fin_queued_ && !released_; }
  bool wants_to_send() const { return !gone_ && !stopped_ && (send_.unsent() > 0 || (fin_queued_ && !fin_sent_)); }
  void orphan();

  Engine* engine_;  // null: it is gone
  const std::int32_t id_;
  quic::SendBuffer send_;
  quic::ReceiveBuffer receive_;
  quic::ReceiveWindow credit_;
  std::uint64_t sent_ = 0;  // bytes
  std::uint64_t owed_credit_ = 0;
  TimePoint read_at_{};  // its reader came last, or bytes came that were the only ones
  TimePoint sent_at_{};  // a byte was sent last, or written that was the only one
  std::uint64_t abort_code_ = 0;
  std::optional<std::uint64_t> peer_reset_, peer_stopped_;
  enum class Kind : std::uint8_t { unknown, flow, parked, datagrams } kind_ = Kind::unknown;
  bool ours_ = false;  // counted as opened by this side
  bool counted_ = false;
  bool fin_queued_ = false, fin_sent_ = false, fin_received_ = false;
  bool blocked_ = false;  // by the peer's window
  bool wants_room_ = false, refused_memory_ = false;
  bool stopped_ = false;       // nothing more is sent: reset by us or by the peer
  bool discarding_ = false;    // nobody reads what comes
  bool reset_wanted_ = false;  // RST_STREAM is to be said
  bool overloaded_ = false;
  bool gone_ = false;  // HTTP/2 has forgotten it
  bool released_ = false;
};

}  // namespace fairlead::h2
