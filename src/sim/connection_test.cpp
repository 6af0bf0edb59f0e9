#include "sim/connection.h"

#include <array>
#include <optional>

#include "sim/two_hosts.h"

namespace fairlead::sim {
namespace {

using net::SendOutcome;
using net::SocketAddress;

using ConnectionTest = TwoHosts;

Task<void> store_rest(net::Stream& stream, std::optional<net::Rest>& into) { into = co_await net::read_rest(stream); }

TEST_F(ConnectionTest, AStreamStandsStillWhileItsPathIsDownAndGoesOn) {
  Pair pair = loop_.run(connect_pair(edge_, cloud_));
  std::optional<net::Rest> rest;
  Scope scope(loop_);
  scope.spawn(store_rest(*pair.far, rest));
  net_.set_up(cloud_, edge_, false);
  scope.spawn(net::write_pattern_and_shut(*pair.near, 5'000'000));
  loop_.run_for(1h);
  EXPECT_FALSE(rest);
  net_.set_up(cloud_, edge_, true);
  loop_.run_for(10s);
  ASSERT_TRUE(rest);
  EXPECT_TRUE(rest->end && rest->intact);
  EXPECT_EQ(rest->size, 5'000'000u);
}

Task<void> store_connect(Host& host, SocketAddress to, std::optional<Code>& code, bool& connected) {
  auto stream = co_await host.connect(to);
  connected = stream.has_value();
  if (!stream) code = stream.error().code();
}

TEST_F(ConnectionTest, DiallingIsTriedAgainUntilItTimesOut) {
  auto listener = cloud_.listen(cloud_at(80)).value();
  std::optional<Code> code;
  bool connected = false;
  Scope scope(loop_);
  net_.set_up(cloud_, edge_, false);
  scope.spawn(store_connect(edge_, cloud_at(80), code, connected));
  loop_.run_for(5s);
  net_.set_up(cloud_, edge_, true);
  loop_.run_until(TimePoint(7s + 50ms));  // the fourth try
  EXPECT_TRUE(connected);

  net_.set_up(cloud_, edge_, false);
  EXPECT_EQ(loop_.run(code_of_connect(edge_, cloud_at(80))), Code::timeout);
  EXPECT_EQ(loop_.now(), TimePoint(7s + 50ms + 127s));
}

TEST_F(ConnectionTest, AFullBacklogTakesNoMore) {
  auto listener = cloud_.listen(cloud_at(80), {.backlog = 2}).value();
  std::vector<std::optional<Code>> codes(3);
  std::array<bool, 3> connected{};
  Scope scope(loop_);
  for (std::size_t i = 0; i < 3; i++) scope.spawn(store_connect(edge_, cloud_at(80), codes[i], connected[i]));
  loop_.run_for(500ms);
  EXPECT_EQ(connected, (std::array{true, true, false}));
  auto first = loop_.run(listener->accept());
  EXPECT_TRUE(first);
  loop_.run_for(1s);
  EXPECT_TRUE(connected[2]) << "dialled again, it found room";
}

TEST_F(ConnectionTest, StreamsShareTheWireWithDatagrams) {
  net_.set_options(cloud_, edge_, {.rtt = 20ms, .rate = 8'000'000});  // 1 MB/s
  Pair pair = loop_.run(connect_pair(edge_, cloud_));
  std::optional<net::Rest> rest;
  Scope scope(loop_);
  scope.spawn(store_rest(*pair.far, rest));
  scope.spawn(net::write_pattern_and_shut(*pair.near, 1'000'000));
  auto far = bound(cloud_, 100);
  auto near = bound(edge_);
  const TimePoint start = loop_.now();
  for (int i = 0; i < 10; i++) {
    say(*near, cloud_at(100), "x");
    loop_.run_for(15ms);
    EXPECT_FALSE(rest);
    std::vector<net::Received> all;
    EXPECT_EQ(net::receive_into(*far, 10, all), 1u) << "waits for one segment, not for the whole stream";
  }
  loop_.run_until(start + 1s);
  EXPECT_FALSE(rest);
  loop_.run_until(start + 1100ms);
  EXPECT_TRUE(rest);
}

TEST_F(ConnectionTest, ANewAddressCutsWhatWasBoundToTheOldOne) {
  Pair pair = loop_.run(connect_pair(edge_, cloud_));
  auto far = bound(cloud_, 100);
  auto any = bound(edge_);
  auto fixed = edge_.bind({ip("10.0.0.5"), 0}).value();
  edge_.change_address(ip("10.0.0.5"), ip("10.7.7.7"));
  EXPECT_EQ(say(*fixed, cloud_at(100), "x"), SendOutcome::failed);
  EXPECT_EQ(say(*any, cloud_at(100), "x"), SendOutcome::sent);
  EXPECT_EQ(heard(*far).at(0).from, (SocketAddress{ip("10.7.7.7"), any->local().port}));

  std::optional<net::Rest> rest;
  Scope scope(loop_);
  scope.spawn(store_rest(*pair.far, rest));
  loop_.run(net::write_pattern_and_shut(*pair.near, 10));
  loop_.run_for(1h);
  EXPECT_FALSE(rest) << "nobody is told";
  edge_.change_address(ip("10.7.7.7"), ip("10.0.0.5"));
  loop_.run_for(1s);
  EXPECT_TRUE(rest) << "TCP goes on when the address is back";
}

TEST_F(ConnectionTest, AKilledProcessEndsItsStreamsAsTheKernelDoes) {
  Pair quiet = loop_.run(connect_pair(edge_, cloud_));
  Pair unread = loop_.run(connect_pair(edge_, cloud_));
  auto socket = bound(edge_, 7);
  loop_.run(net::write_pattern(*unread.far, 10));
  loop_.run_for(1s);
  edge_.kill();
  auto again = edge_.bind({{}, 7});
  EXPECT_TRUE(again) << "a new process may take the port at once";

  net::Rest rest = loop_.run(net::read_rest(*quiet.far));
  EXPECT_TRUE(rest.end) << "an end, though nobody meant it";
  EXPECT_EQ(loop_.run(net::code_of_read(*unread.far)), Code::reset);
  loop_.run(net::write_pattern(*quiet.far, 10));
  loop_.run_for(1s);
  auto written = loop_.run(quiet.far->write(as_bytes("x")));
  ASSERT_FALSE(written);
  EXPECT_EQ(written.error().code(), Code::reset);
}

Task<void> note_end(Task<net::Rest> task, bool& ended) {
  net::Rest rest = co_await task;
  ended = true;
}

TEST_F(ConnectionTest, TheWaitsOfADeadProcessNeverReturn) {
  Pair pair = loop_.run(connect_pair(edge_, cloud_));
  bool ended = false;
  {
    Scope process(loop_);
    process.spawn(note_end(net::read_rest(*pair.near), ended));
    loop_.run_for(1s);
    edge_.kill();
    loop_.run(net::write_pattern(*pair.far, 10));
    pair.far->reset();
    loop_.run_for(1h);
    EXPECT_FALSE(ended);
    EXPECT_EQ(say(*bound(edge_), cloud_at(1), "of the next process"), SendOutcome::sent);
  }
  pair.near.reset();
}

TEST_F(ConnectionTest, ACrashTellsNobodyAndAfterTheBootOldStreamsAreReset) {
  Pair idle = loop_.run(connect_pair(edge_, cloud_));
  Pair busy = loop_.run(connect_pair(edge_, cloud_));
  auto socket = bound(edge_, 7);
  edge_.crash();
  std::optional<net::Rest> of_idle, of_busy;
  Scope scope(loop_);
  scope.spawn(store_rest(*idle.far, of_idle));
  scope.spawn(store_rest(*busy.far, of_busy));
  loop_.run(net::write_pattern(*busy.far, 10));
  auto far = bound(cloud_);
  say(*far, {ip("10.0.0.5"), 7}, "lost");
  loop_.run_for(1h);
  EXPECT_FALSE(of_idle || of_busy);
  EXPECT_EQ(loop_.run(code_of_connect(cloud_, {ip("10.0.0.5"), 80})), Code::timeout);

  edge_.boot();
  loop_.run_for(1s);
  ASSERT_TRUE(of_busy);
  EXPECT_EQ(of_busy->end.error().code(), Code::reset);
  EXPECT_FALSE(of_idle) << "it has nothing to send, so it cannot know";
  EXPECT_TRUE(heard(*socket).empty());
  EXPECT_TRUE(bound(edge_, 7));
  EXPECT_EQ(loop_.run(code_of_connect(cloud_, {ip("10.0.0.5"), 80})), Code::refused);
}

TEST_F(ConnectionTest, WhatACrashedHostHadNotSentIsLostThoughItBootsAtOnce) {
  net_.set_options(cloud_, edge_, {.rtt = 20ms, .rate = 8'000'000});  // 1 MB/s
  Pair pair = loop_.run(connect_pair(edge_, cloud_));
  std::optional<net::Rest> rest;
  Scope scope(loop_);
  scope.spawn(store_rest(*pair.far, rest));
  loop_.run(net::write_pattern(*pair.near, 500'000));
  loop_.run_for(100ms);
  edge_.crash();
  edge_.boot();
  loop_.run_for(10s);
  EXPECT_FALSE(rest);
  loop_.run(net::write_pattern(*pair.far, 10));  // its kernel knows nothing of the stream
  loop_.run_for(1s);
  ASSERT_TRUE(rest);
  EXPECT_EQ(rest->end.error().code(), Code::reset);
  EXPECT_LT(rest->size, 120'000u);
}

Task<void> write_and_count(net::Stream& stream, std::size_t& accepted) {
  const std::vector<std::byte> bytes(1000);
  for (;;) {
    auto written = co_await stream.write(bytes);
    EXPECT_TRUE(written);
    accepted += bytes.size();
  }
}

TEST_F(ConnectionTest, AWriterIsNeverMoreThanAWindowAheadOfItsReader) {
  Pair pair = loop_.run(connect_pair(edge_, cloud_));
  std::size_t accepted = 0, read = 0;
  Scope scope(loop_);
  scope.spawn(write_and_count(*pair.near, accepted));
  std::vector<std::byte> buffer(7000);
  for (int i = 0; i < 300; i++) {
    loop_.run_for(100ms);
    read += pair.far->try_read(buffer).value().value();
    EXPECT_LE(accepted, read + Connection::kWindow);
  }
  EXPECT_GT(read, 2 * Connection::kWindow - 7000);
  loop_.run_for(100ms);
  EXPECT_GT(accepted + 1000, read + Connection::kWindow) << "and may be as far as that";
}

}  // namespace
}  // namespace fairlead::sim
