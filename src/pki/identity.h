// identity.h: who is at the other end. The one check that every carrier makes after every handshake, resumed ones too.
//
// TLS itself only proves that the peer holds the key of the certificate it showed (in QUIC the verify callback is skipped on resumption,
// and its alert is lost), so nothing is taken from a peer before check_peer() has returned an Identity.
#pragma once
#include <cstdint>
#include <expected>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>

#include "base/bytes.h"
#include "base/ids.h"
#include "base/time.h"
#include "pki/certificate.h"
#include "pki/refusal.h"
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

// Whom the caller wants at the other end.
struct ExpectEdge {};
struct ExpectCloud {
  std::string host;  // the DNS name or IP address that was dialled, without port and brackets
};
using Expectation = std::variant<ExpectEdge, ExpectCloud>;

using PeerCertificateChain = std::span<const Bytes>;  // DER, the peer's own first, as TLS delivers it; empty: it showed none

// `now`: this machine's calendar time. Reads `der_chain` only during the call; any thread. Of several reasons the first of
// RefusalReason's order is given, so that a stranger's certificate is asked for nothing but its CA.
std::expected<Identity, Refusal> check_peer(PeerCertificateChain der_chain, const TrustStore& trust, const Expectation& expected,
                                            const RevocationList& revoked, WallTime now);

// For a session that is up: refused as soon as its certificate is on the list or has expired. Costs three hash look-ups.
std::optional<Refusal> refuse_if_ended(const Identity& peer, const RevocationList& revoked, WallTime now);

}  // namespace fairlead::pki

template <>
struct fmt::formatter<fairlead::pki::Identity> : fairlead::TextFormatter {  // "node edge-a", "cloud at cloud.example"
  auto format(const fairlead::pki::Identity& i, fmt::format_context& ctx) const {
    return text(i.node ? "node " + i.node->value() : "cloud at " + i.host, ctx);
  }
};
