#include "quic/stateless.h"

#include <ngtcp2/ngtcp2.h>
#include <ngtcp2/ngtcp2_crypto.h>

#include <algorithm>
#include <array>

#include "pki/random.h"

namespace fairlead::quic::stateless {

namespace {

// RFC 9000 15: a version of this form makes the other side practise negotiation.
constexpr std::uint32_t kReservedVersion = 0x1a2a3a4a;

ngtcp2_cid to_native(const ConnectionId& id) {
  ngtcp2_cid cid;
  ngtcp2_cid_init(&cid, id.bytes.data(), id.size);
  return cid;
}
ConnectionId from_native(const ngtcp2_cid& cid) { return ConnectionId::from(cid.data, cid.datalen); }

ngtcp2_tstamp to_native(WallTime at) { return static_cast<ngtcp2_tstamp>(at.time_since_epoch().count()); }
ngtcp2_duration to_native(Duration d) { return static_cast<ngtcp2_duration>(d.count()); }

struct NativeAddress {
  explicit NativeAddress(const net::SocketAddress& address) : size(address.to_sockaddr(storage)) {}
  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
  sockaddr_storage storage;
  socklen_t size;
};

using Packet = std::array<std::uint8_t, kMinInitial>;
std::vector<std::byte> written(const Packet& packet, ngtcp2_ssize n) {
  if (n <= 0) return {};
  const auto* first = reinterpret_cast<const std::byte*>(packet.data());
  return {first, first + n};
}

}  // namespace

std::optional<Head> read_head(Bytes datagram) {
  if (datagram.empty()) return std::nullopt;  // the library asserts that there is something
  ngtcp2_version_cid native{};
  const int rc = ngtcp2_pkt_decode_version_cid(&native, as_u8(datagram), datagram.size(), ConnectionId::kOurSize);
  if (rc != 0 && rc != NGTCP2_ERR_VERSION_NEGOTIATION) return std::nullopt;
  Head head;
  head.version = native.version;
  head.dcid = from_u8(native.dcid, native.dcidlen);
  if (native.scid != nullptr) head.scid = from_u8(native.scid, native.scidlen);
  const bool long_header = (as_u8(datagram)[0] & 0x80) != 0;
  if (rc != 0)
    head.kind = Head::Kind::other_version;
  else if (long_header)
    head.kind = native.version == 0 ? Head::Kind::version_negotiation : Head::Kind::long_header;
  return head;
}

std::optional<Initial> read_initial(Bytes datagram) {
  ngtcp2_pkt_hd native{};
  if (ngtcp2_accept(&native, as_u8(datagram), datagram.size()) != 0) return std::nullopt;
  return Initial{native.version, from_native(native.dcid), from_native(native.scid), from_u8(native.token, native.tokenlen)};
}

Token check_token(const Initial& initial, const net::SocketAddress& from, Bytes secret, WallTime now) {
  if (initial.token.empty()) return {};
  const std::uint8_t* token = as_u8(initial.token);
  const NativeAddress address(from);
  if (token[0] == NGTCP2_CRYPTO_TOKEN_MAGIC_RETRY) {
    const ngtcp2_cid dcid = to_native(initial.dcid);
    ngtcp2_cid original{};
    const int rc = ngtcp2_crypto_verify_retry_token(&original, token, initial.token.size(), as_u8(secret), secret.size(), initial.version,
                                                    address.get(), address.size, &dcid, to_native(kRetryTokenLife), to_native(now));
    if (rc != 0) return {TokenCheck::bad_retry, {}};
    return {TokenCheck::retried, from_native(original)};
  }
  if (token[0] == NGTCP2_CRYPTO_TOKEN_MAGIC_REGULAR &&
      ngtcp2_crypto_verify_regular_token(token, initial.token.size(), as_u8(secret), secret.size(), address.get(), address.size,
                                         to_native(kAddressTokenLife), to_native(now)) == 0)
    return {TokenCheck::proved, {}};
  return {};
}

std::vector<std::byte> version_negotiation(const Head& head) {
  Packet packet;
  const std::uint32_t versions[] = {NGTCP2_PROTO_VER_V1, kReservedVersion};
  return written(packet, ngtcp2_pkt_write_version_negotiation(packet.data(), packet.size(), static_cast<std::uint8_t>(pki::random_u64()),
                                                              as_u8(head.scid), head.scid.size(), as_u8(head.dcid), head.dcid.size(),
                                                              versions, std::size(versions)));
}

std::vector<std::byte> retry(const Initial& initial, const ConnectionId& scid, const net::SocketAddress& from, Bytes secret, WallTime now) {
  const NativeAddress address(from);
  const ngtcp2_cid ours = to_native(scid);
  const ngtcp2_cid theirs = to_native(initial.scid);
  const ngtcp2_cid original = to_native(initial.dcid);
  std::array<std::uint8_t, NGTCP2_CRYPTO_MAX_RETRY_TOKENLEN> token;
  const ngtcp2_ssize size = ngtcp2_crypto_generate_retry_token(token.data(), as_u8(secret), secret.size(), initial.version, address.get(),
                                                               address.size, &ours, &original, to_native(now));
  if (size < 0) return {};
  Packet packet;
  return written(packet, ngtcp2_crypto_write_retry(packet.data(), packet.size(), initial.version, &theirs, &ours, &original, token.data(),
                                                   static_cast<std::size_t>(size)));
}

std::vector<std::byte> refusal(const Initial& initial, std::uint64_t code) {
  const ngtcp2_cid theirs = to_native(initial.scid);
  const ngtcp2_cid ours = to_native(initial.dcid);
  Packet packet;
  return written(packet,
                 ngtcp2_crypto_write_connection_close(packet.data(), packet.size(), initial.version, &theirs, &ours, code, nullptr, 0));
}

std::vector<std::byte> reset(std::size_t trigger, const StatelessResetToken& token) {
  const std::size_t size = std::min(trigger - 1, kMaxReset);
  if (trigger == 0 || size < NGTCP2_MIN_STATELESS_RESET_RANDLEN + token.size()) return {};
  std::array<std::uint8_t, kMaxReset> random;
  pki::random_bytes(std::as_writable_bytes(std::span(random)));
  Packet packet;
  return written(packet, ngtcp2_pkt_write_stateless_reset(packet.data(), size, token.data(), random.data(), size - token.size()));
}

}  // namespace fairlead::quic::stateless
