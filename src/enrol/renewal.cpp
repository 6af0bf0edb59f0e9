#include "enrol/renewal.h"

#include <google/protobuf/stubs/logging.h>

#include <algorithm>

#include "enrol/join_message.h"
#include "fairlead/v1/enrol.pb.h"
#include "pki/authority.h"
#include "pki/request.h"
#include "wire/frame.h"

namespace fairlead::enrol {
namespace {

namespace pb = fairlead::v1;

template <class Message>
Result<void> parse(Message& message, std::string_view body, std::string_view what) {
  // The library writes to standard error about each malformed message: a stranger could fill a disk with that.
  [[maybe_unused]] static const auto silent = google::protobuf::SetLogHandler(nullptr);
  if (body.size() > wire::kMaxFrame) return fail(Code::too_large, "{} of {} bytes", what, body.size());
  if (!message.ParseFromArray(body.data(), static_cast<int>(body.size()))) return fail(Code::invalid, "malformed {}", what);
  return {};
}

}  // namespace

std::string encode(const RenewalRequest& request) {
  pb::RenewalRequest m;
  m.set_request(request.request);
  if (request.trust_digest) m.set_trust_digest(request.trust_digest->data(), request.trust_digest->size());
  return m.SerializeAsString();
}

std::string encode(const RenewalAnswer& answer) {
  pb::RenewalAnswer m;
  m.set_certificate(answer.certificate_pem);
  m.set_trust(answer.trust_pem);
  for (const std::string& der : answer.cloud_chain) m.add_cloud(der);
  m.set_unix_ms(answer.unix_ms);
  return m.SerializeAsString();
}

Result<RenewalRequest> decode_renewal_request(std::string_view body) {
  pb::RenewalRequest m;
  TRY(parse(m, body, "RenewalRequest"));
  RenewalRequest request{.request = m.request(), .trust_digest = std::nullopt};
  if (request.request.size() > pki::CertificateRequest::kMaxSize)
    return fail(Code::too_large, "a certificate request of {} bytes", request.request.size());
  if (m.trust_digest().empty()) return request;
  if (m.trust_digest().size() != sizeof(pki::Sha256)) return fail(Code::invalid, "a digest of {} bytes", m.trust_digest().size());
  std::ranges::copy(as_bytes(m.trust_digest()), request.trust_digest.emplace().begin());
  return request;
}

Result<RenewalAnswer> decode_renewal_answer(std::string_view body) {
  pb::RenewalAnswer m;
  TRY(parse(m, body, "RenewalAnswer"));
  if (static_cast<std::size_t>(m.cloud_size()) > pki::kMaxChain) return fail(Code::too_large, "a chain of {} certificates", m.cloud_size());
  return RenewalAnswer{.certificate_pem = m.certificate(),
                       .trust_pem = m.trust(),
                       .cloud_chain = {m.cloud().begin(), m.cloud().end()},
                       .unix_ms = told_unix_ms(m.unix_ms())};
}

pki::Sha256 trust_digest(std::string_view trust_pem) { return pki::sha256(as_bytes(trust_pem)); }

WallTime renewal_due(const pki::Certificate& certificate, Random& random) {
  const WallTime issued = certificate.not_before() + pki::kBackdated;
  const Duration life = std::max<Duration>(certificate.not_after() - issued, Duration::zero());
  return issued + life / 2 + Duration(static_cast<Duration::rep>(static_cast<double>(life.count()) / 6 * random.unit()));
}

}  // namespace fairlead::enrol
