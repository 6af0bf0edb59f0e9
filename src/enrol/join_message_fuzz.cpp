// What either side of a join could send: frames, the messages in them, tokens and certificate requests.
#include "enrol/join_message.h"
#include "enrol/token.h"
#include "pki/request.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace fairlead;
  Bytes input = from_u8(data, size);
  if (auto csr = pki::CertificateRequest::from_der(input)) {
    if (csr->challenge().size() > pki::CertificateRequest::kMaxChallenge) __builtin_trap();
  }
  for (;;) {
    auto frame = wire::get_frame(input);
    if (!frame || !*frame) break;
    const Bytes body = (*frame)->body;
    if (auto m = enrol::decode_join_challenge(body)) {
      const auto again = enrol::encode(*m);
      const auto back = enrol::decode_join_challenge(wire::get_frame(again).value()->body);
      if (!back || back->nonce != m->nonce || back->unix_ms != m->unix_ms) __builtin_trap();
    }
    if (auto m = enrol::decode_join_request(body)) {
      if (auto token = enrol::JoinToken::parse(m->token.reveal()); token && token->text().reveal() != m->token.reveal()) __builtin_trap();
      static_cast<void>(pki::CertificateRequest::from_der(as_bytes(m->request)));
      const auto again = enrol::encode(*m);
      const auto back = enrol::decode_join_request(wire::get_frame(again).value()->body);
      if (!back || back->token.reveal() != m->token.reveal() || back->request != m->request) __builtin_trap();
    }
    if (auto m = enrol::decode_join_answer(body)) static_cast<void>(enrol::name(m->code));
    input = input.subspan((*frame)->size);
  }
  return 0;
}
