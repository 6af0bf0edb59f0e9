// What TLS costs on one core that has both sides: handshakes, bytes, and the memory of a connection that is idle.
#include <benchmark/benchmark.h>
#include <malloc.h>

#include "net/real_network.h"
#include "net/tls_fixture.h"
#include "runtime/asio_loop.h"

namespace fairlead::net {
namespace {

struct Bench {
  Bench() { listener = network.listen({IpAddress::loopback_v4(), 0}, {}).value(); }
  AsioLoop loop;
  RealNetwork network{loop};
  std::unique_ptr<Listener> listener;
  TestCa ca;
  std::shared_ptr<const TlsServer> server = ca.tls_server({"server.example"});
  std::shared_ptr<const TlsClient> client = ca.tls_client();
};
struct Ends {
  std::unique_ptr<Stream> near, far;
};
Task<void> store_ends(Bench& bench, bool tls, Ends& into) {
  auto near = co_await bench.network.connect(bench.listener->local());
  auto incoming = co_await bench.listener->accept();
  into.near = std::move(near).value();
  into.far = bench.network.adopt(std::move(incoming).value());
  if (!tls) co_return;
  auto pair = co_await tls_pair(bench.loop, bench.server, bench.client, "server.example", std::move(into.near), std::move(into.far));
  into.near = std::move(pair.dialled).value();
  into.far = std::move(pair.accepted).value();
}
Ends connect(Bench& bench, bool tls = true) {
  Ends ends;
  bench.loop.run(store_ends(bench, tls, ends));
  return ends;
}

Task<void> write_size(Stream& stream, std::size_t size, std::size_t chunk) {
  const std::vector<std::byte> bytes(chunk);
  for (; size > 0; size -= std::min(size, chunk)) {
    auto written = co_await stream.write(Bytes(bytes).first(std::min(size, chunk)));
    if (!written) std::abort();
  }
}
Task<void> read_size(Stream& stream, std::size_t size) {
  std::vector<std::byte> bytes(64_KiB);
  while (size > 0) {
    auto n = co_await stream.read(bytes);
    if (!n || *n == 0) std::abort();
    size -= *n;
  }
}
Task<void> transfer(Loop& loop, Stream& from, Stream& to, std::size_t size, std::size_t chunk) {
  Scope scope(loop);
  scope.spawn(write_size(from, size, chunk));
  scope.spawn(read_size(to, size));
  co_await scope.done();
}

void FullHandshake(benchmark::State& state) {
  Bench bench;
  for (auto _ : state) {
    bench.client = bench.ca.tls_client();  // nothing to resume
    connect(bench);
  }
}
BENCHMARK(FullHandshake)->Unit(benchmark::kMicrosecond);

void ResumedHandshake(benchmark::State& state) {
  Bench bench;
  for (auto _ : state) {
    Ends ends = connect(bench);
    bench.loop.run(transfer(bench.loop, *ends.far, *ends.near, 1, 1));  // the ticket comes with it
  }
}
BENCHMARK(ResumedHandshake)->Unit(benchmark::kMicrosecond);

void Transfer(benchmark::State& state) {
  Bench bench;
  const bool tls = state.range(0) != 0;
  Ends ends = connect(bench, tls);
  constexpr std::size_t kSize = 16_MiB;
  for (auto _ : state) bench.loop.run(transfer(bench.loop, *ends.near, *ends.far, kSize, static_cast<std::size_t>(state.range(1))));
  state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations() * kSize));
}
BENCHMARK(Transfer)->ArgNames({"tls", "chunk"})->ArgsProduct({{0, 1}, {1024, 16384, 65536}})->Unit(benchmark::kMillisecond);

void RoundTrip(benchmark::State& state) {
  Bench bench;
  Ends ends = connect(bench, state.range(0) != 0);
  for (auto _ : state) {
    bench.loop.run(transfer(bench.loop, *ends.near, *ends.far, 200, 200));
    bench.loop.run(transfer(bench.loop, *ends.far, *ends.near, 1000, 1000));
  }
}
BENCHMARK(RoundTrip)->ArgNames({"tls"})->Arg(0)->Arg(1)->Unit(benchmark::kMicrosecond);

std::size_t allocated() { return ::mallinfo2().uordblks; }

void IdleConnection(benchmark::State& state) {
  Bench bench;
  constexpr std::size_t kConnections = 200;
  for (auto _ : state) {
    std::vector<Ends> all;
    connect(bench);  // what is made once
    const auto open = [&](bool tls) {
      const std::size_t before = allocated();
      for (std::size_t i = 0; i < kConnections; i++) {
        all.push_back(connect(bench, tls));
        bench.loop.run(transfer(bench.loop, *all.back().near, *all.back().far, 200, 200));
        bench.loop.run(transfer(bench.loop, *all.back().far, *all.back().near, 1000, 1000));
      }
      return static_cast<double>(allocated() - before) / kConnections;
    };
    const double plain = open(false);
    state.counters["bytes_of_both_sides"] = open(true) - plain;
  }
}
BENCHMARK(IdleConnection)->Iterations(1);

}  // namespace
}  // namespace fairlead::net

BENCHMARK_MAIN();
