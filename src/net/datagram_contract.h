// datagram_contract.h: what datagram sockets of every Network must do. Included by one test file of each implementation.
#pragma once
#include <algorithm>
#include <vector>

#include "net/network_ground.h"
#include "net/testing.h"

namespace fairlead::net {

struct SocketPair {
  std::unique_ptr<DatagramSocket> near;  // of the dialler
  std::unique_ptr<DatagramSocket> far;   // of the server
};
inline SocketPair socket_pair(Ground& ground) {
  const IpAddress source = ground.dialler().source_for(ground.server_ip()).value();
  return {ground.dialler().bind({source, 0}).value(), ground.server().bind(ground.any_port()).value()};
}

inline Task<void> addresses_and_marks(Ground& ground) {
  SocketPair pair = socket_pair(ground);
  for (Ecn ecn : {Ecn::not_ect, Ecn::ect0, Ecn::ect1, Ecn::ce}) {
    const auto sent = pair.near->send({.to = pair.far->local(), .from = {}, .ecn = ecn, .data = as_bytes("hello"), .segment = 1200});
    EXPECT_EQ(sent, SendOutcome::sent);
    auto got = co_await receive_at_least(*pair.far, 1);
    EXPECT_EQ(got.size(), 1u);
    EXPECT_EQ(got[0].from, pair.near->local());
    EXPECT_EQ(got[0].to, pair.far->local());
    EXPECT_EQ(got[0].ecn, ecn);
    EXPECT_EQ(as_text(got[0].payload), "hello");
  }
}
TEST_P(DatagramContract, ADatagramShowsItsAddressesAndItsMark) { ground_->run(addresses_and_marks(*ground_)); }

inline Task<void> any_address(Ground& ground) {
  const IpAddress any = ground.server_ip().is_v4() ? IpAddress() : IpAddress::v6({});
  auto far = ground.server().bind({any, 0}).value();
  auto near = ground.dialler().bind({any, 0}).value();
  const SocketAddress to{ground.server_ip(), far->local().port};
  EXPECT_EQ(near->send({.to = to, .from = {}, .ecn = Ecn::ect0, .data = as_bytes("ask"), .segment = 1200}), SendOutcome::sent);
  auto asked = co_await receive_at_least(*far, 1);
  EXPECT_EQ(asked[0].to, to) << "the address it was sent to, not the one it was bound to";
  const auto answered =
      far->send({.to = asked[0].from, .from = asked[0].to.ip, .ecn = Ecn::ect0, .data = as_bytes("answer"), .segment = 1200});
  EXPECT_EQ(answered, SendOutcome::sent);
  auto got = co_await receive_at_least(*near, 1);
  EXPECT_EQ(got[0].from, to);
  EXPECT_EQ(got[0].ecn, Ecn::ect0);
}
TEST_P(DatagramContract, ASocketOfAnyAddressAnswersFromTheAddressThatWasAsked) { ground_->run(any_address(*ground_)); }

inline void expect_segments(const std::vector<Received>& got, Bytes all, std::size_t segment) {
  std::size_t at = 0;
  for (const Received& one : got) {
    const Bytes expected = all.subspan(at, std::min(segment, all.size() - at));
    EXPECT_TRUE(std::ranges::equal(one.payload, expected)) << one.payload.size() << " bytes at " << at;
    at += expected.size();
  }
  EXPECT_EQ(at, all.size());
}
inline Task<void> batch(Ground& ground, std::size_t size, std::size_t segment) {
  SocketPair pair = socket_pair(ground);
  const std::vector<std::byte> all = pattern(size);
  const auto sent = pair.near->send({.to = pair.far->local(), .from = {}, .ecn = Ecn::ect0, .data = all, .segment = segment});
  EXPECT_EQ(sent, SendOutcome::sent);
  auto got = co_await receive_at_least(*pair.far, (size + segment - 1) / segment);
  expect_segments(got, all, segment);
}
TEST_P(DatagramContract, ABatchArrivesAsItsDatagramsWithAShorterTail) {
  ground_->run(batch(*ground_, 10 * 1200 + 7, 1200));
  ground_->run(batch(*ground_, 10 * 1200, 1200));
  ground_->run(batch(*ground_, DatagramBatch::kMaxSegments * 1000, 1000));
  ground_->run(batch(*ground_, 1201, 1200));
}

inline Task<void> many_small(Ground& ground) {
  constexpr std::size_t kCount = 200;
  SocketPair pair = socket_pair(ground);
  for (std::size_t i = 0; i < kCount; i++) {
    const std::byte one[] = {static_cast<std::byte>(i)};
    EXPECT_EQ(pair.near->send({.to = pair.far->local(), .from = {}, .ecn = Ecn::not_ect, .data = one, .segment = 1}), SendOutcome::sent);
  }
  std::vector<Received> all;
  while (all.size() < kCount) {
    co_await pair.far->readable();
    const std::size_t before = all.size();
    const std::size_t n = receive_into(*pair.far, 10, all);
    EXPECT_EQ(n, all.size() - before);
    EXPECT_LE(n, 10 + DatagramBatch::kMaxSegments) << "about the limit: a merged burst is not cut";
  }
  for (std::size_t i = 0; i < kCount; i++) EXPECT_EQ(all[i].payload.at(0), static_cast<std::byte>(i));
  EXPECT_EQ(receive_into(*pair.far, 10, all), 0u);
}
TEST_P(DatagramContract, ALimitedReceiveLeavesTheRestReadable) { ground_->run(many_small(*ground_)); }

inline Task<void> empty_datagram(Ground& ground) {
  SocketPair pair = socket_pair(ground);
  EXPECT_EQ(pair.near->send({.to = pair.far->local(), .from = {}, .ecn = Ecn::not_ect, .data = {}, .segment = 1200}), SendOutcome::sent);
  auto got = co_await receive_at_least(*pair.far, 1);
  EXPECT_EQ(got[0].payload.size(), 0u);
}
TEST_P(DatagramContract, AnEmptyDatagramIsOne) { ground_->run(empty_datagram(*ground_)); }

TEST_P(DatagramContract, WhatNoDatagramCanHoldIsTooLarge) {
  SocketPair pair = socket_pair(*ground_);
  const std::vector<std::byte> all(65'536);
  EXPECT_EQ(pair.near->send({.to = pair.far->local(), .from = {}, .ecn = Ecn::not_ect, .data = all, .segment = all.size()}),
            SendOutcome::too_large);
}

inline Task<void> nobody_there(Ground& ground) {
  SocketPair pair = socket_pair(ground);
  auto closed = ground.server().bind(ground.any_port()).value();
  const SocketAddress nobody = closed->local();
  closed.reset();
  for (int i = 0; i < 3; i++)
    EXPECT_EQ(pair.near->send({.to = nobody, .from = {}, .ecn = Ecn::not_ect, .data = as_bytes("?"), .segment = 1200}), SendOutcome::sent);
  EXPECT_EQ(pair.far->send({.to = pair.near->local(), .from = {}, .ecn = Ecn::not_ect, .data = as_bytes("!"), .segment = 1200}),
            SendOutcome::sent);
  auto got = co_await receive_at_least(*pair.near, 1);
  EXPECT_EQ(as_text(got[0].payload), "!");
}
TEST_P(DatagramContract, ADatagramToNobodyDisturbsNoOther) { ground_->run(nobody_there(*ground_)); }

TEST_P(DatagramContract, AnAddressThatIsTakenIsRefused) {
  auto first = ground_->server().bind(ground_->any_port()).value();
  EXPECT_NE(first->local().port, 0);
  auto second = ground_->server().bind(first->local());
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code(), Code::exists);
}

TEST_P(DatagramContract, SendingToTheOtherFamilyFails) {
  const IpAddress own = ground_->server_ip();
  auto socket = ground_->server().bind({own, 0}).value();
  const SocketAddress other{own.is_v4() ? IpAddress::parse("::1").value() : IpAddress::loopback_v4(), 9};
  EXPECT_EQ(socket->send({.to = other, .from = {}, .ecn = Ecn::not_ect, .data = as_bytes("x"), .segment = 1200}), SendOutcome::failed);
}

inline Task<void> writable_at_once(Ground& ground) {
  SocketPair pair = socket_pair(ground);
  co_await pair.near->writable();
}
TEST_P(DatagramContract, ASocketWithAnEmptyQueueIsWritable) { ground_->run(writable_at_once(*ground_)); }

// ---- connected

inline SendOutcome say(DatagramSocket& socket, const SocketAddress& to, std::string_view text) {
  return socket.send({.to = to, .from = {}, .ecn = Ecn::not_ect, .data = as_bytes(text), .segment = 1200});
}

inline Task<void> hears_its_peer(Ground& ground) {
  auto far = ground.server().bind(ground.any_port()).value();
  auto near = ground.dialler().connect_datagrams(far->local()).value();
  EXPECT_EQ(say(*near, far->local(), "ask"), SendOutcome::sent);
  auto asked = co_await receive_at_least(*far, 1);
  EXPECT_EQ(as_text(asked[0].payload), "ask");
  EXPECT_EQ(asked[0].from, near->local());
  auto stranger = ground.server().bind(ground.any_port()).value();
  EXPECT_EQ(say(*stranger, near->local(), "me"), SendOutcome::sent);
  EXPECT_EQ(say(*far, near->local(), "answer"), SendOutcome::sent);
  auto answered = co_await receive_at_least(*near, 1);
  EXPECT_EQ(answered.size(), 1u);
  EXPECT_EQ(as_text(answered[0].payload), "answer") << "of its peer only";
  EXPECT_FALSE(near->take_error());
}
TEST_P(DatagramContract, AConnectedSocketHearsItsPeerOnly) { ground_->run(hears_its_peer(*ground_)); }

inline Task<void> nobody_hears(Ground& ground) {
  auto closed = ground.server().bind(ground.any_port()).value();
  const SocketAddress nobody = closed->local();
  closed.reset();
  auto near = ground.dialler().connect_datagrams(nobody).value();
  EXPECT_EQ(say(*near, nobody, "?"), SendOutcome::sent);
  co_await near->readable();
  std::vector<Received> none;
  EXPECT_EQ(receive_into(*near, 64, none), 0u);
  auto error = near->take_error();
  EXPECT_TRUE(error);
  if (error) EXPECT_EQ(error->code(), Code::refused) << error->describe();
  EXPECT_FALSE(near->take_error()) << "told once";
}
TEST_P(DatagramContract, AConnectedSocketHearsThatNobodyIsThere) { ground_->run(nobody_hears(*ground_)); }

}  // namespace fairlead::net
