// engine.h: one HTTP/2 connection between an edge and a cloud, without a socket and without a clock (RFC 9113; nghttp2 inside).
//
// It is fed bytes and time and hands out bytes. A flow is an HTTP/2 stream. Only the client, the edge, can open one in HTTP/2: so it keeps
// some streams parked, whose requests have been sent and nothing else, and the cloud opens a flow by answering one of them. DATAGRAMs are
// DATA of a stream of their own. See docs/WIRE.md.
//
// Who sends next is decided here (quic::Scheduler), one DATA frame at a time; nghttp2 is asked for one stream's data only. The
// connection's window is extended on receipt and the streams' by their readers, as QUIC's are, so a stalled reader stops only itself.
// Events only record: an implementer of EngineEvents must not call the engine from inside one, except for the calls of streams, which
// only queue. Invariant: once over, close_info() tells why and every stream has failed. Everything happens on one thread.
#pragma once
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/bytes.h"
#include "base/time.h"
#include "net/memory_budget.h"
#include "net/mux.h"
#include "quic/datagram_queue.h"
#include "quic/scheduler.h"

struct nghttp2_session;

namespace fairlead::h2 {

class Engine;
class EngineStream;
class SessionMemory;
struct OwnedHook : ListHook {};    // all streams of an engine
struct RequestHook : ListHook {};  // those whose user wants something

struct EngineSettings {
  std::size_t initial_stream_window = 64_KiB;
  std::size_t max_stream_window = 8_MiB;   // grown for a reader that drains
  std::size_t connection_window = 16_MiB;  // extended on receipt
  std::size_t send_buffer = 256_KiB;       // unsent bytes of one stream before its writer waits
  std::uint32_t max_streams = 4096;        // that the peer may have open
  std::uint32_t first_parked = 32;         // streams that an edge offers at first; doubled whenever half of them are in use at once
  std::uint32_t max_parked = 1024;         // offered at a time
  Duration keep_alive = 10s;               // a PING after so long without one: proxies and NATs forget silent connections after a minute
  Duration probe = 500ms;                  // something was sent: the peer's sign of life is asked for at this pace
  Duration idle_timeout = 150s;            // of silence while a PING is unanswered
  std::uint64_t overload_code = 0;         // with which the stream that holds most is aborted when memory runs out
};

enum class Role : std::uint8_t { edge, cloud };

class EngineEvents {
 public:
  virtual ~EngineEvents() = default;
  virtual void on_stream_opened(std::shared_ptr<EngineStream> stream) = 0;  // by the peer
  virtual void on_readable(EngineStream& stream) = 0;                       // bytes, the end, or a reset
  virtual void on_writable(EngineStream& stream) = 0;                       // room again, or nobody reads any more
  virtual void on_streams_allowed() = 0;                                    // open_stream() may succeed again
  virtual void on_datagram(Bytes payload) = 0;
  virtual void on_closed(const net::MuxClose& close) = 0;  // last event
};

class Engine {
 public:
  // No DATAGRAM is larger: QUIC's own are at most that of a packet.
  static constexpr std::size_t kMaxDatagram = 1500;

  Engine(Role role, const EngineSettings& settings, EngineEvents& events, net::MemoryBudget& budget, TimePoint now);
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;
  ~Engine();

  void feed(Bytes bytes, TimePoint now);
  // The transport's end was read, or it broke: `why` is what it said.
  void transport_ended(std::string why);
  // Appends to `out` what may be sent now, until there are `limit` bytes or a frame more. True when there may be more.
  bool flush(std::vector<std::byte>& out, std::size_t limit, TimePoint now);
  // What is overdue: keep-alive, silence, writers that wait for memory. Call flush() afterwards.
  void expire(TimePoint now);
  TimePoint deadline() const;

  std::shared_ptr<EngineStream> open_stream(net::Priority priority);  // null: no more just now
  // At least one byte. False when something was dropped.
  bool send_datagram(Bytes payload, net::Priority priority, std::uint64_t sender);
  void ping() { ping_wanted_ = true; }
  // Each is said by a GOAWAY, which the next flush() writes.
  void close(std::uint64_t code, std::string_view reason);
  void refuse(std::uint8_t tls_alert, std::string_view reason);

