#include "enrol/join_message.h"

#include <google/protobuf/stubs/logging.h>

#include <algorithm>

#include "fairlead/v1/enrol.pb.h"
#include "pki/request.h"
#include "wire/message.h"

namespace fairlead::enrol {
namespace {

namespace pb = fairlead::v1;

constexpr std::size_t kMaxTokenText = 256;  // what is no token is refused with a sentence, if it is not absurd

template <class Message>
std::vector<std::byte> frame(const Message& message) {
  const std::string body = message.SerializeAsString();
  std::array<std::byte, wire::kMaxLength> length;
  const std::size_t length_size = wire::put_varint(length, body.size());
  std::vector<std::byte> out(length.begin(), length.begin() + static_cast<std::ptrdiff_t>(length_size));
  const Bytes bytes = as_bytes(body);
  out.insert(out.end(), bytes.begin(), bytes.end());
  return out;
}

template <class Message>
Result<void> parse(Message& message, Bytes body, std::string_view what) {
  // The library writes to standard error about each malformed message: a stranger could fill a disk with that.
  [[maybe_unused]] static const auto silent = google::protobuf::SetLogHandler(nullptr);
  if (body.size() > wire::kMaxFrame) return fail(Code::too_large, "{} of {} bytes", what, body.size());
  if (!message.ParseFromArray(body.data(), static_cast<int>(body.size()))) return fail(Code::invalid, "malformed {}", what);
  return {};
}

Result<void> limit(std::string_view what, std::size_t size, std::size_t most) {
  if (size > most) return fail(Code::too_large, "{} of {} bytes: at most {} are allowed", what, size, most);
  return {};
}

}  // namespace

std::vector<std::byte> encode(const JoinChallenge& challenge) {
  pb::JoinChallenge m;
  m.set_nonce(std::string(as_text(challenge.nonce)));
  m.set_unix_ms(challenge.unix_ms);
  return frame(m);
}

std::vector<std::byte> encode(const JoinRequest& request) {
  pb::JoinRequest m;
  m.set_token(request.token.reveal());
  m.set_request(request.request);
  m.set_software(request.software);
  return frame(m);
}

std::vector<std::byte> encode(const JoinAnswer& answer) {
  pb::JoinAnswer m;
  m.set_code(static_cast<pb::JoinCode>(answer.code));
  m.set_sentence(answer.sentence.substr(0, wire::kMaxMessage));
  m.set_certificate(answer.certificate_pem);
  m.set_trust(answer.trust_pem);
  m.set_unix_ms(answer.unix_ms);
  return frame(m);
}

Result<JoinChallenge> decode_join_challenge(Bytes body) {
  pb::JoinChallenge m;
  TRY(parse(m, body, "JoinChallenge"));
  JoinChallenge challenge{.nonce = {}, .unix_ms = told_unix_ms(m.unix_ms())};
  if (m.nonce().size() != kNonceSize) return fail(Code::invalid, "a JoinChallenge with a nonce of {} bytes", m.nonce().size());
  std::ranges::copy(as_bytes(m.nonce()), challenge.nonce.begin());
  return challenge;
}

Result<JoinRequest> decode_join_request(Bytes body) {
  pb::JoinRequest m;
  TRY(parse(m, body, "JoinRequest"));
  TRY(limit("a token", m.token().size(), kMaxTokenText));
  TRY(limit("a certificate request", m.request().size(), pki::CertificateRequest::kMaxSize));
  TRY(limit("the software's name", m.software().size(), wire::kMaxName));
  return JoinRequest{.token = Secret(m.token()), .request = m.request(), .software = m.software()};
}

Result<JoinAnswer> decode_join_answer(Bytes body) {
  pb::JoinAnswer m;
  TRY(parse(m, body, "JoinAnswer"));
  JoinAnswer answer{.code = m.code() < 0 ? JoinCode::internal : join_code(static_cast<std::uint64_t>(m.code())),
                    .sentence = m.sentence().substr(0, wire::kMaxMessage),
                    .certificate_pem = m.certificate(),
                    .trust_pem = m.trust(),
                    .unix_ms = told_unix_ms(m.unix_ms())};
  if (answer.code == JoinCode::ok && (answer.certificate_pem.empty() || answer.trust_pem.empty()))
    return fail(Code::invalid, "a JoinAnswer without a certificate");
  return answer;
}

std::int64_t told_unix_ms(std::int64_t on_wire) { return std::clamp<std::int64_t>(on_wire, 0, kMaxUnixMs); }

std::int64_t unix_ms(WallTime at) { return std::chrono::duration_cast<std::chrono::milliseconds>(at.time_since_epoch()).count(); }

}  // namespace fairlead::enrol
