// join_message.h: what travels on a join connection, as values that are valid: proto/fairlead/v1/enrol.proto on one side, these on the
// other. encode() gives a whole frame; decode_* takes a frame's body and refuses what cannot be.
#pragma once
#include <array>
#include <vector>

#include "base/log.h"
#include "base/time.h"
#include "enrol/join_code.h"
#include "wire/frame.h"

namespace fairlead::enrol {

inline constexpr std::string_view kJoinAlpn = "fairlead-join/1";
inline constexpr std::size_t kNonceSize = 32;
using Nonce = std::array<std::byte, kNonceSize>;

struct JoinChallenge {
  Nonce nonce{};
  std::int64_t unix_ms = 0;
};
struct JoinRequest {
  Secret token;
  std::string request;  // DER
  std::string software;
};
struct JoinAnswer {
  JoinCode code = JoinCode::ok;
  std::string sentence;
  std::string certificate_pem;
  std::string trust_pem;
  std::int64_t unix_ms = 0;
};

std::vector<std::byte> encode(const JoinChallenge& challenge);
std::vector<std::byte> encode(const JoinRequest& request);
std::vector<std::byte> encode(const JoinAnswer& answer);

Result<JoinChallenge> decode_join_challenge(Bytes body);
Result<JoinRequest> decode_join_request(Bytes body);
Result<JoinAnswer> decode_join_answer(Bytes body);

std::int64_t unix_ms(WallTime at);

// What the other side's clock says, held to years that can be reckoned with (1970 to 2255).
inline constexpr std::int64_t kMaxUnixMs = 9'000'000'000'000;
std::int64_t told_unix_ms(std::int64_t on_wire);

}  // namespace fairlead::enrol
