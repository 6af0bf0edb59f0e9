// What a person types stays quick while `kubectl cp` fills the same link: tunnels begin as management and fall to bulk by what they do.
#include <gtest/gtest.h>

#include <algorithm>

#include "plugins/kube/connect_answer.h"
#include "plugins/kube/kube_world.h"

namespace fairlead::kube_plugin {
namespace {

constexpr Duration kRtt = 50ms;

class BusyTunnel : public KubeWorld {
 protected:
  explicit BusyTunnel(double loss = 0) : KubeWorld({.link = {.rtt = kRtt, .loss = loss, .rate = 100'000'000, .queue = 2000}}) {
    world.net.set_options(client, *world.cloud_host, {.rtt = 0ms});
    kubelet = serve_kubelet();
    tasks.spawn(serve_all(*edge.host, *kubelet, tasks, received));
  }

  // A kubelet that takes 'u'ploads, gives 'd'ownloads, and echoes everything else.
  static Task<void> serve_all(net::Network& network, net::Listener& listener, Scope& tasks, std::uint64_t& received) {
    for (;;) {
      auto incoming = co_await listener.accept();
      if (!incoming) co_return;
      tasks.spawn(serve_one(network.adopt(*std::move(incoming)), received));
    }
  }
  static Task<void> serve_one(std::unique_ptr<net::Stream> stream, std::uint64_t& received) {
    std::vector<std::byte> piece(64_KiB);
    auto first = co_await stream->read(piece);
    if (!first || *first == 0) co_return;
    const char kind = static_cast<char>(piece[0]);
    while (kind == 'd') {
      auto written = co_await stream->write(piece);
      if (!written) co_return;
    }
    std::size_t size = *first;
    for (;;) {
      received += size;
      if (kind != 'u') {
        auto written = co_await stream->write(Bytes(piece).first(size));
        if (!written) co_return;
      }
      auto got = co_await stream->read(piece);
      if (!got || *got == 0) co_return;
      size = *got;
    }
  }
  static Task<void> upload(net::Stream& stream) {
    const std::vector<std::byte> piece(64_KiB, std::byte('u'));
    for (;;) {
      auto written = co_await stream.write(piece);
      if (!written) co_return;
    }
  }
  static Task<void> take(net::Stream& stream, std::uint64_t& got) {
    std::vector<std::byte> piece(64_KiB);
    for (;;) {
      auto n = co_await stream.read(piece);
      if (!n || *n == 0) co_return;
      got += *n;
    }
  }
  std::unique_ptr<net::Stream> tunnel() {
    auto stream = ask("edge-a:10250");
    EXPECT_EQ(read(*stream), kEstablished);
    return stream;
  }
  // Sorted times from a key typed to its echo, one after the other.
  std::vector<Duration> echoes(net::Stream& exec, int count) {
    std::vector<Duration> times;
    for (int i = 0; i < count; i++) {
      const TimePoint before = world.loop.now();
      write(exec, "k");
      EXPECT_EQ(read(exec), "k");
      times.push_back(world.loop.now() - before);
      world.loop.run_for(37ms);
    }
    std::ranges::sort(times);
    return times;
  }
  static Duration p99(const std::vector<Duration>& sorted) { return sorted[sorted.size() * 99 / 100]; }

  std::unique_ptr<net::Listener> kubelet;
  std::uint64_t received = 0;
};

TEST_F(BusyTunnel, AnEchoBesideACpToTheNodeTakesLessThanTwoRoundTrips) {
  auto exec = tunnel();
  auto cp = tunnel();
  tasks.spawn(upload(*cp));
  world.loop.run_for(2s);
  const std::uint64_t before = received;
  const TimePoint start = world.loop.now();
  const std::vector<Duration> times = echoes(*exec, 200);
  EXPECT_LT(p99(times), 2 * kRtt + 20ms) << to_text(p99(times));
  const double seconds = std::chrono::duration<double>(world.loop.now() - start).count();
  EXPECT_GT(static_cast<double>(received - before) * 8 / seconds, 50e6) << "the cp goes on meanwhile";
  tasks.cancel_now();
}

TEST_F(BusyTunnel, AnEchoBesideACpFromTheNodeTakesLessThanTwoRoundTrips) {
  auto exec = tunnel();
  auto cp = tunnel();
  write(*cp, "d");
  std::uint64_t got = 0;
  tasks.spawn(take(*cp, got));
  world.loop.run_for(2s);
  const std::uint64_t before = got;
  const TimePoint start = world.loop.now();
  const std::vector<Duration> times = echoes(*exec, 200);
  EXPECT_LT(p99(times), 2 * kRtt + 20ms) << to_text(p99(times));
  const double seconds = std::chrono::duration<double>(world.loop.now() - start).count();
  EXPECT_GT(static_cast<double>(got - before) * 8 / seconds, 50e6) << "the cp goes on meanwhile";
  tasks.cancel_now();
}

}  // namespace
}  // namespace fairlead::kube_plugin
