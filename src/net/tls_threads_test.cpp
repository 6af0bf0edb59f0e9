#include <atomic>
#include <thread>

#include "net/real_network.h"
#include "net/testing.h"
#include "net/tls_fixture.h"
#include "runtime/asio_loop.h"

namespace fairlead::net {
namespace {

Task<void> talk(Loop& loop, Network& network, std::shared_ptr<const TlsServer> server, std::shared_ptr<const TlsClient> client,
                std::atomic<int>& resumed) {
  auto listener = network.listen({IpAddress::loopback_v4(), 0}).value();
  for (int i = 0; i < 20; i++) {
    auto near = co_await network.connect(listener->local());
    auto incoming = co_await listener->accept();
    auto far = network.adopt(std::move(incoming).value());
    auto pair = co_await tls_pair(loop, server, client, i % 2 == 0 ? "a.example" : "b.example", std::move(near).value(), std::move(far));
    EXPECT_TRUE(pair.dialled && pair.accepted);
    if (!pair.dialled || !pair.accepted) co_return;
    co_await write_pattern_and_shut(**pair.accepted, 1000);
    Rest rest = co_await read_rest(**pair.dialled);
    EXPECT_TRUE(rest.end && rest.intact);
    if (pair.peer.resumed) resumed++;
  }
}

TEST(TlsThreads, OneServerAndOneClientServeAllLoops) {
  const TestCa ca;
  const auto server = ca.tls_server({"a.example", "b.example"});
  const auto client = ca.tls_client();
  std::atomic<int> resumed{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; i++) {
    threads.emplace_back([&] {
      AsioLoop loop;
      RealNetwork network(loop);
      loop.run(talk(loop, network, server, client, resumed));
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_GE(resumed, 4 * 20 - 4 * 2) << "each name anew at most once on each thread";
}

}  // namespace
}  // namespace fairlead::net
