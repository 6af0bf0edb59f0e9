// mux_contract.h: what every MuxConnection must do, whatever carries it. Included by one test file of each implementation, which brings its
// ground: a connected pair in virtual time. For tests only.
#pragma once
#include <gtest/gtest.h>

#include <memory>
#include <ostream>
#include <vector>

#include "net/mux.h"
#include "net/testing.h"
#include "runtime/scope.h"
#include "runtime/sim_loop.h"
#include "runtime/timer.h"

namespace fairlead::net {

class MuxGround {
 public:
  virtual ~MuxGround() = default;
  virtual SimLoop& loop() = 0;
  MuxConnection& edge() { return *edge_; }    // who dialled
  MuxConnection& cloud() { return *cloud_; }  // who was dialled
  std::unique_ptr<MuxConnection> edge_, cloud_;
};
struct MuxGroundKind {
  const char* name;
  std::unique_ptr<MuxGround> (*make)();
  friend std::ostream& operator<<(std::ostream& out, const MuxGroundKind& kind) { return out << kind.name; }
};

class MuxContract : public testing::TestWithParam<MuxGroundKind> {
 protected:
  template <class T>
  T run(Task<T> task, Duration limit = 10min) {
    return ground_->loop().run(std::move(task), limit);
  }
  MuxConnection& edge() { return ground_->edge(); }
  MuxConnection& cloud() { return ground_->cloud(); }
  SimLoop& loop() { return ground_->loop(); }
  std::unique_ptr<MuxGround> ground_ = GetParam().make();
  Scope tasks_{ground_->loop()};
};

inline Task<std::unique_ptr<MuxStream>> mux_open(MuxConnection& by, Priority priority = Priority::interactive) {
  auto stream = co_await by.open(priority, TimePoint::max());
  EXPECT_TRUE(stream) << stream.error().describe();
  co_return stream ? *std::move(stream) : nullptr;
}
inline Task<std::unique_ptr<MuxStream>> mux_accept(MuxConnection& by) {
  auto stream = co_await by.accept();
  EXPECT_TRUE(stream) << stream.error().describe();
  co_return stream ? *std::move(stream) : nullptr;
}
inline Task<void> mux_send(MuxStream& stream, std::size_t size) {
  const std::vector<std::byte> bytes = pattern(size);
  auto written = co_await stream.write(bytes);
  EXPECT_TRUE(written) << written.error().describe();
  EXPECT_TRUE(stream.shut());
}
// How many bytes of pattern() came until the end, or why not.
inline Task<Result<std::size_t>> mux_read(MuxStream& stream) {
  std::vector<std::byte> all;
  for (;;) {
    auto bytes = co_await stream.peek();
    if (!bytes) co_return fail(bytes.error());
    if (bytes->empty()) break;
    all.insert(all.end(), bytes->begin(), bytes->end());
    stream.consume(bytes->size());
  }
  if (all != pattern(all.size())) co_return fail(Code::internal, "wrong bytes");
  co_return all.size();
}
inline Task<void> mux_echo_one(std::unique_ptr<MuxStream> stream) {
  for (;;) {
    auto bytes = co_await stream->peek();
    if (!bytes) co_return;
    if (bytes->empty()) break;
    auto written = co_await stream->write(*bytes);
    if (!written) co_return;
    stream->consume(bytes->size());
  }
  static_cast<void>(stream->shut());
}
inline Task<void> mux_echo(Loop& loop, MuxConnection& by) {
  Scope streams(loop);
  for (;;) {
    auto stream = co_await by.accept();
    if (!stream) co_return;
    streams.spawn(mux_echo_one(*std::move(stream)));
  }
}
inline Task<bool> mux_round(Loop& loop, MuxConnection& by, std::size_t size) {
  auto stream = co_await mux_open(by);
  Scope sending(loop);
  sending.spawn(mux_send(*stream, size));
  auto got = co_await mux_read(*stream);
  co_return got && *got == size;
}
inline Task<void> mux_round_into(Loop& loop, MuxConnection& by, std::size_t size, int& whole) {
  auto round = mux_round(loop, by, size);
  const bool good = co_await round;
  whole += good ? 1 : 0;
}
inline Task<int> mux_many(Loop& loop, MuxConnection& one, MuxConnection& other, int count) {
  int whole = 0;
  Scope rounds(loop);
  for (int i = 0; i < count; i++) {
    rounds.spawn(mux_round_into(loop, one, 20'000, whole));
    rounds.spawn(mux_round_into(loop, other, 20'000, whole));
  }
  co_await rounds.done();
  co_return whole;
}

TEST_P(MuxContract, BytesOfEitherSidesStreamsComeBackWhole) {
  tasks_.spawn(mux_echo(loop(), edge()));
  tasks_.spawn(mux_echo(loop(), cloud()));
  EXPECT_TRUE(run(mux_round(loop(), edge(), 3'000'000)));
  EXPECT_TRUE(run(mux_round(loop(), cloud(), 3'000'000)));
}

TEST_P(MuxContract, HundredsOfStreamsAtOnceBothWays) {
  tasks_.spawn(mux_echo(loop(), edge()));
  tasks_.spawn(mux_echo(loop(), cloud()));
  EXPECT_EQ(run(mux_many(loop(), edge(), cloud(), 400)), 800);
}

inline Task<void> mux_halves(MuxConnection& opener, MuxConnection& acceptor) {
  auto one = co_await mux_open(opener);
  co_await mux_send(*one, 1000);
  auto other = co_await mux_accept(acceptor);
  EXPECT_EQ(one->id(), other->id());
  auto got = co_await mux_read(*other);
  EXPECT_TRUE(got && *got == 1000);
  co_await mux_send(*other, 200'000);  // the other half is as open as before
  auto back = co_await mux_read(*one);
  EXPECT_TRUE(back && *back == 200'000);
}
TEST_P(MuxContract, ShutEndsOneHalf) {
  run(mux_halves(edge(), cloud()));
  run(mux_halves(cloud(), edge()));
}

inline Task<void> mux_aborts(MuxConnection& opener, MuxConnection& acceptor) {
  const std::vector<std::byte> some = pattern(10);
  auto one = co_await mux_open(opener);
  auto written = co_await one->write(some);
  EXPECT_TRUE(written);
  auto other = co_await mux_accept(acceptor);
  auto read = co_await other->peek();
  EXPECT_TRUE(read);
  other->consume(read->size());
  one->abort(7);
  auto own = co_await one->peek();
  EXPECT_EQ(own.error().code(), Code::cancelled);
  Error why = co_await other->broken();
  EXPECT_EQ(why.code(), Code::reset);
  EXPECT_EQ(other->peer_code(), 7u);
  auto more = co_await other->peek();
  EXPECT_EQ(more.error().code(), Code::reset);
}
TEST_P(MuxContract, AnAbortAndItsCodeReachThePeer) {
  run(mux_aborts(edge(), cloud()));
  run(mux_aborts(cloud(), edge()));
}

inline Task<void> mux_write(MuxStream& stream, std::size_t size) {
  const std::vector<std::byte> bytes = pattern(size);
  auto written = co_await stream.write(bytes);
  EXPECT_TRUE(written) << written.error().describe();
}
inline Task<void> mux_aborts_once_delivered(Loop& loop, MuxConnection& opener, MuxConnection& acceptor) {
  constexpr std::size_t kSize = 2'000'000, kUnread = 50'000;
  auto one = co_await mux_open(opener);
  EXPECT_EQ(one->undelivered(), 0u);
  Scope writing(loop);
  writing.spawn(mux_write(*one, kSize));
  auto other = co_await mux_accept(acceptor);
  co_await loop.sleep(1s);
  EXPECT_GT(one->undelivered(), 0u) << "the window is smaller";
  std::vector<std::byte> all;
  while (all.size() < kSize - kUnread) {
    auto bytes = co_await other->peek();
    EXPECT_TRUE(bytes && !bytes->empty());
    if (!bytes || bytes->empty()) co_return;
    const Bytes some = bytes->first(std::min(bytes->size(), kSize - kUnread - all.size()));
    all.insert(all.end(), some.begin(), some.end());
    other->consume(some.size());
  }
  co_await loop.sleep(1s);
  EXPECT_EQ(writing.size(), 0u);
  EXPECT_EQ(one->undelivered(), 0u);
  one->abort(9);
  EXPECT_EQ(one->undelivered(), 0u);
  Error why = co_await other->broken();
  EXPECT_EQ(why.code(), Code::reset);
  EXPECT_EQ(other->undelivered(), 0u);
  for (;;) {
    auto bytes = co_await other->peek();
    EXPECT_FALSE(bytes && bytes->empty()) << "an abort is no end";
    if (bytes && bytes->empty()) co_return;
    if (!bytes) {
      EXPECT_EQ(bytes.error().code(), Code::reset);
      break;
    }
    all.insert(all.end(), bytes->begin(), bytes->end());
    other->consume(bytes->size());
  }
  EXPECT_EQ(all.size(), kSize);
  EXPECT_TRUE(all == pattern(kSize));
  EXPECT_EQ(other->peer_code(), 9u);
}
TEST_P(MuxContract, WhatWasDeliveredBeforeAnAbortIsReadBeforeIt) {
  run(mux_aborts_once_delivered(loop(), edge(), cloud()));
  run(mux_aborts_once_delivered(loop(), cloud(), edge()));
}

inline Task<void> mux_closes_unread(Loop& loop, MuxConnection& by, MuxConnection& peer) {
  auto one = co_await mux_open(by);
  co_await mux_send(*one, 20'000);
  auto other = co_await mux_accept(peer);
  co_await loop.sleep(1s);
  EXPECT_EQ(one->undelivered(), 0u);
  by.close(0, "gone");
  const MuxClose how = co_await peer.closed();
  EXPECT_TRUE(how.by_peer);
  co_await loop.sleep(1min);
  auto got = co_await mux_read(*other);
  EXPECT_TRUE(!got || *got == 20'000) << *got << " bytes, and an end";
}
TEST_P(MuxContract, WhatIsNotReadWhenTheConnectionEndsIsNoEnd) { run(mux_closes_unread(loop(), edge(), cloud())); }

inline Task<void> mux_lets_go(MuxConnection& opener, MuxConnection& acceptor) {
  auto one = co_await mux_open(opener);
  co_await mux_send(*one, 200'000);
  one.reset();  // does not take back what was finished
  auto other = co_await mux_accept(acceptor);
  auto got = co_await mux_read(*other);
  EXPECT_TRUE(got && *got == 200'000);
  Error why = co_await other->broken();  // and nobody reads the answer
  EXPECT_EQ(why.code(), Code::reset);
}
TEST_P(MuxContract, WhatWasShutIsDeliveredThoughItsWriterIsGone) {
  run(mux_lets_go(edge(), cloud()));
  run(mux_lets_go(cloud(), edge()));
}

inline Task<void> mux_drops_open(MuxConnection& opener, MuxConnection& acceptor) {
  const std::vector<std::byte> some = pattern(10);
  auto one = co_await mux_open(opener);
  auto written = co_await one->write(some);
  EXPECT_TRUE(written);
  auto other = co_await mux_accept(acceptor);
  one.reset();
  Error why = co_await other->broken();
  EXPECT_EQ(why.code(), Code::reset);
}
TEST_P(MuxContract, AHandleDestroyedWhileOpenAborts) {
  run(mux_drops_open(edge(), cloud()));
  run(mux_drops_open(cloud(), edge()));
}

inline Task<void> mux_stalls(Loop& loop, MuxConnection& opener, MuxConnection& acceptor) {
  auto one = co_await mux_open(opener);
  Scope sending(loop);
  sending.spawn(mux_send(*one, 2'000'000));
  auto other = co_await mux_accept(acceptor);  // nobody reads it
  co_await loop.sleep(2s);
  EXPECT_GT(one->unsent(), 0u) << "its window is shut";
  Scope echoing(loop);
  echoing.spawn(mux_echo(loop, acceptor));
  auto round = mux_round(loop, opener, 100'000);
  const bool good = co_await round;
  EXPECT_TRUE(good) << "another stream goes on";
  auto got = co_await mux_read(*other);
  EXPECT_TRUE(got && *got == 2'000'000);
  co_await sending.done();
}
TEST_P(MuxContract, AStalledReaderStopsOnlyItsOwnStream) {
  run(mux_stalls(loop(), edge(), cloud()));
  run(mux_stalls(loop(), cloud(), edge()));
}

inline Task<void> mux_datagrams(MuxConnection& from, MuxConnection& to) {
  for (std::size_t size : {std::size_t{1}, std::size_t{200}, std::min<std::size_t>(from.max_datagram(), 1100)}) {
    const std::vector<std::byte> payload = pattern(size);
    EXPECT_TRUE(from.send_datagram(payload, Priority::interactive, 1));
    auto got = co_await to.receive_datagram();
    EXPECT_TRUE(got && *got == payload);
  }
  const std::vector<std::byte> large = pattern(from.max_datagram() + 1);
  EXPECT_FALSE(from.send_datagram(large, Priority::interactive, 1));
}
TEST_P(MuxContract, DatagramsGoBothWays) {
  run(mux_datagrams(edge(), cloud()));
  run(mux_datagrams(cloud(), edge()));
}

inline Task<void> mux_closes(MuxConnection& by, MuxConnection& peer) {
  auto stream = co_await mux_open(by);
  by.close(5, "because of the test");
  const MuxClose how = co_await peer.closed();
  EXPECT_TRUE(how.by_peer && how.orderly && how.application);
  EXPECT_EQ(how.code, 5u);
  EXPECT_EQ(how.reason, "because of the test");
  EXPECT_EQ(how.to_error().code(), Code::closed);
  auto none = co_await peer.accept();
  EXPECT_FALSE(none);
  auto read = co_await stream->peek();
  EXPECT_EQ(read.error().code(), Code::closed);
  auto more = co_await by.open(Priority::interactive, TimePoint::max());
  EXPECT_FALSE(more);
}
TEST_P(MuxContract, AnEdgesCloseReachesThePeerWithCodeAndReason) { run(mux_closes(edge(), cloud())); }
TEST_P(MuxContract, ACloudsCloseReachesThePeerWithCodeAndReason) { run(mux_closes(cloud(), edge())); }

inline Task<void> mux_refuses(MuxConnection& by, MuxConnection& peer) {
  by.refuse(44, "revoked: it was revoked");
  const MuxClose how = co_await peer.closed();
  EXPECT_TRUE(how.by_peer && !how.application);
  EXPECT_EQ(how.code, 0x100u + 44);
  EXPECT_EQ(how.reason, "revoked: it was revoked");
  EXPECT_EQ(how.to_error().code(), Code::refused);
}
TEST_P(MuxContract, ARefusedCertificateIsToldWithItsAlert) { run(mux_refuses(cloud(), edge())); }

TEST_P(MuxContract, AHandleThatIsDestroyedClosesTheConnection) {
  ground_->edge_.reset();
  MuxClose how = run(cloud().closed());
  EXPECT_TRUE(how.by_peer && how.orderly);
}

TEST_P(MuxContract, BothSidesKnowWhoTheOtherIs) {
  EXPECT_EQ(edge().peer_chain().size(), 1u);
  EXPECT_EQ(cloud().peer_chain().size(), 1u);
  EXPECT_EQ(edge().alpn(), "fairlead/1");
  EXPECT_EQ(cloud().alpn(), "fairlead/1");
}

inline Task<void> mux_download(MuxStream& stream) {
  for (;;) {
    auto bytes = co_await stream.peek();
    if (!bytes || bytes->empty()) co_return;
    stream.consume(bytes->size());
  }
}
inline Task<void> mux_upload(MuxStream& stream) {
  const std::vector<std::byte> bytes = pattern(64_KiB);
  for (;;) {
    auto written = co_await stream.write(bytes);
    if (!written) co_return;
  }
}
inline Task<Duration> mux_beside(Loop& loop, MuxConnection& from, MuxConnection& to) {
  auto bulk = co_await mux_open(from, Priority::bulk);
  Scope moving(loop);
  moving.spawn(mux_upload(*bulk));
  auto far = co_await mux_accept(to);
  moving.spawn(mux_download(*far));
  co_await loop.sleep(3s);
  const TimePoint begun = loop.now();
  auto small = co_await mux_open(from);
  co_await mux_send(*small, 100);
  auto arrived = co_await mux_accept(to);
  auto got = co_await mux_read(*arrived);
  EXPECT_TRUE(got && *got == 100);
  co_return loop.now() - begun;
}
TEST_P(MuxContract, AnInteractiveStreamOvertakesABulkOne) { EXPECT_LT(run(mux_beside(loop(), edge(), cloud())), 150ms); }

}  // namespace fairlead::net
