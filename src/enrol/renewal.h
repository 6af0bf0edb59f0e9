// renewal.h: what an edge and its cloud say to each other about certificates while a session is up: a flow of plug-in "enrol".
//
// The edge asks for a new certificate of its own key before two thirds of the old one's life are over, and for the CAs whenever they may
// have changed. Values are valid; decode_* refuses what cannot be.
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/error.h"
#include "base/random.h"
#include "base/time.h"
#include "pki/certificate.h"

namespace fairlead::enrol {

inline constexpr std::string_view kRenewalPlugin = "enrol";

struct RenewalRequest {
  std::string request;                      // DER; empty: no certificate is wanted
  std::optional<pki::Sha256> trust_digest;  // of ca.pem, once the edge's certificate goes with it
};
struct RenewalAnswer {
  std::string certificate_pem;
  std::string trust_pem;
  std::vector<std::string> cloud_chain;  // DER
  std::int64_t unix_ms = 0;
};

// Bodies: FlowOpen.head and FlowReply.head.
std::string encode(const RenewalRequest& request);
std::string encode(const RenewalAnswer& answer);
Result<RenewalRequest> decode_renewal_request(std::string_view body);
Result<RenewalAnswer> decode_renewal_answer(std::string_view body);

pki::Sha256 trust_digest(std::string_view trust_pem);

// When a certificate is to be renewed: at a random point between half and two thirds of its life, so that edges which joined together do
// not come together. Its life begins when it was issued, not when it is back-dated to.
WallTime renewal_due(const pki::Certificate& certificate, Random& random);

}  // namespace fairlead::enrol
