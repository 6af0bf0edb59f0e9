// endpoint_impl.h: the inside of an Endpoint, in two parts: what is on the socket (endpoint.cpp) and what strangers get
// (strangers.cpp). Nobody else includes this.
//
// A turn: the receive task feeds a burst, engines record events, tasks run, and the flush at the end of the turn writes for every
// connection that was touched. Invariant: a connection is in `connections_` exactly as long as `ids_` may lead to it.
#pragma once
#include <unordered_map>

#include "quic/cid_map.h"
#include "quic/endpoint.h"
#include "quic/live_connection.h"
#include "quic/outbox.h"
#include "quic/stateless.h"
#include "runtime/timer.h"

namespace fairlead::quic {

class Endpoint::Impl final : public ConnectionHost {
 public:
  // One look at the socket: with merged datagrams a few system calls, and under half a millisecond of decryption.
  static constexpr std::size_t kBurst = 256;
  // A saturated socket never lets the turn end, so after so many bursts the answers go out all the same.
  static constexpr int kBurstsPerFlush = 2;
  // Written in one turn at most: about a millisecond, so that timers and other sockets get theirs.
  static constexpr std::uint64_t kBytesPerTurn = 1_MiB;
  // A socket that was replaced is read for so long, so that what was under way to it is not lost; and a client whose handshake is not
  // yet confirmed may not migrate (RFC 9000 9) and finishes that on the old one.
  static constexpr Duration kRetireAfter = 3s;
  static constexpr std::size_t kMaxRetired = 4;

  Impl(Loop& loop, std::unique_ptr<net::DatagramSocket> socket, EndpointSettings settings, EndpointSecrets secrets,
       net::MemoryBudget& process, std::size_t session_memory, StrayRouter* strays);
  ~Impl();

  void serve(Server server);
  void stop_serving();
  Task<Result<std::unique_ptr<net::MuxConnection>>> accept();
  Task<Result<std::unique_ptr<net::MuxConnection>>> connect(net::SocketAddress to, ClientOptions options);
  void feed_stray(const net::Datagram& datagram);
  void rebind(std::unique_ptr<net::DatagramSocket> socket);
  void renew_sockets_by(MakeSocket make) { make_socket_ = std::move(make); }
  Result<void> renew_socket();
  const net::SocketAddress& local() const { return port_->socket->local(); }
  std::size_t connections() const { return open_; }
  const Counters& counters() const { return counters_; }

 private:
  struct Port {
    Port(Loop& loop, std::unique_ptr<net::DatagramSocket> s) : socket(std::move(s)), receiving(loop) {}
    std::unique_ptr<net::DatagramSocket> socket;
    TimePoint retired_at{};
    Scope receiving;  // last: its task uses the socket
  };
  struct FlushAtTurnEnd : Ready {
    explicit FlushAtTurnEnd(Impl& e) : Ready(&run), endpoint(e) {}
    static void run(Ready& self) { static_cast<FlushAtTurnEnd&>(self).endpoint.flush(); }
    Impl& endpoint;
  };

  void open_port(std::unique_ptr<net::DatagramSocket> socket);
  Task<void> receive(Port& port);
  void close_retired();
  // `port` is null for a datagram that another loop passed on.
  void take(const net::Datagram& datagram, const Port* port);
  void feed(LiveConnection& connection, const net::Datagram& datagram, const Port* port);
  void schedule_flush();
  void flush();
  void flush(LiveConnection& connection, TimePoint now);
  // The replaced socket by which a client that has not migrated yet still talks; null: the present one.
  net::DatagramSocket* old_socket_of(const LiveConnection& connection) const;
  void drop(LiveConnection& connection);

  // Strangers.
  void meet(const net::Datagram& datagram, const stateless::Head& head);
  void meet_initial(const net::Datagram& datagram);
  void start_server(const net::Datagram& datagram, const stateless::Initial& initial, const stateless::Token& token);
  void answer(const net::Datagram& datagram, Bytes packet);
  bool may_send_reset();

  void wants_flush(LiveConnection& connection) override;
  void id_added(LiveConnection& connection, const ConnectionId& id) override { ids_.put(id, connection); }
  void id_removed(LiveConnection& connection, const ConnectionId& id) override { ids_.erase(id, connection); }
  void reset_token_changed(LiveConnection& connection, const StatelessResetToken& token, bool valid) override;
  void handshake_done(LiveConnection& connection) override;
  void closed(LiveConnection& connection) override;
  void path_stuck(LiveConnection& connection) override;
  void renew_stuck();

  Loop& loop_;
  const EndpointSettings settings_;
  const EndpointSecrets secrets_;
  LoopCids cids_;
  net::MemoryBudget& process_;
  const std::size_t session_memory_;
  StrayRouter* const strays_;
  Counters counters_;

  std::optional<Server> server_;
  bool stopped_ = false;
  WaitQueue acceptable_;
  List<AcceptHook> accept_queue_;
  std::size_t accept_queue_size_ = 0;
  std::size_t half_open_ = 0;
  std::size_t open_ = 0;
  TimePoint reset_second_{};  // when the present second of the limit on resets began
  std::size_t resets_this_second_ = 0;

  CidMap<LiveConnection> ids_;
  CidMap<LiveConnection> reset_tokens_;  // of peers; a token fits into an id
  std::unordered_map<LiveConnection*, std::shared_ptr<LiveConnection>> connections_;
  List<FlushHook> dirty_;
  FlushAtTurnEnd flush_hook_;
  Timer go_on_;  // with a flush that stopped at its limit
  int bursts_ = 0;
  TimePoint now_{};  // of the burst that is being fed

  std::unique_ptr<Port> port_;
  std::deque<std::unique_ptr<Port>> retired_;
  Timer retire_;
  MakeSocket make_socket_;
  TimePoint renew_from_{};  // not before
  Timer renew_;
  Outbox outbox_;  // uses port_'s socket
};

}  // namespace fairlead::quic
