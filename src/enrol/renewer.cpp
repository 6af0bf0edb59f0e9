#include "enrol/renewer.h"

#include <algorithm>

#include "base/log.h"
#include "enrol/join_message.h"
#include "pki/names.h"
#include "pki/request.h"
#include "pki/trust.h"
#include "runtime/timer.h"

namespace fairlead::enrol {
namespace {

// A session that is new since the last look is asked at most so late.
constexpr Duration kTick = 5s;
constexpr Duration kAnswer = 30s;

}  // namespace

Result<pki::Certificate> check_renewed(std::string_view certificate_pem, std::string_view trust_pem, const NodeName& node,
                                       const pki::Fingerprint& key) {
  TRY_ASSIGN(std::vector<pki::Certificate> chain, pki::Certificate::bundle_from_pem(certificate_pem, "the new certificate"));
  TRY_ASSIGN(const pki::TrustStore trust, pki::TrustStore::from_pem(trust_pem, "the new CAs"));
  const pki::Certificate& own = chain.front();
  if (own.fingerprint() != key) return fail(Code::invalid, "the new certificate is for another key");
  if (own.common_name() != std::string(pki::kNodeNamePrefix) + node.value())
    return fail(Code::invalid, "the new certificate is not for node {}", node);
  if (trust.verify(chain) != pki::TrustStore::Verdict::trusted)
    return fail(Code::invalid, "the new certificate is not of a CA that came with it");
  return own;
}

Task<void> Renewer::run() {
  Duration retry = kRetryFirst;
  for (;;) {
    co_await link_.connected();
    asked_for_ = false;
    auto next = co_await make_current();
    if (next) {
      retry = kRetryFirst;
      co_await pause(*next);
    } else {
      log::warn("enrol", "certificate and CAs could not be renewed: {}", next.error());
      const TimePoint later = loop_.now() + retry;
      retry = std::min(retry * 2, kRetryMost);
      co_await pause(later);
    }
  }
}

Task<Result<TimePoint>> Renewer::make_current() {
  for (int round = 0; round < 4; round++) {
    auto held = co_await store_.load();
    if (!held) co_return std::unexpected(held.error());
    const WallTime now = loop_.wall_now() - std::chrono::duration_cast<WallTime::duration>(skew_);
    const WallTime due = renewal_due(held->certificate, loop_.random());
    const auto trust = pki::TrustStore::from_pem(held->trust_pem, "ca.pem");
    if (!trust) co_return std::unexpected(trust.error());
    // The first CA of the bundle is the one that signs today.
    const auto signer = pki::TrustStore::from_certificates({trust->authorities().front()});
    if (!signer) co_return std::unexpected(signer.error());
    const bool of_signer = signer->verify({&held->certificate, 1}) == pki::TrustStore::Verdict::trusted;
    const bool wants_certificate = now >= due || !of_signer;

    RenewalRequest request;
    if (wants_certificate)
      request.request = as_text(pki::CertificateRequest::make(held->key, node_).der());
    else
      request.trust_digest = trust_digest(held->trust_pem);
    auto answer = co_await ask(std::move(request));
    if (!answer) co_return std::unexpected(answer.error());

    std::string new_trust = answer->trust_pem == held->trust_pem ? "" : answer->trust_pem;
    if (wants_certificate) {
      auto checked = check_renewed(answer->certificate_pem, answer->trust_pem, node_, held->certificate.fingerprint());
      if (!checked) co_return std::unexpected(checked.error());
      log::info("enrol", "a new certificate, good until {}", to_rfc3339(checked->not_after()));
    } else if (!new_trust.empty()) {
      auto readable = pki::TrustStore::from_pem(new_trust, "the new CAs");
      if (!readable) co_return std::unexpected(readable.error());
      log::info("enrol", "the CAs have changed: {}", readable->fingerprints());
    }
    if (!new_trust.empty() || wants_certificate) {
      auto saved = co_await store_.save(std::move(new_trust), std::move(answer->certificate_pem));
      if (!saved) co_return std::unexpected(saved.error());
    }
    std::vector<Bytes> chain;
    for (const std::string& der : answer->cloud_chain) chain.push_back(as_bytes(der));
    if (auto renewed = link_.cloud_has_renewed(chain); !renewed)
      log::warn("enrol", "the certificate that the cloud shows today is not good here: {}", renewed.error());
    if (wants_certificate || answer->trust_pem != held->trust_pem) continue;  // once more, to say that it is all here
    const Duration left = std::chrono::duration_cast<Duration>(due - now);
    co_return loop_.now() + std::clamp<Duration>(left, 100ms, kLook);
  }
  co_return fail(Code::internal, "the cloud gives other CAs each time");
}

Task<Result<RenewalAnswer>> Renewer::ask(RenewalRequest request) {
  wire::FlowOpen open{.plugin = std::string(kRenewalPlugin),
                      .traffic_class = wire::TrafficClass::management,
                      .remaining = kAnswer,
                      .head = encode(request)};
  auto flow = co_await link_.open(link::Destination::cloud(), std::move(open));
  if (!flow) co_return fail(Code::unreachable, "{}", flow.error().message);
  static_cast<void>((*flow)->shut());
  auto reply = co_await (*flow)->reply();
  if (!reply)
    co_return fail(reply.error().code == link::FlowCode::forbidden ? Code::forbidden : Code::refused, "{}", reply.error().message);
  auto answer = decode_renewal_answer(reply->head);
  if (!answer) co_return std::unexpected(answer.error());
  skew_ = std::chrono::milliseconds(unix_ms(loop_.wall_now()) - answer->unix_ms);
  const bool wrong = std::chrono::abs(skew_) > kWrongClock;
  if (wrong && !told_skew_)
    log::warn("enrol", "this machine's clock is {} {} the cloud's: set it right, or certificates will be refused for their time",
              to_text(std::chrono::abs(skew_)), skew_ > 0ns ? "ahead of" : "behind");
  told_skew_ = wrong;
  co_return answer;
}

// Until then, or the cloud has called, or there is another session.
Task<void> Renewer::pause(TimePoint until) {
  const link::Session* const session = link_.session().get();
  Timer timer(loop_, [this] { woken_.wake_all(); });
  while (loop_.now() < until && !asked_for_ && link_.session().get() == session) {
    timer.arm(std::min(until, loop_.now() + kTick));
    co_await woken_.wait();
  }
}

}  // namespace fairlead::enrol
