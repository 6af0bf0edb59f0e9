#include "pki/identity.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "pki/gnutls_raii.h"
#include "pki/names.h"
#include "pki/printable.h"

namespace fairlead::pki {
namespace {

using Reason = RefusalReason;

// How the two sides are called in the sentences.
struct Sides {
  std::string peer;     // "the cloud at cloud.example", "an edge", "node edge-a"
  std::string_view us;  // as the peer would say
  bool peer_is_cloud;
  std::string_view renew;  // what the peer's owner is to do to get another certificate
};

constexpr std::string_view kIssueEdge = "issue the edge a new folder in the cloud (`fairlead cert issue`)";
constexpr std::string_view kIssueCloud = "give the cloud a certificate that its edges accept (`fairlead cert renew`)";

Sides sides_for(const Expectation& expected) {
  if (const auto* cloud = std::get_if<ExpectCloud>(&expected))
    return {"the cloud at " + printable(cloud->host), "the edge", true, kIssueCloud};
  return {"an edge", "the cloud", false, kIssueEdge};
}

std::string to_the_second(WallTime at) { return to_rfc3339(at).substr(0, 19) + "Z"; }

Refusal no_certificate(const Sides& s) {
  return {Reason::no_certificate, fmt::format("{} showed no certificate: {}", s.peer, s.renew),
          fmt::format("{} saw no certificate from you: {}", s.us, s.renew)};
}

Refusal malformed(const Sides& s, const std::string& why) {
  return {Reason::malformed, fmt::format("the certificate of {} is malformed ({}): {}", s.peer, printable(why), s.renew),
          fmt::format("your certificate is malformed ({}): {}", printable(why), s.renew)};
}

Refusal wrong_ca(const Sides& s, const Certificate& leaf, const TrustStore& trust) {
  const std::string issuer = printable(leaf.issuer());
  return {
      Reason::wrong_ca,
      fmt::format("the certificate of {} is from another CA (\"{}\"; trusted here: {}): {}", s.peer, issuer, trust.fingerprints(),
                  s.peer_is_cloud ? "check that this is the right cloud; if it is, copy its ca.pem here" : s.renew),
      fmt::format("{} does not trust the CA of your certificate (\"{}\"): {}", s.us, issuer,
                  s.peer_is_cloud ? "the edge belongs to another cloud, or needs the ca.pem of this one"
                                  : "the edge belongs to another cloud, or needs a folder that this cloud issues (`fairlead cert issue`)")};
}

Refusal expired(const Sides& s, std::string_view whose, WallTime end, WallTime now) {
  return {Reason::expired,
          fmt::format("the {} of {} expired at {}; your clock says {}: {}, or set your clock if it is wrong", whose, s.peer,
                      to_the_second(end), to_the_second(now), s.renew),
          fmt::format("your {} expired at {}; the clock of {} says {}: {}, or set that clock if it is wrong", whose, to_the_second(end),
                      s.us, to_the_second(now), s.renew)};
}

Refusal not_yet_valid(const Sides& s, std::string_view whose, WallTime begin, WallTime now) {
  return {Reason::not_yet_valid,
          fmt::format("the {} of {} is valid only from {}; your clock says {}: set your clock (NTP) if it is wrong, or wait", whose, s.peer,
                      to_the_second(begin), to_the_second(now)),
          fmt::format("your {} is valid only from {}; the clock of {} says {}: set the clock that is wrong, or wait", whose,
                      to_the_second(begin), s.us, to_the_second(now))};
}

Refusal revoked_by(const Sides& s, const RevocationList::Entry& entry) {
  const std::string comment = entry.comment.empty() ? "" : ": \"" + entry.comment + "\"";
  return {
      Reason::revoked,
      fmt::format("{} is revoked (line {} of the revocation list{}): remove that line, or issue a new certificate if it is to come back",
                  s.peer, entry.line, comment),
      fmt::format("{} has revoked your certificate: ask its administrator", s.us)};
}

Refusal wrong_usage(const Sides& s, std::string_view what) {
  return {Reason::wrong_usage, fmt::format("the certificate of {} is not for this use: {}: {}", s.peer, what, s.renew),
          fmt::format("your certificate is not for this use: {}: {}", what, s.renew)};
}

Refusal wrong_host(const Sides& s, const Certificate& leaf, std::string_view host) {
  std::string names;
  for (const auto* list : {&leaf.dns_names(), &leaf.ip_addresses()})
    for (const std::string& name : *list) names += (names.empty() ? "" : ", ") + name;
  names = names.empty() ? "no names" : printable(names);
  const std::string dialled = printable(host);
  return {
      Reason::wrong_name,
      fmt::format("the certificate of {} is for {}, not for {}: dial one of its names, or issue the cloud a certificate that has {} too",
                  s.peer, names, dialled, dialled),
      fmt::format("the edge dialled {}, but your certificate is for {}: have it dial one of these, or add {} to the certificate's names",
                  dialled, names, dialled)};
}

Refusal wrong_node(const Sides& s, const std::string& why) {
  return {Reason::wrong_name, fmt::format("the certificate of {} names no node ({}): {}", s.peer, printable(why), s.renew),
          fmt::format("your certificate names no node ({}): {}", printable(why), s.renew)};
}

std::optional<Refusal> check_times(const Sides& s, std::string_view whose, const Certificate& certificate, WallTime now) {
  if (now < certificate.not_before()) return not_yet_valid(s, whose, certificate.not_before(), now);
  if (now > certificate.not_after()) return expired(s, whose, certificate.not_after(), now);
  return std::nullopt;
}

// The peer's own certificate and all on the way from it to one of the authorities; certificates that are not on the way do not count.
std::optional<Refusal> check_all_times(const Sides& s, const std::vector<Certificate>& chain, const TrustStore& trust, WallTime now) {
  const Certificate* at = &chain.front();
  for (std::size_t steps = 0; steps < chain.size(); steps++) {
    if (auto refusal = check_times(s, steps == 0 ? "certificate" : "intermediate CA", *at, now)) return refusal;
    auto issued_by = [&](const Certificate& ca) { return &ca != at && gnutls_x509_crt_check_issuer(at->native(), ca.native()) != 0; };
    std::optional<Refusal> refusal;
    for (const Certificate& authority : trust.authorities()) {
      if (!issued_by(authority)) continue;
      refusal = check_times(s, "CA", authority, now);
      if (!refusal) return std::nullopt;
    }
    if (refusal) return refusal;
    auto next = std::ranges::find_if(chain, issued_by);
    if (next == chain.end()) return std::nullopt;
    at = &*next;
  }
  return std::nullopt;
}

std::expected<Identity, Refusal> check_edge(Sides& s, const Certificate& leaf) {
  if (!leaf.for_client())
    return std::unexpected(wrong_usage(s, leaf.for_server() ? "it is a server's, not an edge's" : "it has no clientAuth"));
  Result<NodeName> node = node_of(leaf.common_name(), leaf.organizations());
  if (!node) return std::unexpected(wrong_node(s, node.error().describe()));
  return Identity{Role::edge, *std::move(node), {}, leaf.fingerprint(), leaf.serial(), leaf.not_after()};
}

std::expected<Identity, Refusal> check_cloud(const Sides& s, const Certificate& leaf, const std::string& host) {
  if (!leaf.for_server())
    return std::unexpected(wrong_usage(s, leaf.for_client() ? "it is an edge's, not a cloud's" : "it has no serverAuth"));
  Result<HostName> dialled = HostName::parse(host);
  bool covered = false;
  for (const auto* list : {&leaf.dns_names(), &leaf.ip_addresses()}) {
    for (const std::string& text : *list) {
      Result<HostName> name = HostName::parse(text);
      covered |= dialled && name && (name->kind() == HostName::Kind::ip) == (list == &leaf.ip_addresses()) && name->covers(*dialled);
    }
  }
  if (!covered) return std::unexpected(wrong_host(s, leaf, host));
  return Identity{Role::cloud, std::nullopt, dialled->text(), leaf.fingerprint(), leaf.serial(), leaf.not_after()};
}

}  // namespace

std::string_view name(Role role) { return role == Role::cloud ? "cloud" : "edge"; }

std::expected<Identity, Refusal> check_peer(PeerCertificateChain der_chain, const TrustStore& trust, const Expectation& expected,
                                            const RevocationList& revoked, WallTime now) {
  Sides s = sides_for(expected);
  if (der_chain.empty()) return std::unexpected(no_certificate(s));
  if (der_chain.size() > kMaxChain)
    return std::unexpected(malformed(s, fmt::format("{} certificates in the chain, at most {} are accepted", der_chain.size(), kMaxChain)));
  std::vector<Certificate> chain;
  for (Bytes der : der_chain) {
    Result<Certificate> certificate = Certificate::from_der(der);
    if (!certificate) return std::unexpected(malformed(s, certificate.error().describe()));
    chain.push_back(*std::move(certificate));
  }
  const Certificate& leaf = chain.front();
  switch (trust.verify(chain)) {
    case TrustStore::Verdict::trusted: break;
    case TrustStore::Verdict::unknown_issuer: return std::unexpected(wrong_ca(s, leaf, trust));
    case TrustStore::Verdict::weak_signature: return std::unexpected(malformed(s, "its key or signature is too weak"));
    case TrustStore::Verdict::malformed: return std::unexpected(malformed(s, "its chain or extensions are not acceptable"));
  }

  // From here on the certificate is what a CA of ours said, and may be quoted.
  std::optional<NodeName> node;
  if (auto named = node_of(leaf.common_name(), leaf.organizations())) node = *std::move(named);
  if (node && !s.peer_is_cloud) s.peer = "node " + node->value();
  if (const auto* entry = revoked.find(leaf.fingerprint(), leaf.serial(), node ? &*node : nullptr))
    return std::unexpected(revoked_by(s, *entry));
  if (auto refusal = check_all_times(s, chain, trust, now)) return std::unexpected(*std::move(refusal));
  if (leaf.is_ca()) return std::unexpected(wrong_usage(s, "it is a CA's"));
  if (const auto* cloud = std::get_if<ExpectCloud>(&expected)) return check_cloud(s, leaf, cloud->host);
  return check_edge(s, leaf);
}

std::optional<Refusal> refuse_if_ended(const Identity& peer, const RevocationList& revoked, WallTime now) {
  Sides s = peer.role == Role::cloud ? sides_for(ExpectCloud{peer.host}) : sides_for(ExpectEdge{});
  if (peer.node) s.peer = "node " + peer.node->value();
  if (const auto* entry = revoked.find(peer.fingerprint, peer.serial, peer.node ? &*peer.node : nullptr)) return revoked_by(s, *entry);
  if (now > peer.not_after) return expired(s, "certificate", peer.not_after, now);
  return std::nullopt;
}

}  // namespace fairlead::pki
