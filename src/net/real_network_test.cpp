#include "net/real_network.h"

#include <fcntl.h>
#include <sys/resource.h>

#include <cerrno>
#include <thread>

#include "net/datagram_contract.h"
#include "net/fd.h"
#include "net/stream_contract.h"
#include "net/tls_network.h"
#include "runtime/asio_loop.h"

namespace fairlead::net {
namespace {

// Loopback: both hosts are this one.
class RealGround : public Ground {
 public:
  explicit RealGround(std::string_view ip) : network_(loop_), ip_(IpAddress::parse(ip).value()) {}

  Network& dialler() override { return network_; }
  Network& server() override { return network_; }
  IpAddress server_ip() const override { return ip_; }
  void run(Task<void> task) override { loop_.run(limited(loop_, std::move(task))); }

 private:
  static Task<Result<int>> finished(Task<void> task) {
    co_await task;
    co_return 0;
  }
  static Task<void> limited(Loop& loop, Task<void> task) {
    auto done = co_await with_deadline<int>(loop, loop.now() + 60s, "the test", finished(std::move(task)));
    EXPECT_TRUE(done) << done.error().describe();
  }

  AsioLoop loop_;
  RealNetwork network_;
  IpAddress ip_;
};

class TlsGround final : public RealGround {
 public:
  TlsGround() : RealGround("127.0.0.1") {}
  Network& dialler() override { return tls_; }
  Network& server() override { return tls_; }

 private:
  TlsNetwork tls_{RealGround::server()};
};

const GroundKind kGrounds[] = {
    {"LoopbackV4", [] { return std::unique_ptr<Ground>(std::make_unique<RealGround>("127.0.0.1")); }},
    {"LoopbackV6", [] { return std::unique_ptr<Ground>(std::make_unique<RealGround>("::1")); }},
};
const GroundKind kTlsGrounds[] = {
    {"Loopback", [] { return std::unique_ptr<Ground>(std::make_unique<TlsGround>()); }},
};
INSTANTIATE_TEST_SUITE_P(Real, StreamContract, testing::ValuesIn(kGrounds), name_of_ground);
INSTANTIATE_TEST_SUITE_P(Tls, StreamContract, testing::ValuesIn(kTlsGrounds), name_of_ground);
INSTANTIATE_TEST_SUITE_P(Real, DatagramContract, testing::ValuesIn(kGrounds), name_of_ground);

class RealNetworkTest : public testing::Test {
 protected:
  RealGround ground_{"127.0.0.1"};
};

const SocketAddress kAnyV6{IpAddress::v6({}), 0};

Task<void> dual_stack(Ground& ground) {
  auto listener = ground.server().listen(kAnyV6).value();
  for (const char* ip : {"127.0.0.1", "::1"}) {
    const SocketAddress to{IpAddress::parse(ip).value(), listener->local().port};
    auto dialled = co_await ground.dialler().connect(to);
    auto accepted = co_await listener->accept();
    EXPECT_EQ((*accepted)->peer(), (*dialled)->local());
    EXPECT_EQ((*accepted)->local(), to);
    EXPECT_EQ((*accepted)->peer().ip.is_v4(), to.ip.is_v4());
  }
}
TEST_F(RealNetworkTest, AListenerOfAnyV6TakesIpv4AndShowsItAsIpv4) { ground_.run(dual_stack(ground_)); }

Task<void> dual_stack_datagrams(Ground& ground) {
  auto far = ground.server().bind(kAnyV6).value();
  auto near = ground.dialler().bind(kAnyV6).value();
  for (const char* ip : {"127.0.0.1", "::1", "127.0.0.2"}) {
    const SocketAddress to{IpAddress::parse(ip).value(), far->local().port};
    for (Ecn ecn : {Ecn::ect0, Ecn::ce}) {
      const std::vector<std::byte> all = pattern(3 * 1000 + 1);
      EXPECT_EQ(near->send({.to = to, .from = {}, .ecn = ecn, .data = all, .segment = 1000}), SendOutcome::sent);
      auto got = co_await receive_at_least(*far, 4);
      expect_segments(got, all, 1000);
      EXPECT_EQ(got[0].to, to);
      EXPECT_EQ(got[0].ecn, ecn);
      EXPECT_EQ(far->send({.to = got[0].from, .from = got[0].to.ip, .ecn = ecn, .data = all, .segment = 1000}), SendOutcome::sent);
      auto back = co_await receive_at_least(*near, 4);
      EXPECT_EQ(back[3].from, to);
      EXPECT_EQ(back[3].ecn, ecn);
    }
  }
}
TEST_F(RealNetworkTest, ADatagramSocketOfAnyV6ServesBothFamilies) { ground_.run(dual_stack_datagrams(ground_)); }

Task<void> without_offload(Ground& ground) {
  auto far = ground.server().bind(ground.any_port(), {.offload = false}).value();
  auto near = ground.dialler().bind(ground.any_port(), {.offload = false}).value();
  const std::vector<std::byte> all = pattern(5 * 1200 + 3);
  EXPECT_EQ(near->send({.to = far->local(), .from = {}, .ecn = Ecn::ect0, .data = all, .segment = 1200}), SendOutcome::sent);
  auto got = co_await receive_at_least(*far, 6);
  expect_segments(got, all, 1200);
}
TEST_F(RealNetworkTest, ABatchIsSentOneByOneWithoutOffload) { ground_.run(without_offload(ground_)); }

TEST_F(RealNetworkTest, ABigReceiveBufferIsGivenOrTold) {
  auto socket = ground_.server().bind(ground_.any_port(), {.receive_buffer = 256_KiB}).value();
  EXPECT_EQ(socket->receive_buffer(), 256_KiB);
}

TEST_F(RealNetworkTest, SourceForTellsTheLocalAddress) {
  EXPECT_EQ(ground_.server().source_for(IpAddress::parse("127.9.9.9").value()), IpAddress::loopback_v4());
  EXPECT_EQ(ground_.server().source_for(IpAddress::parse("::1").value()), IpAddress::parse("::1").value());
}

Task<void> names(Ground& ground) {
  auto found = co_await ground.dialler().resolve("localhost");
  EXPECT_TRUE(found && !found->empty() && found->front().is_loopback());
  auto missing = co_await ground.dialler().resolve("no-such-name.invalid");
  EXPECT_FALSE(missing);
  if (!missing) EXPECT_EQ(missing.error().code(), Code::unreachable);
}
TEST_F(RealNetworkTest, NamesResolveOrAreUnreachable) { ground_.run(names(ground_)); }

// Takes every descriptor that the process may have, until destroyed.
class NoDescriptors {
 public:
  NoDescriptors() {
    ::getrlimit(RLIMIT_NOFILE, &before_);
    rlimit low = before_;
    low.rlim_cur = 256;
    ::setrlimit(RLIMIT_NOFILE, &low);
    for (Fd fd(::open("/dev/null", O_RDONLY)); fd.valid(); fd = Fd(::open("/dev/null", O_RDONLY))) taken_.push_back(std::move(fd));
  }
  ~NoDescriptors() { ::setrlimit(RLIMIT_NOFILE, &before_); }
  void give_back_one() { taken_.pop_back(); }

