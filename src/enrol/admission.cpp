#include "enrol/admission.h"

#include <fmt/format.h>

#include "pki/request.h"

namespace fairlead::enrol {
namespace {

std::unexpected<JoinRefusal> refuse(JoinCode code, std::string sentence) { return std::unexpected(JoinRefusal{code, std::move(sentence)}); }

}  // namespace

std::expected<Admitted, JoinRefusal> admit(Registry& registry, const AdmissionDesk& desk, const JoinRequest& request, const Nonce& nonce,
                                           const Actor& by, WallTime now) {
  if (!desk.issuing->authority) return refuse(JoinCode::no_authority, "this cloud does not hold the CA's key, so no edge can join here");
  const auto token = JoinToken::parse(request.token.reveal());
  if (!token) return refuse(JoinCode::unknown_token, token.error().message());
  if (auto good = registry.check_token(*token, now); !good) return std::unexpected(good.error());

  const auto csr = pki::CertificateRequest::from_der(as_bytes(request.request));
  if (!csr) return refuse(JoinCode::bad_request, fmt::format("the certificate request cannot be used: {}", csr.error().describe()));
  if (csr->challenge() != to_hex(nonce))
    return refuse(JoinCode::replayed_request, "the certificate request was not made for this connection");
  if (!csr->node()) return refuse(JoinCode::wrong_name, "the certificate request names no node");

  const Candidate candidate{*csr->node(), csr->public_key().fingerprint()};
  if (desk.revoked->find(candidate.key, pki::Serial::from_bytes({}), &candidate.node) != nullptr)
    return refuse(JoinCode::revoked_node, fmt::format("node {} or its key was revoked", candidate.node));

  const auto sign = [&](const std::optional<pki::Fingerprint>& replaced) -> Result<pki::Certificate> {
    if (replaced && desk.retire_key) TRY(desk.retire_key(candidate.node, *replaced));
    return desk.issuing->authority->issue_edge(candidate.node, csr->public_key(), now, desk.issuing->edge_lifetime);
  };
  auto certificate = registry.join(*token, candidate, sign, by, now);
  if (!certificate) return std::unexpected(certificate.error());
  return Admitted{candidate.node, *std::move(certificate), desk.issuing->trust_pem};
}

}  // namespace fairlead::enrol