  bool alive() const { return !close_info_; }
  const std::optional<net::MuxClose>& close_info() const { return close_info_; }
  net::MuxStats stats() const;
  TimePoint last_heard() const { return heard_; }
  std::size_t parked() const { return parked_.size(); }  // streams that wait for the cloud to use them

 private:
  friend class EngineStream;
  struct Callbacks;

  std::uint64_t said() const { return stats_.bytes_sent - pings_; }
  void check(int code, std::string_view doing);
  void end(net::MuxClose how);
  void measured(Duration rtt);
  void goaway(std::uint32_t code, std::string_view reason);
  // engine_streams.cpp
  void start_streams();
  std::shared_ptr<EngineStream> adopt(std::int32_t id);
  EngineStream* find(std::int32_t id);
  void park();
  void peer_requested(EngineStream& stream);
  void peer_answered(EngineStream& stream);
  void received(EngineStream& stream, Bytes bytes);
  void finished(EngineStream& stream);
  void closed_by_h2(std::int32_t id, std::uint32_t code);
  void receive_datagrams(Bytes bytes);
  void give_credit(EngineStream& stream, std::size_t n);
  void apply_requests();
  EngineStream* greediest(std::size_t least, TimePoint idle_since);
  void overload(EngineStream& stream);
  void relieve();
  void offer_room();
  void abort_stream(EngineStream& stream, std::uint64_t code);
  std::size_t send_limit(const EngineStream& stream) const;
  void update_ready(EngineStream& stream);
  std::size_t windows(std::int32_t id) const;
  // engine_flush.cpp
  // What nghttp2 is to make a DATA frame of.
  struct Filling {
    std::int32_t id = 0;
    std::size_t size = 0;
    EngineStream* stream = nullptr;  // null: a datagram
    Bytes datagram;
    bool last = false;  // with END_STREAM
  };
  bool write(std::vector<std::byte>& out, std::size_t limit);
  bool take_frames(std::vector<std::byte>& out, std::size_t limit);
  bool write_one(std::vector<std::byte>& out);
  bool write_datagram(quic::DatagramQueue::Lane& lane, std::vector<std::byte>& out);
  bool write_data(bool last, std::vector<std::byte>& out);
  std::ptrdiff_t fill(std::int32_t id, MutableBytes into, std::uint32_t& flags);
  void probe();
  void offer_datagrams();

  const Role role_;
  const EngineSettings settings_;
  EngineEvents& events_;
  quic::StreamMemory memory_;
  std::unique_ptr<SessionMemory> library_;
  TimePoint now_, heard_;
  nghttp2_session* session_ = nullptr;
  quic::Scheduler scheduler_;
  quic::DatagramQueue datagrams_{memory_};
  std::unordered_map<std::int32_t, std::shared_ptr<EngineStream>> streams_;  // that HTTP/2 has
  List<OwnedHook> all_;                                                      // those and the ones that only their user has
  List<RequestHook> requests_;
  std::deque<std::int32_t> parked_;
  std::uint32_t parked_target_;
  std::uint32_t opened_by_peer_ = 0, opened_by_us_ = 0;  // and not closed
  std::int32_t datagram_stream_ = 0;                     // 0: there is none yet
  std::vector<std::byte> partial_;                       // of a datagram that has not come whole
  Filling filling_;
  bool filled_ = false;
  bool goaway_said_ = false, goaway_due_ = false;
  bool ping_wanted_ = false, ping_out_ = false;
  bool tell_allowed_ = false;
  TimePoint pinged_{};                                 // when the last one was sent
  std::uint64_t pings_ = 0;                            // bytes of PINGs and of answers to them: they call for no further one
  std::uint64_t said_at_ping_ = 0, acknowledged_ = 0;  // said() at the last PING, at the last one that was answered
  bool closed_ = false;                                // a flow, and what was sent since then is not counted yet
  std::uint64_t said_at_close_ = 0;                    // said() when the last flow had closed
  TimePoint ask_memory_at_ = TimePoint::max();
  net::MuxStats stats_;
  std::optional<net::MuxClose> close_info_;
  std::string failure_;  // what nghttp2 said
};

}  // namespace fairlead::h2
