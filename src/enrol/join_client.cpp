#include "enrol/join_client.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/log.h"
#include "link/session.h"
#include "pki/identity.h"
#include "pki/names.h"
#include "pki/printable.h"
#include "pki/request.h"

namespace fairlead::enrol {
namespace {

constexpr std::string_view kPinPrefix = "sha256:";
// How far the clocks may differ before it is worth a word.
constexpr std::int64_t kClockSkewMs = 60'000;
constexpr Duration kTurnAway = 2s;

std::unexpected<JoinFailure> broken(Error error) { return std::unexpected(JoinFailure{std::nullopt, std::move(error)}); }
std::unexpected<JoinFailure> refused(JoinRefusal refusal) {
  Error error = refusal.error();
  return std::unexpected(JoinFailure{std::move(refusal), std::move(error)});
}

std::string seen(const std::vector<pki::Certificate>& chain) {
  for (const pki::Certificate& certificate : chain)
    if (certificate.is_ca()) return "shows another CA, " + pin_text(certificate.fingerprint());
  return "shows no CA";
}

// What the cloud's answer must be to be of use.
std::optional<Error> check_answer(const JoinAnswer& answer, const JoinAsk& ask) {
  const auto own = pki::Certificate::bundle_from_pem(answer.certificate_pem, "the certificate that came");
  if (!own) return own.error();
  const auto trust = pki::TrustStore::from_pem(answer.trust_pem, "the CA that came");
  if (!trust) return trust.error();
  if (own->front().fingerprint() != ask.key.public_key().fingerprint())
    return Error(Code::invalid, "the certificate that came is for another key");
  const auto node = pki::node_of(own->front().common_name(), own->front().organizations());
  if (!node || *node != ask.node) return Error(Code::invalid, "the certificate that came is for another node");
  if (own->size() > pki::kMaxChain || trust->verify(*own) != pki::TrustStore::Verdict::trusted)
    return Error(Code::invalid, "the certificate that came was not issued by the CA that came");
  return std::nullopt;
}

Task<Result<std::unique_ptr<net::MuxStream>>> challenged(net::MuxConnection& connection, JoinChallenge& challenge) {
  auto stream = co_await connection.accept();
  if (!stream) co_return std::unexpected(stream.error());
  auto body = co_await link::read_frame(**stream);
  if (!body) co_return std::unexpected(body.error());
  CO_TRY_ASSIGN(challenge, decode_join_challenge(*body));
  co_return *std::move(stream);
}

Task<Result<JoinAnswer>> ask_for(net::MuxStream& stream, const JoinRequest& request) {
  const std::vector<std::byte> frame = encode(request);
  auto written = co_await stream.write(frame);
  if (!written) co_return std::unexpected(written.error());
  CO_TRY(stream.shut());
  auto body = co_await link::read_frame(stream);
  if (!body) co_return std::unexpected(body.error());
  co_return decode_join_answer(*body);
}

// The cloud may have closed with a code and a sentence instead of an answer.
std::unexpected<JoinFailure> failure_of(const net::MuxConnection& connection, Error error) {
  const std::optional<net::MuxClose>& close = connection.close_state();
  if (!close) return broken(std::move(error));
  if (close->by_peer && close->application && close->code != 0)
    return refused({join_code(close->code), pki::printable(close->reason, pki::Refusal::kMaxCloseText)});
  return broken(close->to_error());
}

std::optional<JoinRefusal> refusal_of(const std::expected<pki::Identity, pki::Refusal>& peer) {
  if (peer) return std::nullopt;
  const pki::RefusalReason reason = peer.error().reason;
  const bool time = reason == pki::RefusalReason::expired || reason == pki::RefusalReason::not_yet_valid;
  return JoinRefusal{time ? JoinCode::wrong_time : JoinCode::wrong_ca, peer.error().message};
}

}  // namespace

std::optional<JoinRefusal> check_cloud(const std::vector<std::vector<std::byte>>& ders, const JoinAsk& ask, WallTime now) {
  std::vector<pki::Certificate> chain;
  for (const std::vector<std::byte>& der : ders) {
    if (chain.size() == pki::kMaxChain) break;
    auto certificate = pki::Certificate::from_der(der);
    if (!certificate)
      return JoinRefusal{JoinCode::wrong_pin, fmt::format("a certificate of the cloud cannot be read: {}", certificate.error())};
    chain.push_back(*std::move(certificate));
  }
  const std::vector<Bytes> shown(ders.begin(), ders.end());
  if (ask.trust) return refusal_of(pki::check_peer(shown, *ask.trust, pki::ExpectCloud{ask.cloud.host}, pki::RevocationList(), now));
  const auto pinned = std::ranges::find_if(chain, [&](const pki::Certificate& c) { return c.is_ca() && c.fingerprint() == ask.pin; });
  if (pinned == chain.end())
    return JoinRefusal{JoinCode::wrong_pin,
                       fmt::format("the cloud at {} is not the one of the pin: it {}", ask.cloud.to_text(), seen(chain))};
  const auto trust = pki::TrustStore::from_certificates({*pinned});
  if (!trust) return JoinRefusal{JoinCode::wrong_ca, trust.error().describe()};
  return refusal_of(pki::check_peer(shown, *trust, pki::ExpectCloud{ask.cloud.host}, pki::RevocationList(), now));
}

Task<std::expected<Joined, JoinFailure>> try_join(Loop& loop, quic::Endpoint& endpoint, net::SocketAddress to, const JoinAsk& ask) {
  quic::Endpoint::ClientOptions options;
  options.tls.credentials = pki::Credentials::anonymous();
  options.tls.alpn = std::string(kJoinAlpn);
  if (!net::IpAddress::parse(ask.cloud.host)) options.tls.server_name = ask.cloud.host;
  auto connection = co_await with_deadline<std::unique_ptr<net::MuxConnection>>(loop, loop.now() + ask.step, "connect",
                                                                                endpoint.connect(to, std::move(options)));
  if (!connection) co_return broken(Error::wrap(fmt::format("dial {}", to), connection.error()));
  net::MuxConnection& cloud = **connection;

  const std::vector<std::vector<std::byte>> chain = cloud.peer_chain();
  if (auto wrong = check_cloud(chain, ask, loop.wall_now())) {
    // Once it has challenged us it has taken the connection, and its operator will see why we leave.
    JoinChallenge of_theirs;
    auto taken = co_await with_deadline<std::unique_ptr<net::MuxStream>>(loop, loop.now() + kTurnAway, "wait for the cloud's challenge",
                                                                         challenged(cloud, of_theirs));
    if (taken && wrong->code == JoinCode::wrong_time)
      wrong->sentence += fmt::format("; the cloud's clock says {}", to_rfc3339(WallTime(std::chrono::milliseconds(of_theirs.unix_ms))));
    cloud.close(static_cast<std::uint64_t>(wrong->code), pki::printable(wrong->sentence, pki::Refusal::kMaxCloseText));
    co_return refused(*std::move(wrong));
  }

  JoinChallenge challenge;
  auto stream = co_await with_deadline<std::unique_ptr<net::MuxStream>>(loop, loop.now() + ask.step, "wait for the cloud's challenge",
                                                                        challenged(cloud, challenge));
  if (!stream) co_return failure_of(cloud, stream.error());
  const pki::CertificateRequest csr = pki::CertificateRequest::make(ask.key, ask.node, to_hex(challenge.nonce));
  const JoinRequest request{
      .token = ask.token ? ask.token->text() : Secret(""), .request = std::string(as_text(csr.der())), .software = ask.software};
  auto answer = co_await with_deadline<JoinAnswer>(loop, loop.now() + ask.step, "wait for the cloud's answer", ask_for(**stream, request));
  if (!answer) co_return failure_of(cloud, answer.error());
  cloud.close(0, "");
  if (answer->code != JoinCode::ok) co_return refused({answer->code, pki::printable(answer->sentence, wire::kMaxMessage)});
  if (auto wrong = check_answer(*answer, ask)) co_return broken(Error::wrap("the cloud's answer", *std::move(wrong)));
  co_return Joined{.certificate_pem = std::move(answer->certificate_pem),
                   .trust_pem = std::move(answer->trust_pem),
                   .clock_skew_ms = unix_ms(loop.wall_now()) - answer->unix_ms};
}

namespace {

// One round over all addresses. The first failure that says most: a refusal goes before what happened on the way.
Task<std::expected<Joined, JoinFailure>> try_all(Loop& loop, net::Network& network, const MakeEndpoint& make_endpoint, const JoinAsk& ask) {
  auto addresses = co_await network.resolve(ask.cloud.host);
  if (!addresses) co_return broken(addresses.error());
  JoinFailure last{std::nullopt, Error(Code::unreachable, "no address was tried")};
  for (const net::IpAddress& ip : *addresses) {
    const net::SocketAddress to{ip, ask.cloud.port};
    auto endpoint = make_endpoint(to);
    if (!endpoint) {
      if (!last.refusal) last = {std::nullopt, endpoint.error()};
      continue;
    }
    auto joined = co_await try_join(loop, **endpoint, to, ask);
    if (joined || joined.error().is_final()) co_return joined;
    if (!last.refusal) last = joined.error();
  }
  co_return std::unexpected(std::move(last));
}

}  // namespace

Task<Result<Joined>> join(Loop& loop, net::Network& network, MakeEndpoint make_endpoint, const JoinAsk& ask, JoinPatience patience) {
  Duration bound = patience.first;
  std::string told;
  for (;;) {
    auto joined = co_await try_all(loop, network, make_endpoint, ask);
    if (joined) {
      if (std::abs(joined->clock_skew_ms) > kClockSkewMs)
        log::warn("enrol", "this machine's clock is {} {}: set it, or its certificate checks will be wrong",
                  to_text(std::chrono::milliseconds(std::abs(joined->clock_skew_ms))), joined->clock_skew_ms > 0 ? "fast" : "slow");
      co_return *std::move(joined);
    }
    const JoinFailure& failure = joined.error();
    if (failure.is_final())
      co_return std::unexpected(Error::wrap(fmt::format("the cloud at {} cannot be joined", ask.cloud.to_text()), failure.error));
    // The same reason again and again is said once.
    if (std::string text = failure.error.describe(); text != told) {
      log::warn("enrol", "cannot join the cloud at {} yet: {}", ask.cloud.to_text(), text);
      told = std::move(text);
    }
    const auto pause = Duration(static_cast<Duration::rep>((0.5 + loop.random().unit() / 2) * static_cast<double>(bound.count())));
    bound = std::min(bound * 2, patience.cap);
    co_await loop.sleep(pause);
  }
}

Result<pki::Fingerprint> parse_pin(std::string_view text) {
  if (!text.starts_with(kPinPrefix)) return fail(Code::invalid, "a pin is sha256: and 64 hex digits, as `fairlead token create` prints it");
  return pki::Fingerprint::parse(text.substr(kPinPrefix.size()));
}

std::string pin_text(const pki::Fingerprint& authority) { return std::string(kPinPrefix) + authority.to_text(); }

}  // namespace fairlead::enrol