 private:
  rlimit before_{};
  std::vector<Fd> taken_;
};

Task<void> store_accept(Listener& listener, std::optional<Result<std::unique_ptr<Incoming>>>& into) { into = co_await listener.accept(); }

Task<void> out_of_descriptors(Ground& ground) {
  auto listener = ground.server().listen(ground.any_port()).value();
  std::optional<Result<std::unique_ptr<Incoming>>> accepted;
  Scope scope(ground.loop());
  std::ignore = Error::from_errno(EMFILE, "UBSan needs descriptors for its first look at the category");
  {
    NoDescriptors none;
    scope.spawn(store_accept(*listener, accepted));
    co_await ground.loop().yield();
    EXPECT_FALSE(accepted) << "nobody dials yet: that is no failure, although the kernel reports EMFILE";
    none.give_back_one();
    auto dialled = co_await ground.dialler().connect(listener->local());
    co_await scope.done();
    EXPECT_EQ(accepted->error().code(), Code::overloaded);
    // Which of the two sides runs first decides where the client sees it.
    if (dialled) co_await expect_reset(**dialled);
    if (!dialled) EXPECT_EQ(dialled.error().code(), Code::reset);
  }
  auto dialled = co_await ground.dialler().connect(listener->local());
  auto again = co_await listener->accept();
  EXPECT_TRUE(again) << "with descriptors again, all is as before";
}
TEST_F(RealNetworkTest, OutOfDescriptorsAConnectionIsRefusedAndTheListenerGoesOn) { ground_.run(out_of_descriptors(ground_)); }

Task<void> serve_here(AsioLoop& loop, std::unique_ptr<Incoming> incoming) {
  RealNetwork network(loop);
  std::unique_ptr<Stream> stream = network.adopt(std::move(incoming));
  co_await echo_one(std::move(stream));
}
Task<void> to_another_thread(Ground& ground) {
  auto listener = ground.server().listen(ground.any_port()).value();
  auto dialled = co_await ground.dialler().connect(listener->local());
  auto accepted = co_await listener->accept();
  std::thread other([incoming = *std::move(accepted)]() mutable {
    AsioLoop loop;
    loop.run(serve_here(loop, std::move(incoming)));
  });
  co_await write_pattern_and_shut(**dialled, 100'000);
  Rest rest = co_await read_rest(**dialled);
  other.join();
  EXPECT_EQ(rest.size, 100'000u);
  EXPECT_TRUE(rest.end && rest.intact);
}
TEST_F(RealNetworkTest, AConnectionMayBeServedByAnotherLoop) { ground_.run(to_another_thread(ground_)); }

Task<void> read_one_at_a_time(Stream& stream, int& calls) {
  std::byte byte[1];
  for (;;) {
    auto n = co_await stream.read(byte);
    if (!n || *n == 0) co_return;
    calls++;
  }
}
Task<void> busy_stream(Ground& ground) {
  StreamPair pair = co_await connected_pair(ground);
  co_await write_pattern_and_shut(*pair.dialled, 10'000);
  int calls = 0;
  Scope scope(ground.loop());
  scope.spawn(read_one_at_a_time(*pair.accepted, calls));
  co_await ground.loop().yield();
  co_await ground.loop().yield();
  EXPECT_LT(calls, 100) << "a stream that always has bytes must let others run";
  co_await scope.done();
  EXPECT_EQ(calls, 10'000);
}
TEST_F(RealNetworkTest, AStreamThatIsAlwaysReadyLetsOthersRun) { ground_.run(busy_stream(ground_)); }

}  // namespace
}  // namespace fairlead::net
