// stream_contract.h: what streams and listeners of every Network must do. Included by one test file of each implementation.
#pragma once
#include <vector>

#include "net/linger.h"
#include "net/network_ground.h"
#include "net/testing.h"
#include "runtime/timer.h"

namespace fairlead::net {

struct StreamPair {
  std::unique_ptr<Listener> listener;
  std::unique_ptr<Stream> dialled;
  std::unique_ptr<Stream> accepted;
};

inline Task<StreamPair> connected_pair(Ground& ground) {
  StreamPair pair;
  pair.listener = ground.server().listen(ground.any_port()).value();
  auto dialled = co_await ground.dialler().connect(pair.listener->local());
  auto accepted = co_await pair.listener->accept();
  pair.dialled = std::move(dialled).value();
  pair.accepted = ground.server().adopt(std::move(accepted).value());
  co_return pair;
}

inline Task<void> bytes_both_ways(Ground& ground) {
  constexpr std::size_t kSize = 3'000'000;
  StreamPair pair = co_await connected_pair(ground);
  Rest at_dialled, at_accepted;
  Scope scope(ground.loop());
  scope.spawn(write_pattern_and_shut(*pair.dialled, kSize));
  scope.spawn(write_pattern_and_shut(*pair.accepted, kSize + 1));
  scope.spawn(read_rest_into(*pair.dialled, at_dialled));
  scope.spawn(read_rest_into(*pair.accepted, at_accepted));
  co_await scope.done();
  EXPECT_TRUE(at_dialled.end && at_accepted.end && at_dialled.intact && at_accepted.intact);
  EXPECT_EQ(at_dialled.size, kSize + 1);
  EXPECT_EQ(at_accepted.size, kSize);
}
TEST_P(StreamContract, BytesArriveOnceAndInOrderBothWays) { ground_->run(bytes_both_ways(*ground_)); }

inline Task<void> half_close(Ground& ground) {
  StreamPair pair = co_await connected_pair(ground);
  co_await write_pattern_and_shut(*pair.dialled, 100);
  Rest first = co_await read_rest(*pair.accepted);
  EXPECT_EQ(first.size, 100u);
  EXPECT_TRUE(first.end);
  Rest again = co_await read_rest(*pair.accepted);
  EXPECT_EQ(again.size, 0u);
  EXPECT_TRUE(again.end);
  // The other direction is as open as before.
  co_await write_pattern_and_shut(*pair.accepted, 200'000);
  Rest answer = co_await read_rest(*pair.dialled);
  EXPECT_EQ(answer.size, 200'000u);
  EXPECT_TRUE(answer.end && answer.intact);
  EXPECT_TRUE(pair.dialled->shut()) << "shutting twice is no failure";
}
TEST_P(StreamContract, ShutEndsOneHalfAndItsEndIsReadAgainAndAgain) { ground_->run(half_close(*ground_)); }

inline Task<void> tried_reads(Ground& ground) {
  StreamPair pair = co_await connected_pair(ground);
  std::byte buffer[16];
  EXPECT_FALSE(pair.accepted->try_read(buffer)) << "nothing has come yet";
  co_await write_pattern_and_shut(*pair.dialled, 10);
  co_await pair.accepted->readable();
  auto some = pair.accepted->try_read(buffer);
  EXPECT_TRUE(some && *some && **some == 10u);
  co_await pair.accepted->readable();
  auto end = pair.accepted->try_read(buffer);
  EXPECT_TRUE(end && *end && **end == 0u);
  co_await pair.accepted->readable();  // at once, as every later call
  pair.accepted->reset();
  co_await pair.dialled->readable();
  auto broken = pair.dialled->try_read(buffer);
  EXPECT_TRUE(broken && !*broken && broken->error().code() == Code::reset);
  co_await pair.accepted->readable();
  auto own = pair.accepted->try_read(buffer);
  EXPECT_TRUE(own && !*own && own->error().code() == Code::cancelled);
}
TEST_P(StreamContract, AReadThatIsTriedNeverWaits) { ground_->run(tried_reads(*ground_)); }

inline Task<void> tried_writes(Ground& ground) {
  StreamPair pair = co_await connected_pair(ground);
  const std::vector<std::byte> all = pattern(64_MiB);
  std::size_t accepted = 0;
  for (;;) {
    auto n = pair.dialled->try_write(Bytes(all).subspan(accepted, 64_KiB));
    EXPECT_TRUE(n) << n.error().describe();
    if (!n || *n == 0) break;
    accepted += *n;
    if (accepted > all.size() / 2) break;
  }
  EXPECT_GT(accepted, 0u);
  EXPECT_LT(accepted, all.size() / 2) << "nobody reads";
  std::vector<std::byte> buffer(16_MiB);
  auto read = co_await pair.accepted->read(buffer);
  EXPECT_TRUE(read && *read > 0 && std::ranges::equal(Bytes(buffer).first(*read), Bytes(all).first(*read)));
  std::size_t got = *read;
  while (got < accepted) {
    read = co_await pair.accepted->read(buffer);
    EXPECT_TRUE(read && *read > 0);
    if (!read || *read == 0) co_return;
    got += *read;
  }
  co_await pair.dialled->writable();
  auto more = pair.dialled->try_write(Bytes(all).subspan(accepted, 10));
  EXPECT_EQ(more.value(), 10u);
  read = co_await pair.accepted->read(buffer);
  EXPECT_TRUE(read && *read == 10);
  EXPECT_TRUE(pair.dialled->shut());
  EXPECT_EQ(pair.dialled->try_write(as_bytes("x")).error().code(), Code::closed);
  co_await pair.dialled->writable();  // at once
}
TEST_P(StreamContract, AWriteThatIsTriedTellsWhatWasAccepted) { ground_->run(tried_writes(*ground_)); }

inline Task<void> end_told(Ground& ground) {
  StreamPair pair = co_await connected_pair(ground);
  co_await write_pattern(*pair.accepted, 1);
  std::byte byte[1];
  auto all = co_await pair.dialled->read(byte);
  EXPECT_TRUE(all && *all == 1);
  pair.dialled->end_was_told();
  co_await write_pattern_and_shut(*pair.dialled, 50'000);
  pair.dialled.reset();
  Rest rest = co_await read_rest(*pair.accepted);
  EXPECT_EQ(rest.size, 50'000u);
  EXPECT_TRUE(rest.end && rest.intact);
}
TEST_P(StreamContract, AnEndThatWasToldCountsAsRead) { ground_->run(end_told(*ground_)); }

inline Task<void> write_after_shut(Ground& ground) {
  StreamPair pair = co_await connected_pair(ground);
  EXPECT_TRUE(pair.dialled->shut());
  auto written = co_await pair.dialled->write(as_bytes("x"));
  EXPECT_FALSE(written);
  if (!written) EXPECT_EQ(written.error().code(), Code::closed);
}
TEST_P(StreamContract, WritingAfterShutIsRefused) { ground_->run(write_after_shut(*ground_)); }

inline Task<void> reset_is_seen(Ground& ground) {
  StreamPair pair = co_await connected_pair(ground);
  pair.dialled->reset();
  co_await expect_reset(*pair.accepted);
  const Code own = co_await code_of_read(*pair.dialled);
  EXPECT_EQ(own, Code::cancelled);
}
TEST_P(StreamContract, ResetIsSeenAsResetEveryTime) { ground_->run(reset_is_seen(*ground_)); }

inline Task<void> write_until_it_fails(Stream& stream, Code& code) {
  const std::vector<std::byte> bytes(64_KiB);
  for (;;) {
    auto written = co_await stream.write(bytes);
    if (written) continue;
    code = written.error().code();
    co_return;
  }
}
inline Task<void> reset_while_writing(Ground& ground) {
  StreamPair pair = co_await connected_pair(ground);
  Code code = Code::internal;
  Scope scope(ground.loop());
  scope.spawn(write_until_it_fails(*pair.dialled, code));
  std::byte byte[1];
  auto n = co_await pair.accepted->read(byte);
  EXPECT_TRUE(n);
  pair.accepted->reset();
  co_await scope.done();
  EXPECT_EQ(code, Code::reset);
  // The write was told of the reset; the read must not take it for an orderly end.
  co_await expect_reset(*pair.dialled);
}
TEST_P(StreamContract, ResetEndsAWriterThatWaitsAndTheReaderToo) { ground_->run(reset_while_writing(*ground_)); }

inline Task<void> store_code_of_read(Stream& stream, Code& code) { code = co_await code_of_read(stream); }
inline Task<void> reset_after_end(Ground& ground) {
  StreamPair pair = co_await connected_pair(ground);
  co_await write_pattern_and_shut(*pair.accepted, 10);
  co_await pair.dialled->readable();
  pair.accepted->reset();
  Code code = Code::internal;
  co_await write_until_it_fails(*pair.dialled, code);
  EXPECT_EQ(code, Code::reset);
  Rest rest = co_await read_rest(*pair.dialled);
  EXPECT_TRUE(rest.end && rest.intact) << "the peer had sent all that it had to say";
  EXPECT_EQ(rest.size, 10u);
}
TEST_P(StreamContract, AnEndThatCameBeforeTheResetIsStillAnEnd) { ground_->run(reset_after_end(*ground_)); }

inline Task<void> write_and_reset_once_delivered(Ground& ground, Stream& stream, std::size_t size) {
  co_await write_pattern(stream, size);
  co_await until_delivered(ground.loop(), stream, 30s);
  EXPECT_EQ(stream.undelivered(), 0u);
  stream.reset();
}
inline Task<void> reset_once_delivered(Ground& ground) {
  constexpr std::size_t kSize = 20'000'000;  // more than a connection holds
  StreamPair pair = co_await connected_pair(ground);
  Rest got;
  Scope scope(ground.loop());
  scope.spawn(write_and_reset_once_delivered(ground, *pair.dialled, kSize));
  co_await ground.loop().sleep(100ms);
  scope.spawn(read_rest_into(*pair.accepted, got));
  co_await scope.done();
  EXPECT_EQ(got.size, kSize);
  EXPECT_TRUE(got.intact);
  EXPECT_FALSE(got.end);
  if (!got.end) EXPECT_EQ(got.end.error().code(), Code::reset);
}
TEST_P(StreamContract, WhatWasDeliveredBeforeAResetIsReadBeforeIt) { ground_->run(reset_once_delivered(*ground_)); }

inline Task<void> undeliverable(Ground& ground) {
  StreamPair pair = co_await connected_pair(ground);
  const std::vector<std::byte> bytes(64_KiB);
  for (;;) {
    auto n = pair.dialled->try_write(bytes);
    if (!n || *n == 0) break;
  }
  pair.accepted->reset();
  co_await pair.dialled->readable();
  EXPECT_EQ(pair.dialled->undelivered(), 0u) << "nobody will have it";
}
TEST_P(StreamContract, WhatThePeerBrokeOffIsNotWaitedFor) { ground_->run(undeliverable(*ground_)); }

inline Task<void> reset_under_own_reader(Ground& ground) {
  StreamPair pair = co_await connected_pair(ground);
  Code code = Code::internal;
  Scope scope(ground.loop());
  scope.spawn(store_code_of_read(*pair.dialled, code));
  co_await ground.loop().yield();
  pair.dialled->reset();
  co_await scope.done();
  EXPECT_EQ(code, Code::cancelled);
}
TEST_P(StreamContract, ResetWakesTheReaderOfTheSameSide) { ground_->run(reset_under_own_reader(*ground_)); }

inline Task<void> destroyed_open(Ground& ground) {
  StreamPair open = co_await connected_pair(ground);
  open.dialled.reset();
  co_await expect_reset(*open.accepted);

  StreamPair shut = co_await connected_pair(ground);
  co_await write_pattern_and_shut(*shut.dialled, 100);
  shut.dialled.reset();  // it has not read the end of the other half: the answer, if there is one, is lost
  co_await read_rest(*shut.accepted);
  Code code = Code::internal;
  co_await write_until_it_fails(*shut.accepted, code);
  EXPECT_EQ(code, Code::reset) << "the peer must see that nobody takes its answer";
}
TEST_P(StreamContract, DestroyingAnOpenStreamResets) { ground_->run(destroyed_open(*ground_)); }

inline Task<void> destroyed_after_both_ends(Ground& ground) {
  constexpr std::size_t kSize = 50'000;  // fits every buffer: it is still on its way when its stream goes
  StreamPair pair = co_await connected_pair(ground);
  EXPECT_TRUE(pair.accepted->shut());
  Rest nothing = co_await read_rest(*pair.dialled);
  EXPECT_TRUE(nothing.end);
  co_await write_pattern_and_shut(*pair.dialled, kSize);
  pair.dialled.reset();
  Rest rest = co_await read_rest(*pair.accepted);
  EXPECT_EQ(rest.size, kSize);
  EXPECT_TRUE(rest.end && rest.intact);
}
TEST_P(StreamContract, DestroyingAfterBothHalvesEndedLosesNothing) { ground_->run(destroyed_after_both_ends(*ground_)); }

inline Task<void> refused(Ground& ground) {
  auto listener = ground.server().listen(ground.any_port()).value();
  const SocketAddress address = listener->local();
  listener.reset();
  auto stream = co_await ground.dialler().connect(address);
  EXPECT_FALSE(stream);
  if (!stream) EXPECT_EQ(stream.error().code(), Code::refused);
}
TEST_P(StreamContract, ConnectingWhereNobodyListensIsRefused) { ground_->run(refused(*ground_)); }

inline Task<void> dropped_before_adopted(Ground& ground) {
  auto listener = ground.server().listen(ground.any_port()).value();
  auto dialled = co_await ground.dialler().connect(listener->local());
  auto accepted = co_await listener->accept();
  accepted = fail(Code::cancelled, "not wanted");
  co_await expect_reset(**dialled);

  auto waiting = co_await ground.dialler().connect(listener->local());
  listener.reset();
  co_await expect_reset(**waiting);
}
TEST_P(StreamContract, AConnectionThatNobodyTakesIsReset) { ground_->run(dropped_before_adopted(*ground_)); }

inline Task<void> accept_once(Listener& listener, int& accepted) {
  auto incoming = co_await listener.accept();
  if (incoming) accepted++;
}
inline Task<void> accept_cancelled(Ground& ground) {
  auto listener = ground.server().listen(ground.any_port()).value();
  int accepted = 0;
  {
    Scope scope(ground.loop());
    scope.spawn(accept_once(*listener, accepted));
    co_await ground.loop().yield();
  }
  auto dialled = co_await ground.dialler().connect(listener->local());
  EXPECT_EQ(accepted, 0);
  co_await accept_once(*listener, accepted);
  EXPECT_EQ(accepted, 1);
}
TEST_P(StreamContract, AnAcceptThatWasCancelledTakesNoConnection) { ground_->run(accept_cancelled(*ground_)); }

inline Task<Result<int>> write_endlessly(Stream& stream, std::size_t& accepted) {
  const std::vector<std::byte> all = pattern(64_MiB);
  constexpr std::size_t kChunk = 64_KiB;
  for (Bytes left = all; !left.empty(); left = left.subspan(kChunk)) {
    auto written = co_await stream.write(left.first(kChunk));
    if (!written) co_return std::unexpected(written.error());
    accepted += kChunk;
  }
  co_return 0;
}
inline Task<void> slow_reader(Ground& ground) {
  constexpr std::size_t kBound = 16_MiB;  // of both sides' buffers together
  StreamPair pair = co_await connected_pair(ground);
  std::size_t accepted = 0;
  const TimePoint patience = ground.loop().now() + 500ms;
  auto written = co_await with_deadline<int>(ground.loop(), patience, "write", write_endlessly(*pair.dialled, accepted));
  EXPECT_FALSE(written);
  if (!written) EXPECT_EQ(written.error().code(), Code::timeout) << written.error().describe();
  EXPECT_GT(accepted, 0u);
  EXPECT_LT(accepted, kBound);
  // Nothing of what was accepted is lost. The write that was cancelled may have left its chunk or a part of it.
  EXPECT_TRUE(pair.dialled->shut());
  Rest rest = co_await read_rest(*pair.accepted);
  EXPECT_TRUE(rest.end && rest.intact);
  EXPECT_GE(rest.size, accepted);
  EXPECT_LE(rest.size, accepted + 64_KiB);
}
TEST_P(StreamContract, AWriterWaitsForItsReaderAndTheBuffersAreBounded) { ground_->run(slow_reader(*ground_)); }

inline Task<void> addresses(Ground& ground) {
  StreamPair pair = co_await connected_pair(ground);
  EXPECT_EQ(pair.dialled->peer(), pair.listener->local());
  EXPECT_EQ(pair.accepted->local(), pair.listener->local());
  EXPECT_EQ(pair.accepted->peer(), pair.dialled->local());
  EXPECT_NE(pair.dialled->local().port, 0);
  auto second = ground.server().listen(pair.listener->local());
  EXPECT_FALSE(second);
  if (!second) EXPECT_EQ(second.error().code(), Code::exists);
}
TEST_P(StreamContract, BothSidesAgreeOnTheirAddresses) { ground_->run(addresses(*ground_)); }

inline Task<void> ask_one(Network& network, SocketAddress to, std::size_t size, int& answered) {
  auto stream = co_await network.connect(to);
  EXPECT_TRUE(stream) << stream.error().describe();
  if (!stream) co_return;
  co_await write_pattern_and_shut(**stream, size);
  Rest rest = co_await read_rest(**stream);
  if (rest.end && rest.intact && rest.size == size) answered++;
}
inline Task<void> a_thousand(Ground& ground) {
  constexpr int kConnections = 1000;
  auto listener = ground.server().listen(ground.any_port()).value();
  int answered = 0;
  Scope scope(ground.loop());
  scope.spawn(echo_all(ground.server(), *listener, kConnections));
  for (int i = 0; i < kConnections; i++)
    scope.spawn(ask_one(ground.dialler(), listener->local(), static_cast<std::size_t>(100 + i), answered));
  co_await scope.done();
  EXPECT_EQ(answered, kConnections);
}
TEST_P(StreamContract, AThousandConnectionsAtOnce) { ground_->run(a_thousand(*ground_)); }

inline Task<void> resolve_literal(Ground& ground) {
  auto found = co_await ground.dialler().resolve(ground.server_ip().to_text());
  EXPECT_EQ(found.value(), std::vector<IpAddress>{ground.server_ip()});
}
TEST_P(StreamContract, ALiteralAddressResolvesToItself) { ground_->run(resolve_literal(*ground_)); }

}  // namespace fairlead::net
