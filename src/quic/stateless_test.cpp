#include "quic/stateless.h"

#include <gtest/gtest.h>
#include <ngtcp2/ngtcp2.h>

#include "base/random.h"
#include "quic/cid_source.h"

namespace fairlead::quic::stateless {
namespace {

const WallTime kNow{std::chrono::sys_days{std::chrono::year{2026} / 1 / 1}};
const std::array<std::byte, 32> kSecret{std::byte{3}};
net::SocketAddress address(const char* text) { return net::SocketAddress::parse(text).value(); }

std::vector<std::byte> long_packet(std::uint8_t first, std::uint32_t version, std::size_t dcid, std::size_t scid, std::size_t size) {
  std::vector<std::byte> packet;
  packet.push_back(std::byte{first});
  for (int shift = 24; shift >= 0; shift -= 8) packet.push_back(static_cast<std::byte>(version >> shift));
  packet.push_back(static_cast<std::byte>(dcid));
  packet.insert(packet.end(), dcid, std::byte{0xdd});
  packet.push_back(static_cast<std::byte>(scid));
  packet.insert(packet.end(), scid, std::byte{0x55});
  packet.push_back(std::byte{0});  // no token
  packet.push_back(std::byte{0x40});
  packet.push_back(std::byte{100});
  packet.resize(std::max(size, packet.size()));
  return packet;
}

ConnectionId id_of(std::uint8_t fill, std::size_t size) {
  ConnectionId id;
  id.size = static_cast<std::uint8_t>(size);
  std::fill_n(id.bytes.begin(), size, fill);
  return id;
}

TEST(Stateless, ReadsTheHeadOfEveryKindOfPacket) {
  const auto initial = long_packet(0xc3, NGTCP2_PROTO_VER_V1, 8, 4, 1200);
  EXPECT_EQ(read_head(initial)->kind, Head::Kind::long_header);
  EXPECT_EQ(read_head(initial)->dcid.size(), 8u);
  EXPECT_EQ(read_head(long_packet(0xc3, 0, 8, 4, 60))->kind, Head::Kind::version_negotiation);
  const auto other = read_head(long_packet(0xc3, 0xbabababa, 255, 255, 1200));
  EXPECT_EQ(other->kind, Head::Kind::other_version);
  EXPECT_EQ(other->dcid.size(), 255u);
  EXPECT_EQ(read_head(std::vector<std::byte>(30, std::byte{0x41}))->kind, Head::Kind::short_header);
  EXPECT_FALSE(read_head({}));
  EXPECT_FALSE(read_head(std::vector<std::byte>(10, std::byte{0x41})));          // shorter than an id of ours
  EXPECT_FALSE(read_head(long_packet(0xc3, NGTCP2_PROTO_VER_V1, 21, 4, 1200)));  // ids of this version end at 20 bytes
  EXPECT_FALSE(read_head(long_packet(0xc3, 0xbabababa, 8, 4, 1199)));            // too small to be answered
}

TEST(Stateless, OnlyAWholeInitialOpensAConnection) {
  EXPECT_TRUE(read_initial(long_packet(0xc3, NGTCP2_PROTO_VER_V1, 8, 4, 1200)));
  EXPECT_FALSE(read_initial(long_packet(0xc3, NGTCP2_PROTO_VER_V1, 8, 4, 1199)));
  EXPECT_FALSE(read_initial(long_packet(0xc3, NGTCP2_PROTO_VER_V1, 7, 4, 1200)));
  EXPECT_FALSE(read_initial(long_packet(0xe3, NGTCP2_PROTO_VER_V1, 8, 4, 1200)));  // Handshake
  EXPECT_FALSE(read_initial(std::vector<std::byte>(1200, std::byte{0x41})));
  EXPECT_FALSE(read_initial({}));
}

// The token that a Retry packet carries: between the ids and the integrity tag.
Bytes token_of(const std::vector<std::byte>& packet) {
  const Bytes bytes(packet);
  const auto head = read_head(bytes);
  const std::size_t at = 7 + head->dcid.size() + head->scid.size();
  return bytes.subspan(at, bytes.size() - at - 16);
}

TEST(Stateless, ARetryTokenProvesAddressAndBothIds) {
  const auto from = address("192.0.2.7:5000");
  Initial first{.version = NGTCP2_PROTO_VER_V1, .dcid = id_of(1, 12), .scid = id_of(2, 4), .token = {}};
  const ConnectionId ours = id_of(3, 10);
  const auto packet = retry(first, ours, from, kSecret, kNow);
  ASSERT_FALSE(packet.empty());
  EXPECT_LE(packet.size(), kMinInitial);
  Initial second{.version = NGTCP2_PROTO_VER_V1, .dcid = ours, .scid = id_of(2, 4), .token = token_of(packet)};

  const Token good = check_token(second, from, kSecret, kNow + kRetryTokenLife - 1s);
  EXPECT_EQ(good.check, TokenCheck::retried);
  EXPECT_EQ(good.original_dcid, first.dcid);

  EXPECT_EQ(check_token(second, from, kSecret, kNow + kRetryTokenLife + 1s).check, TokenCheck::bad_retry);
  EXPECT_EQ(check_token(second, address("192.0.2.7:5001"), kSecret, kNow).check, TokenCheck::bad_retry);
  EXPECT_EQ(check_token(second, address("192.0.2.8:5000"), kSecret, kNow).check, TokenCheck::bad_retry);
  EXPECT_EQ(check_token(second, from, std::array<std::byte, 32>{}, kNow).check, TokenCheck::bad_retry);
  second.dcid = id_of(4, 10);
  EXPECT_EQ(check_token(second, from, kSecret, kNow).check, TokenCheck::bad_retry);
}

TEST(Stateless, ATokenOfSomebodyElseProvesNothing) {
  const auto from = address("[2001:db8::1]:443");
  Initial initial{.version = NGTCP2_PROTO_VER_V1, .dcid = id_of(1, 8), .scid = id_of(2, 4), .token = {}};
  EXPECT_EQ(check_token(initial, from, kSecret, kNow).check, TokenCheck::none);
  const std::vector<std::byte> unknown(40, std::byte{0x36});  // the first byte of a NEW_TOKEN, the rest invented
  initial.token = unknown;
  EXPECT_EQ(check_token(initial, from, kSecret, kNow).check, TokenCheck::none);
  const std::vector<std::byte> other(40, std::byte{0x01});
  initial.token = other;
  EXPECT_EQ(check_token(initial, from, kSecret, kNow).check, TokenCheck::none);
}

TEST(Stateless, VersionNegotiationGoesBackWithTheIdsSwapped) {
  const auto trigger = long_packet(0xc3, 0xbabababa, 255, 200, 1200);
  const auto packet = version_negotiation(*read_head(trigger));
  ASSERT_FALSE(packet.empty());
  EXPECT_LT(packet.size(), trigger.size());
  const auto head = read_head(packet);
  ASSERT_TRUE(head);
  EXPECT_EQ(head->kind, Head::Kind::version_negotiation);
  EXPECT_EQ(head->dcid.size(), 200u);
  EXPECT_EQ(head->scid.size(), 255u);
}

TEST(Stateless, AResetIsAlwaysShorterThanItsTriggerSoThatTwoEndpointsStop) {
  const StatelessResetToken token{9};
  for (std::size_t trigger = 0; trigger < 100; trigger++) {
    const auto packet = reset(trigger, token);
    if (packet.empty()) {
      EXPECT_LT(trigger, 22u);
      continue;
    }
    EXPECT_GE(trigger, 22u);
    EXPECT_LT(packet.size(), trigger);
    EXPECT_LE(packet.size(), kMaxReset);
    EXPECT_EQ(packet[0] & std::byte{0xc0}, std::byte{0x40});
    EXPECT_TRUE(std::equal(token.begin(), token.end(), as_u8(Bytes(packet).last(16))));
  }
}

TEST(Stateless, ArbitraryBytesAreReadWithoutHarm) {
  Random random(11);
  for (int i = 0; i < 20'000; i++) {
    std::vector<std::byte> bytes(random.below(64) + (random.chance(0.2) ? 1200 : 0));
    for (std::byte& b : bytes) b = static_cast<std::byte>(random.next());
    if (const auto head = read_head(bytes)) EXPECT_LE(head->dcid.size() + head->scid.size(), bytes.size());
    if (const auto initial = read_initial(bytes)) check_token(*initial, address("192.0.2.1:1"), kSecret, kNow);
  }
}

}  // namespace
}  // namespace fairlead::quic::stateless
