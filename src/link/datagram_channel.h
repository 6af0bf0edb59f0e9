// datagram_channel.h: the datagrams of a flow, whatever their size: small ones as DATAGRAMs, and those that are too large, if the user
// wishes it, as records in the flow's stream (a length and that many bytes), which come later than the others and are never lost.
//
// Sending never waits. A carrier without DATAGRAMs has them all in the stream. The channel owns the flow's payload: nobody else reads or
// writes it. The opener must have had the reply before read_stream(); the acceptor holds its records until it has sent one.
#pragma once
#include <deque>

#include "link/flow.h"
#include "runtime/scope.h"

namespace fairlead::link {

class DatagramChannel {
 public:
  // What waits for the stream at once: a few of the largest. Beyond, the oldest is dropped.
  static constexpr std::size_t kMaxStreamed = 256_KiB;

  enum class Sent : std::uint8_t { datagram, record, dropped };
  struct Counters {
    std::uint64_t sent = 0, received = 0;
    std::uint64_t bytes_sent = 0, bytes_received = 0;
    std::uint64_t records_sent = 0;  // of them, in the stream
    std::uint64_t too_large = 0;     // dropped: no DATAGRAM holds them, and the stream is not allowed
    std::uint64_t pushed_out = 0;    // dropped on this side: older ones for which there was no more room
  };

  DatagramChannel(Flow& flow, bool large_in_stream) : flow_(flow), large_in_stream_(large_in_stream), tasks_(flow.loop()) {}

  Sent send(Bytes payload);
  // Records wait, until release_records().
  void hold_records() { held_ = true; }
  void release_records();
  // From now on records are taken from the stream, and its end ends the channel.
  void read_stream();
  bool shut_by_peer() const { return shut_by_peer_; }  // that is why it ended, in good order
  // Returns when one waits, or tells how the flow ended.
  Task<Result<void>> arrived() { return flow_.datagrams().arrived(); }
  std::optional<ReceivedDatagram> take();
  Counters counters() const;
  Flow& flow() { return flow_; }

 private:
  Task<void> read_records();
  Task<void> write_records();

  Flow& flow_;
  const bool large_in_stream_;
  std::deque<std::vector<std::byte>> streamed_;
  std::size_t streamed_bytes_ = 0;
  bool writing_ = false, held_ = false;
  bool shut_by_peer_ = false;
  Counters counters_;
  Scope tasks_;
};

}  // namespace fairlead::link
