// probe_message.h: what travels on a probe connection, as values that are valid: proto/fairlead/v1/probe.proto on one side, these on the
// other. encode() gives a whole frame; decode_* takes a frame's body and refuses what cannot be.
#pragma once
#include <optional>
#include <vector>

#include "base/bytes.h"
#include "base/error.h"
#include "base/time.h"
#include "net/mux.h"

namespace fairlead::doctor {

inline constexpr std::string_view kProbeAlpn = "fairlead-probe/1";
// Longer than the most thorough transfer; a WAKE is limited by what a session may be silent.
inline constexpr Duration kMaxTransfer = 30s;
inline constexpr Duration kMaxWake = 125s;
// Bulk is held back as soon as packets wait on the way; a transfer is to show what the way carries.
inline constexpr net::Priority kTransferPriority = net::Priority::interactive;

enum class ProbeKind : std::uint8_t { where = 1, source = 2, sink = 3, wake = 4 };
enum class ProbeCode : std::uint8_t { ok = 0, bad_request = 1, busy = 2 };

struct ProbeRequest {
  ProbeKind kind = ProbeKind::where;
  std::uint64_t bytes = 0;
  Duration time{};
};
struct ProbeAnswer {
  ProbeCode code = ProbeCode::ok;
  std::string sentence;
  WallTime clock{};
  std::string address;
  std::uint64_t datagrams = 0;
  std::uint64_t bytes = 0;
  Duration time{};
  std::size_t udp_payload = 0;
  std::string software;
};

std::vector<std::byte> encode(const ProbeRequest& request);
std::vector<std::byte> encode(const ProbeAnswer& answer);
Result<ProbeRequest> decode_probe_request(Bytes body);
Result<ProbeAnswer> decode_probe_answer(Bytes body);

// Datagrams: a kind and numbers of fixed size, so that all have one length. The cloud sends an `echo` back as an `echoed`, with how many
// have come so far.
struct ProbeDatagram {
  enum class Kind : std::uint8_t { echo = 1, echoed = 2, wake = 3 };
  static constexpr std::size_t kSize = 1 + 4 + 8 + 4;
  Kind kind = Kind::echo;
  std::uint32_t number = 0;
  std::uint64_t sent_ns = 0;  // by the sender's own clock; comes back as it was
  std::uint32_t come = 0;
};
std::vector<std::byte> encode(const ProbeDatagram& datagram);
std::optional<ProbeDatagram> decode_probe_datagram(Bytes bytes);

}  // namespace fairlead::doctor
