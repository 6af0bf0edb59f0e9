#include "sim/host.h"

#include <gtest/gtest.h>

#include "net/testing.h"
#include "runtime/timer.h"
#include "sim/network.h"

namespace fairlead::sim {
namespace {

using net::Ecn;
using net::IpAddress;
using net::SendOutcome;
using net::SocketAddress;

IpAddress ip(const char* text) { return IpAddress::parse(text).value(); }

// A cloud and an edge, 25 ms apart.
class HostTest : public testing::Test {
 protected:
  SocketAddress cloud_at(std::uint16_t port) const { return {ip("192.0.2.1"), port}; }
  std::unique_ptr<net::DatagramSocket> bound(Host& host, std::uint16_t port = 0) { return host.bind({{}, port}).value(); }
  SendOutcome say(net::DatagramSocket& socket, const SocketAddress& to, std::string_view what) {
    return socket.send({.to = to, .from = {}, .ecn = Ecn::ect0, .data = as_bytes(what), .segment = 1200});
  }
  // What has come to the socket once all that is on its way has arrived.
  std::vector<net::Received> heard(net::DatagramSocket& socket) {
    loop_.run_for(200ms);
    std::vector<net::Received> all;
    net::receive_into(socket, 1000, all);
    return all;
  }

  SimLoop loop_{1};
  Network net_{loop_, {.seed = 1, .rtt = 50ms}};
  Host& cloud_ = net_.host("cloud", ip("192.0.2.1"));
  Host& edge_ = net_.host("edge", ip("10.0.0.5"));
};

TEST_F(HostTest, ADatagramTakesHalfTheRttAndLoopbackNone) {
  auto far = bound(cloud_, 100);
  auto near = bound(edge_);
  auto own = bound(edge_, 200);
  say(*near, cloud_at(100), "there");
  say(*near, {ip("127.0.0.1"), 200}, "here");
  say(*near, {ip("10.0.0.5"), 200}, "here, too");
  loop_.run_for(1ms);
  std::vector<net::Received> all;
  EXPECT_EQ(net::receive_into(*own, 10, all), 2u);
  EXPECT_EQ(all[0].from.ip, ip("127.0.0.1"));
  EXPECT_EQ(all[1].from.ip, ip("10.0.0.5"));
  loop_.run_until(TimePoint(25ms - 1ns));
  EXPECT_EQ(net::receive_into(*far, 10, all), 0u);
  loop_.run_until(TimePoint(25ms));
  EXPECT_EQ(net::receive_into(*far, 10, all), 1u);
}

TEST_F(HostTest, AFullReceiveBufferDropsAndCounts) {
  auto far = cloud_.bind(cloud_at(100), {.receive_buffer = 10'000}).value();
  auto near = bound(edge_);
  for (int i = 0; i < 100; i++) say(*near, far->local(), std::string(488, 'x'));  // 1000 bytes each with the kernel's own
  EXPECT_EQ(heard(*far).size(), 10u);
  EXPECT_EQ(cloud_.overflowed(), 90u);
  say(*near, far->local(), "room again");
  EXPECT_EQ(heard(*far).size(), 1u);
}

Task<void> wait_until_writable(net::DatagramSocket& socket, bool& writable) {
  co_await socket.writable();
  writable = true;
}

TEST_F(HostTest, HeldSendsWouldBlockUntilTheyAreLetGo) {
  auto socket = bound(edge_);
  edge_.hold_sends(true);
  EXPECT_EQ(say(*socket, cloud_at(1), "x"), SendOutcome::would_block);
  bool writable = false;
  Scope scope(loop_);
  scope.spawn(wait_until_writable(*socket, writable));
  loop_.run_for(1s);
  EXPECT_FALSE(writable);
  edge_.hold_sends(false);
  loop_.run_for(1s);
  EXPECT_TRUE(writable);
  EXPECT_EQ(say(*socket, cloud_at(1), "x"), SendOutcome::sent);
}

TEST_F(HostTest, TheDeviceRefusesWhatIsOverItsMtu) {
  edge_.set_device_mtu(1500);
  auto socket = bound(edge_);
  auto send = [&](std::size_t size) {
    const std::vector<std::byte> data(size);
    return socket->send({.to = cloud_at(1), .from = {}, .ecn = Ecn::ect0, .data = data, .segment = size});
  };
  EXPECT_EQ(send(1472), SendOutcome::sent);
  EXPECT_EQ(send(1473), SendOutcome::too_large);
}

TEST_F(HostTest, SocketsThatShareAPortArePickedByTheirPeer) {
  std::vector<std::unique_ptr<net::DatagramSocket>> group;
  for (int i = 0; i < 4; i++) group.push_back(cloud_.bind(cloud_at(100), {.reuse_port = true}).value());
  EXPECT_EQ(cloud_.bind(cloud_at(100)).error().code(), Code::exists);
  std::vector<std::size_t> shares(4);
  for (int peer = 0; peer < 40; peer++) {
    auto near = bound(edge_);
    for (int i = 0; i < 3; i++) say(*near, cloud_at(100), "x");
    loop_.run_for(100ms);
    for (std::size_t i = 0; i < 4; i++) {
      const std::size_t got = heard(*group[i]).size();
      EXPECT_TRUE(got == 0 || got == 3) << "all of one peer go to one socket";
      shares[i] += got;
    }
  }
  EXPECT_EQ(shares[0] + shares[1] + shares[2] + shares[3], 120u);
  EXPECT_TRUE(std::ranges::all_of(shares, [](std::size_t n) { return n > 0; }));
}

TEST_F(HostTest, AddressesThatAreNotItsOwnCannotBeBound) {
  EXPECT_EQ(cloud_.bind({ip("10.0.0.5"), 1}).error().code(), Code::unreachable);
  EXPECT_EQ(cloud_.listen({ip("10.0.0.5"), 1}).error().code(), Code::unreachable);
  EXPECT_EQ(cloud_.source_for(ip("2001:db8::1")).error().code(), Code::unreachable);
}

Task<Code> code_of_connect(Host& host, SocketAddress to) {
  auto stream = co_await host.connect(to);
  co_return stream ? Code::internal : stream.error().code();
}

TEST_F(HostTest, AnUnknownAddressIsUnreachable) {
  EXPECT_EQ(loop_.run(code_of_connect(edge_, {ip("203.0.113.1"), 80})), Code::unreachable);
  auto socket = bound(edge_);
  EXPECT_EQ(say(*socket, {ip("203.0.113.1"), 80}, "x"), SendOutcome::sent);
}

TEST_F(HostTest, NamesResolve) {
  net_.add_name("cloud.example", {ip("192.0.2.1"), ip("2001:db8::1")});
  EXPECT_EQ(loop_.run(edge_.resolve("cloud")).value(), std::vector{ip("192.0.2.1")});
  EXPECT_EQ(loop_.run(edge_.resolve("cloud.example"))->size(), 2u);
  EXPECT_EQ(loop_.run(edge_.resolve("localhost")).value(), std::vector{ip("127.0.0.1")});
  EXPECT_EQ(loop_.run(edge_.resolve("nowhere")).error().code(), Code::unreachable);
}

class NatTest : public HostTest {
 protected:
  NatTest() { edge_.set_nat(nat_); }
  Nat& nat_ = net_.nat(ip("198.51.100.9"), 30s);
};

TEST_F(NatTest, HidesItsHostsAndLetsAnswersIn) {
  auto far = bound(cloud_, 100);
  auto stranger = bound(cloud_, 101);
  auto near = bound(edge_, 7);
  say(*far, {ip("10.0.0.5"), 7}, "to the hidden address");
  EXPECT_TRUE(heard(*near).empty());
  EXPECT_EQ(loop_.run(code_of_connect(cloud_, {ip("10.0.0.5"), 80})), Code::timeout);

  say(*near, cloud_at(100), "hello");
  auto got = heard(*far);
  ASSERT_EQ(got.size(), 1u);
  EXPECT_EQ(got[0].from.ip, ip("198.51.100.9"));
  EXPECT_NE(got[0].from.port, 7);
  say(*far, got[0].from, "answer");
  say(*stranger, got[0].from, "not asked for");
  auto answers = heard(*near);
  ASSERT_EQ(answers.size(), 1u);
  EXPECT_EQ(as_text(answers[0].payload), "answer");
  EXPECT_EQ(answers[0].to, (SocketAddress{ip("10.0.0.5"), 7}));
}

TEST_F(NatTest, RebindingGivesANewPortAndTheOldOneLeadsNowhere) {
  auto far = bound(cloud_, 100);
  auto near = bound(edge_);
  say(*near, cloud_at(100), "one");
  say(*near, cloud_at(100), "two");
  auto before = heard(*far);
  ASSERT_EQ(before.size(), 2u);
  EXPECT_EQ(before[0].from, before[1].from);
  nat_.rebind();
  say(*far, before[0].from, "lost");
  EXPECT_TRUE(heard(*near).empty());
  say(*near, cloud_at(100), "three");
  auto after = heard(*far);
  ASSERT_EQ(after.size(), 1u);
  EXPECT_NE(after[0].from, before[0].from);
  say(*far, after[0].from, "found");
  EXPECT_EQ(heard(*near).size(), 1u);
}

TEST_F(NatTest, ForgetsWhoIsSilentForTooLong) {
  auto far = bound(cloud_, 100);
  auto near = bound(edge_);
  say(*near, cloud_at(100), "one");
  const SocketAddress first = heard(*far).at(0).from;
  loop_.run_until(TimePoint(30s - 1ns - 25ms));  // it arrives within the 30 s
  say(*far, first, "in time");
  loop_.run_for(24ms);
  EXPECT_EQ(heard(*near).size(), 1u);
  say(*far, first, "too late");
  EXPECT_TRUE(heard(*near).empty());
  say(*near, cloud_at(100), "two");
  EXPECT_NE(heard(*far).at(0).from, first);
}

struct Pair {
  std::unique_ptr<net::Listener> listener;
  std::unique_ptr<net::Stream> near;  // of the edge
  std::unique_ptr<net::Stream> far;   // of the cloud
};
Task<Pair> connect_pair(Host& edge, Host& cloud) {
  Pair pair;
  pair.listener = cloud.listen({ip("192.0.2.1"), 0}).value();
  auto near = co_await edge.connect(pair.listener->local());
  auto far = co_await pair.listener->accept();
  pair.near = std::move(near).value();
  pair.far = cloud.adopt(std::move(far).value());
  co_return pair;
}

TEST_F(NatTest, AStreamIsResetOnceItsMappingIsForgotten) {
  Pair pair = loop_.run(connect_pair(edge_, cloud_));
  EXPECT_EQ(pair.far->peer().ip, ip("198.51.100.9"));
  EXPECT_EQ(pair.near->local().ip, ip("10.0.0.5"));
  nat_.rebind();
  loop_.run(net::write_pattern(*pair.near, 10));
  EXPECT_EQ(loop_.run(net::code_of_read(*pair.near)), Code::reset);
  // The other side hears of nothing.
  std::byte byte[1];
  loop_.run(net::write_pattern(*pair.far, 10));
  loop_.run_for(1s);
  EXPECT_FALSE(pair.far->try_read(byte));
}

Task<void> store_rest(net::Stream& stream, std::optional<net::Rest>& into) { into = co_await net::read_rest(stream); }

TEST_F(HostTest, AStreamStandsStillWhileItsPathIsDownAndGoesOn) {
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

TEST_F(HostTest, DiallingIsTriedAgainUntilItTimesOut) {
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

TEST_F(HostTest, AFullBacklogTakesNoMore) {
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

TEST_F(HostTest, StreamsShareTheWireWithDatagrams) {
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

TEST_F(HostTest, ANewAddressCutsWhatWasBoundToTheOldOne) {
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

TEST_F(HostTest, AKilledProcessEndsItsStreamsAsTheKernelDoes) {
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

TEST_F(HostTest, TheWaitsOfADeadProcessNeverReturn) {
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

TEST_F(HostTest, ACrashTellsNobodyAndAfterTheBootOldStreamsAreReset) {
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

TEST_F(HostTest, OtherHostsDoNotChangeWhatHappensOnAPath) {
  auto run = [](bool busy) {
    SimLoop loop(1);
    Network net(loop, {.seed = 5, .rtt = 50ms, .jitter = 9ms, .loss = 0.2});
    Host& other = net.host("other", ip("192.0.2.77"));
    Host& a = net.host("a", ip("192.0.2.1"));
    Host& b = net.host("b", ip("192.0.2.2"));
    auto from = a.bind({}).value();
    auto to = b.bind({{}, 100}).value();
    auto noise = other.bind({}).value();
    for (std::size_t i = 0; i < 200; i++) {
      const net::DatagramBatch one{.to = {ip("192.0.2.2"), 100}, .from = {}, .ecn = Ecn::ect0, .data = as_bytes("x"), .segment = 1};
      from->send(one);
      net::DatagramBatch elsewhere = one;
      elsewhere.to.port = 1;
      if (busy) noise->send(elsewhere);
      loop.run_for(1ms);
    }
    loop.run_for(1s);
    std::vector<net::Received> all;
    net::receive_into(*to, 1000, all);
    return std::pair(all.size(), net.path(a, b).counters().lost);
  };
  EXPECT_EQ(run(false), run(true));
  EXPECT_GT(run(false).second, 0u);
}

}  // namespace
}  // namespace fairlead::sim
