// edge_paths.h: by which of its addresses and interfaces an edge talks to the cloud, and when it moves to another.
//
// Without uplinks the routing table decides, and what is sent goes by the new way as soon as that has changed. When it gives another source
// address, or a way again after there was none, something is sent at once, so that the cloud follows as it does when a NAT has rebound. By
// another interface the connection migrates, with new ids: it may go there and back before the cloud has checked the first path.
// With uplinks each stands by with a socket over which the cloud is asked for a sign of life (uplink.h). So a switch takes that very
// socket and asks nobody first. The connection leaves an uplink that is down, or silent while another is not, at once; and for a better
// one when that has been so for some rounds.
// Invariant: the endpoint that is in use sends by `route()`, as far as that is known. Belongs to one loop.
#pragma once
#include <array>
#include <vector>

#include "link/uplink.h"
#include "quic/endpoint.h"
#include "runtime/timer.h"

namespace fairlead::link {

// Why a connection moved.
enum class MoveReason : std::uint8_t { address, interface, returned, down, silent, better };
inline constexpr std::size_t kMoveReasons = 6;
std::string_view name(MoveReason reason);

struct UplinkStatus {
  std::string device;
  bool in_use = false;
  bool usable = false;  // has a way to the cloud, as far as the system knows
  bool alive = false;   // and the cloud answers
  Duration rtt{};
  double loss = 0;
  std::uint64_t probes = 0, probes_lost = 0;
};

struct PathsStatus {
  std::optional<net::LocalRoute> route;  // none: no way to the cloud, or not asked yet
  std::array<std::uint64_t, kMoveReasons> moves{};
  std::vector<UplinkStatus> uplinks;
};

class EdgePaths {
 public:
  struct Options {
    std::vector<std::string> uplinks;  // interfaces; of those that are as good the first
    Duration probe_every = 10s;        // of each uplink; under the 30 s after which many NATs forget
  };

  static constexpr Duration kSettle = 20ms;  // changes of routes so close together are one
  // So that the cloud can check one path before the next: packets of a move in mid-check may be lost.
  static constexpr Duration kBetweenMoves = 1s;
  static constexpr Duration kFirstAnswer = 1s;  // before a dial the uplinks have so long to answer
  static constexpr Duration kLookAtSilence = 100ms;
  static constexpr Duration kUneasyAfter = 250ms;  // and a round trip, of silence with an answer due: all uplinks are asked
  static constexpr Duration kSilentAfter = 400ms;  // and two: it is left, if another has answered since
  static constexpr Duration kDesperateAfter = 2s;  // and where probes were never answered by any, another is tried
  static constexpr Duration kDwell = 30s;          // before a switch to a better one
  static constexpr std::size_t kRoundsBetter = 3;
  static constexpr double kBetter = 1.5;  // times the cost, and kBetterBy
  static constexpr Duration kBetterBy = 5ms;

  EdgePaths(Loop& loop, net::Network& network, Options options);

  // The cloud is to be dialled at this address. Code::unreachable when there is no way to it: dialling would be in vain, and pause() tells
  // when that has changed. With uplinks: waits for the first that answers, not for long, and chooses it.
  Task<Result<void>> prepare(net::SocketAddress cloud);
  // A new endpoint, nothing dialled yet; it outlives this or the next call of release().
  void use(quic::Endpoint& endpoint);
  // The connection on it, whose silence is watched; it is there until release(), or a call with null.
  void watch(net::MuxConnection* connection) { connection_ = connection; }
  void release();
  // Waits so long, or until there may be a way where none was, or another: then true, at once if that came since the last prepare().
  Task<bool> pause(Duration limit);

  const std::optional<net::LocalRoute>& route() const { return active_ != nullptr ? active_->route() : route_; }
  PathsStatus status() const;

 private:
  Task<void> follow();
  Task<void> ask_uplinks();
  Task<void> watch_silence();
  void look();
  void look_at_table();
  void look_at_uplinks();
  void compare();
  void look_at_silence();
  void ask_all();
  Uplink* best(const Uplink* other_than, TimePoint answered_since = {}) const;
  Uplink* next_usable(const Uplink* after) const;
  TimePoint next_move() const { return moved_at_ == TimePoint{} ? moved_at_ : moved_at_ + kBetweenMoves; }
  void move(MoveReason reason, Uplink& to);
  void moved(MoveReason reason);
  static Result<std::unique_ptr<net::DatagramSocket>> socket_of(Uplink& uplink);

  Loop& loop_;
  net::Network& network_;
  const Options options_;
  std::optional<net::SocketAddress> cloud_;
  quic::Endpoint* endpoint_ = nullptr;
  net::MuxConnection* connection_ = nullptr;
  std::optional<net::LocalRoute> route_;  // without uplinks
  std::vector<std::unique_ptr<Uplink>> uplinks_;
  Uplink* active_ = nullptr;      // of uplinks_
  Uplink* last_tried_ = nullptr;  // when none answered
  Uplink* better_ = nullptr;      // was so in the last rounds,
  std::size_t rounds_better_ = 0;
  TimePoint moved_at_{};
  TimePoint idle_at_{};    // nothing was due then
  TimePoint uneasy_at_{};  // all were asked because of silence
  std::array<std::uint64_t, kMoveReasons> moves_{};
  std::uint64_t news_ = 0, news_when_prepared_ = 0;
  WaitQueue news_came_, answered_;
  MoveReason postponed_reason_ = MoveReason::address;
  Timer postponed_;
  std::unique_ptr<net::RouteWatch> watch_;
  Scope tasks_;  // last
};

}  // namespace fairlead::link
