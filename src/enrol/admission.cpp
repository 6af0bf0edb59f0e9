#include "enrol/admission.h"

#include <fmt/format.h>

#include "pki/request.h"

namespace fairlead::enrol {
namespace {

std::unexpected<JoinRefusal> refuse(JoinCode code, std::string sentence) { return std::unexpected(JoinRefusal{code, std::move(sentence)}); }

// What a node whose certificate has expired is told if neither the policy nor an order lets it in.
std::string too_late(const NodeName& node, WallTime end, const std::optional<WallTime>& order, Duration grace) {
  std::string text =
      fmt::format("the certificate of node {} expired at {}, and this cloud {}", node, to_rfc3339(end),
                  grace > Duration::zero() ? "renews late for " + to_text(grace) + " only" : std::string("renews none that has expired"));
  if (order) text += fmt::format("; the order to renew this one was good until {}", to_rfc3339(*order));
  return text;
}

// A node whose certificate expired while it was away, known by the key that its name is bound to.
std::expected<Admitted, JoinRefusal> renew_late(Registry& registry, const AdmissionDesk& desk, const pki::CertificateRequest& csr,
                                                const Actor& by, WallTime now) {
  const NodeName& node = *csr.node();
  const auto known = registry.node(node);
  if (!known) return refuse(JoinCode::internal, "the cloud could not read its state");
  if (!*known || !(*known)->key) return refuse(JoinCode::unknown_token, fmt::format("node {} is not known here: it needs a token", node));
  if ((*known)->revoked) return refuse(JoinCode::revoked_node, fmt::format("node {} was revoked", node));
  if (*(*known)->key != csr.public_key().fingerprint())
    return refuse(JoinCode::name_taken, fmt::format("the name {} belongs to a node with another key", node));
  const WallTime end = (*known)->not_after;
  const Duration grace = desk.issuing->renew_grace;
  const std::optional<WallTime>& order = (*known)->late_until;
  const bool by_policy = grace > Duration::zero() && now <= end + grace, by_order = order && now < *order;
  if (!by_policy && !by_order) return refuse(JoinCode::too_late, too_late(node, end, order, grace));
  auto certificate = desk.issuing->authority->issue_edge(node, csr.public_key(), now, desk.issuing->edge_lifetime);
  if (!certificate) return refuse(JoinCode::internal, "the cloud could not make a certificate");
  if (auto recorded = registry.record_issue(node, *certificate, Registry::Rebind::refuse, "node.renew-late", by, now); !recorded) {
    if (recorded.error().code() == Code::forbidden) return refuse(JoinCode::revoked_node, recorded.error().message());  // at this moment
    return refuse(JoinCode::internal, "the cloud could not write its state");
  }
  return Admitted{node, *std::move(certificate), desk.issuing->trust_pem};
}

}  // namespace

std::expected<Admitted, JoinRefusal> admit(Registry& registry, const AdmissionDesk& desk, const JoinRequest& request, const Nonce& nonce,
                                           const Actor& by, WallTime now) {
  if (!desk.issuing->authority) return refuse(JoinCode::no_authority, "this cloud does not hold the CA's key, so no edge can join here");
  const bool by_key = request.token.reveal().empty();
  std::optional<JoinToken> token;
  if (!by_key) {
    auto parsed = JoinToken::parse(request.token.reveal());
    if (!parsed) return refuse(JoinCode::unknown_token, parsed.error().message());
    token = *std::move(parsed);
    if (auto good = registry.check_token(*token, now); !good) return std::unexpected(good.error());
  } else if (desk.issuing->renew_grace <= Duration::zero()) {
    const auto any = registry.any_late(now);
    if (!any) return refuse(JoinCode::internal, "the cloud could not read its state");
    if (!*any) return refuse(JoinCode::too_late, "this cloud renews no certificate that has expired");
  }

  const auto csr = pki::CertificateRequest::from_der(as_bytes(request.request));
  if (!csr) return refuse(JoinCode::bad_request, fmt::format("the certificate request cannot be used: {}", csr.error().describe()));
  if (csr->challenge() != to_hex(nonce))
    return refuse(JoinCode::replayed_request, "the certificate request was not made for this connection");
  if (!csr->node()) return refuse(JoinCode::wrong_name, "the certificate request names no node");

  const Candidate candidate{*csr->node(), csr->public_key().fingerprint()};
  if (desk.revoked->find(candidate.key, pki::Serial::from_bytes({}), &candidate.node) != nullptr)
    return refuse(JoinCode::revoked_node, fmt::format("node {} or its key was revoked", candidate.node));

  if (by_key) return renew_late(registry, desk, *csr, by, now);

  const auto sign = [&](const std::optional<pki::Fingerprint>& replaced) -> Result<pki::Certificate> {
    if (replaced && desk.retire_key) TRY(desk.retire_key(candidate.node, *replaced));
    return desk.issuing->authority->issue_edge(candidate.node, csr->public_key(), now, desk.issuing->edge_lifetime);
  };
  auto certificate = registry.join(*token, candidate, sign, by, now);
  if (!certificate) return std::unexpected(certificate.error());
  return Admitted{candidate.node, *std::move(certificate), desk.issuing->trust_pem};
}

}  // namespace fairlead::enrol
