// flow.h: one conversation across the link.
//
// The opener may send payload at once; it goes out together with FlowOpen. The acceptor answers once, with accept() when its service
// is really connected, or with refuse(). The flow is over when both halves are shut or either side aborts. It lives on one loop;
// destroying an open Flow aborts what is open (CANCELLED).
#pragma once
#include <memory>
#include <string>

#include "link/datagrams.h"
#include "link/refusal.h"
#include "net/mux.h"
#include "runtime/loop.h"

namespace fairlead::link {

// What a session counts of its flows. Shared by the session and its flows, since either may go first.
struct FlowTally {
  std::string peer;          // the other side: a node's name, or "cloud"
  std::uint64_t open = 0;    // now
  std::uint64_t opened = 0;  // ever
  std::uint64_t refused = 0;
  std::uint64_t bytes_in = 0, bytes_out = 0;  // payload
  std::uint64_t datagrams_in = 0, datagrams_out = 0;
  std::uint64_t datagrams_dropped = 0;  // on this side: pushed out, or too large when they were to be sent
};

class Flow {
 public:
  // A flow that sends so much without a pause is a transfer, whatever its rule says, and must not delay those that are not.
  static constexpr std::size_t kBulkAfter = 512_KiB;
  static constexpr Duration kPause = 200ms;  // so long with nothing to send, and it has its own class again
  // Datagrams have no pauses to tell a call from a transfer, so it goes by their rate: more than this (8 Mbit/s) for more than kBulkAfter.
  static constexpr double kBulkRate = 1024.0 * 1024.0;  // bytes a second

  Flow(Loop& loop, std::unique_ptr<net::MuxStream> stream, wire::FlowOpen open, FlowId id, std::shared_ptr<FlowTally> tally);
  ~Flow();
  Flow(const Flow&) = delete;
  Flow& operator=(const Flow&) = delete;

  const wire::FlowOpen& head() const { return open_; }
  FlowId id() const { return id_; }
  Loop& loop() const { return loop_; }
  const std::string& peer() const { return tally_->peer; }

  // Session::open's: the frame of FlowOpen, which is not payload.
  Task<Result<void>> write_head(Bytes frame) { return stream_->write(frame); }
  // Opener: the far side's answer. Must be had before the first peek().
  Task<FlowResult<wire::FlowReply>> reply();
  // Acceptor: exactly one of these.
  Task<Result<void>> accept(std::string head = {});
  Task<void> refuse(Refusal refusal);

  // Payload, as net::MuxStream has it.
  Task<Result<Bytes>> peek();
  void consume(std::size_t n);
  Task<Result<MutableBytes>> prepare() { return stream_->prepare(); }
  void commit(std::size_t n);
  Task<Result<void>> write(Bytes bytes);
  Result<void> shut();
  void abort(FlowCode why);
  bool has_room() const { return stream_->has_room(); }
  std::size_t undelivered() const { return stream_->undelivered(); }
  // Datagrams, of a flow with FlowOpen::datagrams; most users want a DatagramChannel. `port`: from the session, before anybody uses it.
  void carry_datagrams(DatagramPort port) { port_ = std::move(port); }
  bool has_datagrams() const { return port_.inbox != nullptr; }
  DatagramInbox& datagrams() { return *port_.inbox; }
  const DatagramInbox& datagrams() const { return *port_.inbox; }
  std::size_t max_datagram() const { return port_.sender->max_size(); }
  // False: too large, or another one had to go for it.
  bool send_datagram(Bytes payload);
  void count_datagram(std::size_t n);  // that was taken from the inbox
  // The next length-prefixed record of the stream; none at its end.
  Task<Result<std::optional<std::vector<std::byte>>>> read_record(std::size_t limit);

  // Ends when the peer aborts or the session is over.
  Task<Error> broken() { return stream_->broken(); }
  // Why the peer aborted; CANCELLED if it did not say, LINK_DOWN if it did not abort.
  FlowCode peer_code() const;

  std::uint64_t bytes_in() const { return bytes_in_; }
  std::uint64_t bytes_out() const { return bytes_out_; }

 private:
  void classify(std::size_t n);
  net::Priority class_of_datagram(std::size_t n);

  Loop& loop_;
  std::unique_ptr<net::MuxStream> stream_;
  wire::FlowOpen open_;
  FlowId id_;
  std::shared_ptr<FlowTally> tally_;
  net::Priority own_class_;
  bool bulk_ = false;
  bool aborted_ = false, shut_ = false;
  std::size_t run_ = 0;  // bytes sent without a pause
  TimePoint last_sent_{};
  double level_ = 0;  // datagram bytes beyond kBulkRate
  bool flood_ = false;
  DatagramPort port_;
  std::uint64_t bytes_in_ = 0, bytes_out_ = 0;
};

net::Priority priority_of(TrafficClass c);

// The frame at the front of `stream`, consumed. Code::closed when the stream ends inside or before it.
Task<Result<std::vector<std::byte>>> read_frame(net::MuxStream& stream, std::size_t limit = wire::kMaxFrame);

}  // namespace fairlead::link
