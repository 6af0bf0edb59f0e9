// What the other side of a session could send as a renewal: decoded, and what is accepted means the same when it is sent on.
#include "enrol/renewal.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace fairlead;
  const std::string_view input = as_text(from_u8(data, size));
  if (const auto request = enrol::decode_renewal_request(input)) {
    const auto again = enrol::decode_renewal_request(enrol::encode(*request));
    if (!again || again->request != request->request || again->trust_digest != request->trust_digest) __builtin_trap();
  }
  if (const auto answer = enrol::decode_renewal_answer(input)) {
    const auto again = enrol::decode_renewal_answer(enrol::encode(*answer));
    if (!again || again->cloud_chain != answer->cloud_chain || again->trust_pem != answer->trust_pem) __builtin_trap();
  }
  return 0;
}
