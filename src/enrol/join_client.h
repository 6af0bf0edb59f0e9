// join_client.h: the edge's side of `fairlead-join/1`: checks that the cloud is the one it was told of, shows its token, gets its
// certificate.
//
// Invariant: nothing is sent before the cloud's CA is the pinned one and its certificate was issued by it for the host that was dialled.
// Any try may break off anywhere and be made again with the same key and token.
#pragma once
#include <functional>

#include "enrol/join_message.h"
#include "enrol/token.h"
#include "net/network.h"
#include "pki/private_key.h"
#include "quic/endpoint.h"
#include "runtime/task.h"

namespace fairlead::enrol {

struct JoinAsk {
  net::HostPort cloud;
  std::optional<JoinToken> token;  // none: a certificate of this key and name has expired, and is to be renewed
  pki::Fingerprint pin;            // of the CA; not asked if there is `trust`
  NodeName node;
  pki::PrivateKey key;
  std::string software;
  Duration step = 10s;                   // for the handshake, and for each answer
  std::optional<pki::TrustStore> trust;  // of a node that has joined before
};

struct Joined {
  std::string certificate_pem;
  std::string trust_pem;
  std::int64_t clock_skew_ms = 0;  // how far this machine's clock is ahead of the cloud's
};

// Why a try failed: what the cloud or the check of it said, or something on the way.
struct JoinFailure {
  std::optional<JoinRefusal> refusal;
  Error error;
  bool is_final() const { return refusal && enrol::is_final(refusal->code); }
};

// Whether a chain (DER, leaf first) is that of the cloud that we were told of: shows the pinned CA, and was issued by it for the host.
std::optional<JoinRefusal> check_cloud(const std::vector<std::vector<std::byte>>& chain, const JoinAsk& ask, WallTime now);

// Takes up to three times `step`.
Task<std::expected<Joined, JoinFailure>> try_join(Loop& loop, quic::Endpoint& endpoint, net::SocketAddress to, const JoinAsk& ask);

// Tries every address of the cloud, again and again with growing pauses, until it has joined or was refused for good.
struct JoinPatience {
  Duration first = 200ms;  // bound of the first pause; doubles
  Duration cap = 10s;
};
using MakeEndpoint = std::function<Result<std::unique_ptr<quic::Endpoint>>(const net::SocketAddress& cloud)>;
Task<Result<Joined>> join(Loop& loop, net::Network& network, MakeEndpoint make_endpoint, const JoinAsk& ask, JoinPatience patience = {});

// "sha256:HEX" of the CA's public key, as `fairlead init` prints it.
Result<pki::Fingerprint> parse_pin(std::string_view text);
std::string pin_text(const pki::Fingerprint& authority);

}  // namespace fairlead::enrol
