// stateless.h: packets that are read and answered without a connection: whose a datagram is, version negotiation, Retry, stateless
// reset, refusal, address tokens (RFC 8999; RFC 9000 5.2, 6, 8.1, 10.3).
//
// Everything here is about datagrams of strangers. Invariant: no answer is longer than what it answers, so nobody is amplified.
#pragma once
#include <optional>
#include <span>
#include <vector>

#include "base/time.h"
#include "net/address.h"
#include "quic/connection_id.h"

namespace fairlead::quic::stateless {

constexpr std::size_t kMinInitial = 1200;    // of the datagram: RFC 9000 14.1
constexpr std::size_t kMinInitialDcid = 8;   // RFC 9000 7.2
constexpr Duration kRetryTokenLife = 15s;    // a round trip, and what a slow client adds
constexpr Duration kAddressTokenLife = 24h;  // NEW_TOKEN: an edge that was away for a day may prove its address again
constexpr std::size_t kMaxReset = 43;        // longer ones look no more like a packet: RFC 9000 10.3

// What the version-independent head of a packet says (RFC 8999).
struct Head {
  enum class Kind : std::uint8_t { short_header, long_header, other_version, version_negotiation };
  Kind kind = Kind::short_header;
  std::uint32_t version = 0;
  Bytes dcid, scid;  // in place; of another version up to 255 bytes
};
// Nothing when it is no QUIC packet. A short header is taken to have an id of ours.
std::optional<Head> read_head(Bytes datagram);

struct Initial {
  std::uint32_t version = 0;
  ConnectionId dcid, scid;
  Bytes token;  // in place; empty: none
};
// The first Initial of a datagram that may open a connection, or nothing.
std::optional<Initial> read_initial(Bytes datagram);

enum class TokenCheck : std::uint8_t {
  none,       // no token, or one that proves nothing: as if the client had come without
  proved,     // NEW_TOKEN: the address is the client's
  retried,    // from our Retry: the address is the client's, `original_dcid` what it first sent
  bad_retry,  // claims to be from a Retry and is not valid: INVALID_TOKEN (RFC 9000 8.1.3)
};
struct Token {
  TokenCheck check = TokenCheck::none;
  ConnectionId original_dcid;
};
Token check_token(const Initial& initial, const net::SocketAddress& from, Bytes secret, WallTime now);

std::vector<std::byte> version_negotiation(const Head& head);
// `scid`: our new id, to which the client will send its next Initial.
std::vector<std::byte> retry(const Initial& initial, const ConnectionId& scid, const net::SocketAddress& from, Bytes secret, WallTime now);
// CONNECTION_CLOSE in an Initial packet (RFC 9000 20.1).
constexpr std::uint64_t kConnectionRefused = 0x2;
constexpr std::uint64_t kInvalidToken = 0xb;
std::vector<std::byte> refusal(const Initial& initial, std::uint64_t code);
// Shorter than the `trigger` bytes that it answers; empty when those are too few.
std::vector<std::byte> reset(std::size_t trigger, const StatelessResetToken& token);

}  // namespace fairlead::quic::stateless
