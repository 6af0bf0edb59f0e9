// identity.h: who is at the other end. The one check that every carrier makes after every handshake, resumed ones too.
//
// TLS itself only proves that the peer holds the key of the certificate it showed (in QUIC the verify callback is skipped on resumption,
// and its alert is lost), so nothing is taken from a peer before check_peer() has returned an Identity. A Refusal is closed with as
// TLS alert number + text, so that the other side can show its user why: RFC 8446, 6.2; in QUIC CRYPTO_ERROR 0x0100 + alert.
#pragma once
#include <cstdint>
#include <expected>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>

#include "base/bytes.h"
#include "base/error.h"
#include "base/ids.h"
#include "base/time.h"
#include "pki/certificate.h"
#include "pki/revocation.h"
#include "pki/trust.h"

namespace fairlead::pki {

enum class Role : std::uint8_t { cloud, edge };
std::string_view name(Role role);

// Whom the certificate names; true at the time of the check.
struct Identity {
  Role role;
  std::optional<NodeName> node;  // edges have one, the cloud none
  std::string host;              // the cloud: what was dialled, as its certificate confirmed it; edges: ""
  Fingerprint fingerprint;
  Serial serial;
  WallTime not_after;
};

enum class RefusalReason : std::uint8_t {
  no_certificate,  // the peer showed none
  malformed,       // not a certificate, or one with fields that cannot be
  wrong_ca,        // not issued by a CA of our trust store
  expired,
  not_yet_valid,
  revoked,
  wrong_usage,     // a certificate for something else: a server's where an edge's is due, a CA's, ...
  wrong_name,      // another host than was dialled; an edge's that names no node
};
std::string_view name(RefusalReason reason);

struct Refusal {
  RefusalReason reason;
  std::string message;   // for our own log and user: what happened and what to do
  std::string for_peer;  // the same for the user of the other side; says nothing that the peer must not know

  std::uint8_t alert() const;        // the TLS alert to close with
  std::string close_text() const;    // the reason phrase to close with: "NAME: for_peer", at most kMaxCloseText bytes
  Error error() const;               // Code::unauthenticated

  static constexpr std::size_t kMaxCloseText = 400;  // with the frame's head it fits a packet of 1200 bytes beside an ACK

  // What the other side closed with, read back: nullopt if the alert is none of ours (a TLS failure of another kind). The text is not
  // trusted: cut to kMaxCloseText, and what is not printable is replaced.
  static std::optional<Refusal> from_close(std::uint8_t alert, std::string_view text);
};

// Whom the caller wants at the other end.
struct ExpectEdge {};
struct ExpectCloud {
  std::string host;  // the DNS name or IP address that was dialled, without port and brackets
};
using Expectation = std::variant<ExpectEdge, ExpectCloud>;

using PeerCertificateChain = std::span<const Bytes>;  // DER, the peer's own first, as TLS delivers it; empty: it showed none

// `now`: this machine's calendar time. Reads `der_chain` only during the call. Costs about 0.2 ms (one or two signatures).
std::expected<Identity, Refusal> check_peer(PeerCertificateChain der_chain, const TrustStore& trust, const Expectation& expected,
                                            const RevocationList& revoked, WallTime now);

// For a session that is up: refused as soon as its certificate has expired or is on the list. Costs three hash look-ups.
std::optional<Refusal> refuse_if_ended(const Identity& peer, const RevocationList& revoked, WallTime now);

}  // namespace fairlead::pki

template <>
struct fmt::formatter<fairlead::pki::Identity> : fairlead::TextFormatter {  // "node edge-a", "cloud at cloud.example"
  auto format(const fairlead::pki::Identity& i, fmt::format_context& ctx) const {
    return text(i.node ? "node " + i.node->value() : "cloud at " + i.host, ctx);
  }
};
