// refusal.h: why a peer is not let in: one enum, one sentence for each side, and how both travel in a close.
//
// A Refusal is closed with as TLS alert number + text, so that the other side can show its user why (RFC 8446, 6.2; in QUIC it is
// CRYPTO_ERROR 0x0100 + alert with a reason phrase: RFC 9001, 4.8).
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"

namespace fairlead::pki {

enum class RefusalReason : std::uint8_t {
  no_certificate,  // the peer showed none
  malformed,       // not a certificate, or one with fields that cannot be
  wrong_ca,        // not issued by a CA of our trust store
  revoked,
  expired,
  not_yet_valid,
  wrong_usage,  // a certificate for something else: a server's where an edge's is due, a CA's, ...
  wrong_name,   // another host than was dialled; an edge's that names no node
};
std::string_view name(RefusalReason reason);

struct Refusal {
  static constexpr std::size_t kMaxCloseText = 400;  // with the frame's head it fits a packet of 1200 bytes beside an ACK

  RefusalReason reason;
  std::string message;   // for our own log and user: what happened and what to do
  std::string for_peer;  // the same for the user of the other side; says nothing that the peer must not know

  std::uint8_t alert() const;      // the TLS alert to close with
  std::string close_text() const;  // the reason phrase to close with: "REASON: for_peer", printable ASCII, at most kMaxCloseText bytes
  Error error() const;             // Code::unauthenticated

  // What the other side closed with, read back: nullopt if the alert is none of ours (a TLS failure of another kind). The text is not
  // trusted: cut to kMaxCloseText, and what is not printable is replaced. for_peer is empty.
  static std::optional<Refusal> from_close(std::uint8_t alert, std::string_view text);
};

}  // namespace fairlead::pki
