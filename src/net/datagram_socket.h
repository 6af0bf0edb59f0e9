// datagram_socket.h: UDP in bursts, with what QUIC needs: ECN marks, the local address of each packet, segmentation offload.
//
// Never blocks: sending to a full queue is a lost packet or `would_block`, as the caller wishes. Datagrams are not fragmented
// (DF is set) unless the options say so: one that is too large for the path is lost or refused with too_large.
#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "base/bytes.h"
#include "base/function_ref.h"
#include "net/address.h"
#include "runtime/task.h"

namespace fairlead::net {

enum class Ecn : std::uint8_t { not_ect = 0, ect1 = 1, ect0 = 2, ce = 3 };  // RFC 3168, the two low bits of the traffic class

// One received datagram. `payload` is valid during the call that hands it out.
struct Datagram {
  SocketAddress from;
  SocketAddress to;  // the local address that it was sent to, even when the socket is bound to 0.0.0.0 or [::]
  Ecn ecn = Ecn::not_ect;
  Bytes payload;
};

// Datagrams of equal size for one sendmsg (UDP_SEGMENT): all of `segment` bytes but the last, which may be shorter.
// At most kMaxSegments of them and kMaxBatch bytes in all.
struct DatagramBatch {
  static constexpr std::size_t kMaxSegments = 64;   // the kernel's UDP_MAX_SEGMENTS
  static constexpr std::size_t kMaxBatch = 65'000;  // under 64 KiB with every header
  SocketAddress to;
  IpAddress from;  // source address; unspecified: the system's choice
  Ecn ecn = Ecn::not_ect;
  Bytes data;
  std::size_t segment = 0;
};

enum class SendOutcome : std::uint8_t { sent, would_block, too_large, failed };

struct DatagramOptions {
  bool reuse_port = false;
  std::size_t receive_buffer = 8_MiB;  // asked for; the system may give less, see receive_buffer()
  std::size_t send_buffer = 8_MiB;
  bool offload = true;  // GSO and GRO where the kernel has them
  // Datagrams larger than the path's MTU are sent in fragments, as sockets of applications do it, instead of being lost or refused.
  bool fragment = false;
  std::string device;  // sends and receives only by this interface (SO_BINDTODEVICE); empty: by any
};

class DatagramSocket {
 public:
  virtual ~DatagramSocket() = default;

  // Returns when something can be received. At most one coroutine waits.
  virtual Task<void> readable() = 0;
  // Hands out what waits, at most about `limit` datagrams, without waiting. Returns how many.
  virtual std::size_t receive(std::size_t limit, FunctionRef<void(const Datagram&)> sink) = 0;
  virtual SendOutcome send(const DatagramBatch& batch) = 0;
  // Returns when a send that would have blocked may be tried again. At most one coroutine waits.
  virtual Task<void> writable() = 0;

  // Of a connected socket (Network::connect_datagrams): that the peer, or the way to it, said no to what was sent. Told once.
  virtual std::optional<Error> take_error() { return std::nullopt; }

  virtual const SocketAddress& local() const = 0;
  virtual std::size_t receive_buffer() const = 0;  // bytes that the system really gave
  // Of the kernel; -1 where there is none. For steering options that only the endpoint's owner knows (SO_ATTACH_REUSEPORT_CBPF).
  virtual int native_handle() const = 0;
};

}  // namespace fairlead::net
