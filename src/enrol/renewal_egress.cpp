#include "enrol/renewal_egress.h"

#include <fmt/format.h>

#include "base/log.h"
#include "enrol/join_message.h"
#include "link/flow.h"
#include "pki/request.h"

namespace fairlead::enrol {
namespace {

using link::FlowCode;

Actor actor_of(const NodeName& node) { return {.who = "node " + node.value(), .from = "its session"}; }

}  // namespace

Task<void> RenewalEgress::serve(std::unique_ptr<link::Flow> flow) {
  auto node = NodeName::parse(flow->peer());
  auto request = decode_renewal_request(flow->head().head);
  if (!node || !request) {
    link::Refusal why{FlowCode::protocol, link::Delivered::no, request ? "only edges renew" : request.error().describe()};
    co_await flow->refuse(std::move(why));
    co_return;
  }
  const std::shared_ptr<const Issuing> issuing = issuer_.current();
  RenewalAnswer answer{.certificate_pem = {}, .trust_pem = issuing->trust_pem, .cloud_chain = {}, .unix_ms = unix_ms(loop_.wall_now())};
  for (const pki::Certificate& shown : trust_.credentials()->chain()) answer.cloud_chain.emplace_back(as_text(shown.der()));
  if (!request->request.empty()) {
    auto issued = co_await renew(*node, std::move(request->request), issuing);
    if (!issued) {
      counters_.refused++;
      log::warn("enrol", "node {}: no new certificate: {}", *node, issued.error().message);
      co_await flow->refuse(std::move(issued.error()));
      co_return;
    }
    counters_.renewed++;
    answer.certificate_pem = *std::move(issued);
  }
  if (request->trust_digest) {
    desk_.post([name = *node, digest = *request->trust_digest](Registry& registry) {
      if (auto noted = registry.note_trust(name, digest); !noted)
        log::error("enrol", "node {}: that it has the CAs of today is not recorded: {}", name, noted.error());
    });
  }
  std::string head = encode(answer);
  auto accepted = co_await flow->accept(std::move(head));
  if (accepted) static_cast<void>(flow->shut());
}

Task<link::FlowResult<std::string>> RenewalEgress::renew(NodeName node, std::string request, std::shared_ptr<const Issuing> issuing) {
  if (!issuing->authority)
    co_return link::refuse(FlowCode::unsupported,
                           "this cloud does not hold the CA's key: give the edge a certificate by `fairlead cert issue`");
  const TimePoint now = loop_.now();
  std::erase_if(last_, [&](const auto& entry) { return entry.second + kPause <= now; });
  if (!last_.emplace(node, now).second) co_return link::refuse(FlowCode::overloaded, "one certificate a second is enough for a node");
  const Bytes der = as_bytes(request);
  auto wish = pki::CertificateRequest::from_der(der);
  if (!wish) co_return link::refuse(FlowCode::protocol, wish.error().describe());
  std::move_only_function<Result<pki::Certificate>(Registry&)> work =
      [node, key = wish->public_key(), issuing, wall = loop_.wall_now()](Registry& registry) -> Result<pki::Certificate> {
    TRY_ASSIGN(const std::optional<NodeRecord> known, registry.node(node));
    if (known && known->revoked) return fail(Code::forbidden, "node {} is revoked", node);
    TRY_ASSIGN(pki::Certificate certificate, issuing->authority->issue_edge(node, key, wall, issuing->edge_lifetime));
    TRY(registry.record_issue(node, certificate, Registry::Rebind::refuse, "node.renew", actor_of(node), wall));
    return certificate;
  };
  auto certificate = co_await call<Result<pki::Certificate>>(loop_, desk_, std::move(work));
  if (!certificate) {
    const bool forbidden = certificate.error().code() == Code::forbidden;
    co_return link::refuse(forbidden ? FlowCode::forbidden : FlowCode::internal, certificate.error().describe());
  }
  if (renewed_) renewed_(node, *certificate);
  log::info("enrol", "node {} has a new certificate, good until {}", node, to_rfc3339(certificate->not_after()));
  co_return certificate->to_pem();
}

}  // namespace fairlead::enrol
