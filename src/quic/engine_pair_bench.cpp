// engine_pair_bench: what two engines can do over two UDP sockets of the loopback, with nothing around them: the yardstick of the rest.
//
//   engine_pair_bench [--bytes N]                  one stream of N bytes (10^9): {"seconds", "cpu_seconds", "bytes"}
//   engine_pair_bench --requests N [--at-once 64]  200 bytes up, 1 KiB down, a stream each: {"per_second", "cpu_us", ...}
//   engine_pair_bench --idle N                     connections that do nothing: {"bytes_each", ...} of the server's side
//   --cubic --stream-window N --send-buffer N      other settings
#include <fmt/format.h>
#include <poll.h>
#include <sys/resource.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <memory>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

#include "net/real_network.h"
#include "pki/test_pki.h"
#include "quic/cid_source.h"
#include "quic/engine.h"
#include "quic/stateless.h"
#include "runtime/asio_loop.h"

namespace fairlead::quic {
namespace {

const pki::TestPki& bench_pki() {
  static const pki::TestPki pki;
  return pki;
}

double cpu_seconds(int who) {
  rusage use{};
  ::getrusage(who, &use);
  auto seconds = [](const timeval& t) { return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) * 1e-6; };
  return seconds(use.ru_utime) + seconds(use.ru_stime);
}

std::size_t resident() {
  std::size_t pages = 0, resident_pages = 0;
  std::ifstream("/proc/self/statm") >> pages >> resident_pages;
  return resident_pages * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
}

class Node;

class Connection final : public EngineEvents {
 public:
  explicit Connection(Node& owner) : node(owner) {}
  void on_handshake_done() override { established = true; }
  void on_stream_opened(EngineStream&) override {}
  void on_readable(EngineStream& stream) override;
  void on_writable(EngineStream& stream) override;
  void on_streams_allowed() override {}
  void on_datagram(Bytes) override {}
  void on_cid_added(const ConnectionId& id) override;
  void on_cid_removed(const ConnectionId& id) override;
  void on_reset_token(const StatelessResetToken&, bool) override {}
  void on_path_changed(const net::SocketAddress&, const net::SocketAddress&) override {}
  void on_path_stuck() override {}
  void on_resumption(const Resumption&) override {}
  void on_closed(const net::MuxClose& how) override {
    if (!how.by_peer) return;
    std::fprintf(stderr, "closed: %s\n", how.reason.c_str());
    std::exit(1);
  }

  Node& node;
  std::unique_ptr<Engine> engine;
  bool established = false, dirty = false;
};

// One thread with one socket.
class Node {
 public:
  explicit Node(EngineSettings s) : settings(s), network(loop) { socket = network.bind({net::IpAddress::loopback_v4(), 0}, {}).value(); }

  Connection& connect(const net::SocketAddress& to) {
    auto& c = *connections.emplace_back(std::make_unique<Connection>(*this));
    Engine::ClientStart start{.local = socket->local(), .peer = to, .tls = {}};
    start.tls = {.credentials = edge, .alpn = "bench", .server_name = "cloud.example"};
    c.engine = Engine::connect(settings, start, cids, c, budget, loop.now()).value();
    touch(c);
    return c;
  }

  void touch(Connection& c) {
    if (std::exchange(c.dirty, true)) return;
    dirty.push_back(&c);
  }

  // Until `done`: read a burst, feed, write once; as an endpoint does.
  template <class Done>
  void run(Done done) {
    while (!done()) {
      TimePoint now = loop.now();
      for (auto work = std::exchange(dirty, {}); Connection * c : work) {
        c->dirty = false;
        c->engine->flush(now, [&](const net::DatagramBatch& batch) { static_cast<void>(socket->send(batch)); });
        if (c->engine->deadline() <= now) touch(*c);
      }
      TimePoint next = now + 100ms;
      if (connections.size() < 10)  // a bench of idle connections needs no timers
        for (auto& c : connections) next = std::min(next, c->engine->deadline());
      const Duration wait = dirty.empty() ? std::max(Duration::zero(), next - now) : Duration::zero();
      const timespec timeout{static_cast<time_t>(wait.count() / 1'000'000'000), static_cast<long>(wait.count() % 1'000'000'000)};
      pollfd poll{socket->native_handle(), POLLIN, 0};
      if (::ppoll(&poll, 1, &timeout, nullptr) > 0) {
        now = loop.now();
        socket->receive(512, [&](const net::Datagram& d) { input(d, now); });
      }
      now = loop.now();
      for (auto& c : connections)
        if (c->engine->deadline() <= now) {
          c->engine->expire(now);
          touch(*c);
        }
    }
  }

  void input(const net::Datagram& d, TimePoint now) {
    const auto head = stateless::read_head(d.payload);
    if (!head) return;
    auto it = by_id.find(ConnectionId::from(as_u8(head->dcid), head->dcid.size()));
    Connection* c = it != by_id.end() ? it->second : nullptr;
    if (c == nullptr) {
      const auto initial = stateless::read_initial(d.payload);
      if (!initial) return;
      c = connections.emplace_back(std::make_unique<Connection>(*this)).get();
      Engine::ServerStart start{.local = d.to,
                                .peer = d.from,
                                .credentials = cloud,
                                .alpns = {"bench"},
                                .version = initial->version,
                                .dcid = initial->dcid,
                                .scid = initial->scid,
                                .original_dcid = {},
                                .token = {},
                                .ticket_key = secrets.ticket};
      c->engine = Engine::accept(settings, start, cids, *c, budget, now, loop.wall_now()).value();
    }
    c->engine->feed(d, now);
    touch(*c);
  }

  EngineSettings settings;
  AsioLoop loop;
  net::RealNetwork network;
  std::unique_ptr<net::DatagramSocket> socket;
  EndpointSecrets secrets{};
  LoopCids cids{LoopIndex(0), 1, secrets};
  net::MemoryBudget budget{1_GiB, 16_MiB};
  std::shared_ptr<const pki::Credentials> cloud = bench_pki().cloud(), edge = bench_pki().edge();
  std::vector<std::unique_ptr<Connection>> connections;
  std::unordered_map<ConnectionId, Connection*> by_id;
  std::vector<Connection*> dirty;
  std::function<void(EngineStream&)> readable = [](EngineStream&) {}, writable = [](EngineStream&) {};
};

void Connection::on_readable(EngineStream& stream) { node.readable(stream); }
void Connection::on_writable(EngineStream& stream) { node.writable(stream); }
void Connection::on_cid_added(const ConnectionId& id) { node.by_id[id] = this; }
void Connection::on_cid_removed(const ConnectionId& id) { node.by_id.erase(id); }

struct Options {
  EngineSettings engine;
  std::uint64_t bytes = 1'000'000'000, requests = 0, idle = 0;
  std::size_t at_once = 64;
};

// Fills room in place, as a reader of a socket would; the bytes do not matter.
std::uint64_t fill(EngineStream& stream, std::uint64_t left) {
  std::uint64_t done = 0;
  while (done < left) {
    const MutableBytes room = stream.prepare();
    if (room.empty()) break;
    const std::size_t n = static_cast<std::size_t>(std::min<std::uint64_t>(room.size(), left - done));
    std::memset(room.data(), 'b', n);
    stream.commit(n);
    done += n;
  }
  return done;
}

std::size_t drain(EngineStream& stream) {
  std::size_t total = 0;
  for (Bytes some = stream.peek(); !some.empty(); some = stream.peek()) {
    total += some.size();
    stream.consume(some.size());
  }
  return total;
}

void bulk(const Options& options) {
  Node server(options.engine), client(options.engine);
  std::atomic<bool> done = false;
  std::uint64_t received = 0;
  server.readable = [&](EngineStream& s) {
    received += drain(s);
    if (s.at_end()) done = true;
  };
  Connection& c = client.connect(server.socket->local());
  std::thread far([&] { server.run([&] { return done.load(); }); });
  client.run([&] { return c.established; });
  const TimePoint start = client.loop.now();
  const double cpu = cpu_seconds(RUSAGE_SELF);
  EngineStream& stream = *c.engine->open_stream(net::Priority::bulk);
  std::uint64_t left = options.bytes;
  const auto more = [&](EngineStream& s) {
    left -= fill(s, left);
    if (left == 0) s.finish();
    client.touch(c);
  };
  client.writable = more;
  more(stream);
  client.run([&] { return done.load(); });
  const double seconds = std::chrono::duration<double>(client.loop.now() - start).count();
  const double used = cpu_seconds(RUSAGE_SELF) - cpu;
  far.join();
  const auto stats = c.engine->stats();
  std::fputs(fmt::format("{{\"seconds\": {:.3f}, \"cpu_seconds\": {:.3f}, \"bytes\": {}, \"packets\": {}, \"lost\": {}}}\n", seconds, used,
                         received, stats.packets_sent, stats.packets_lost)
                 .c_str(),
             stdout);
}

void requests(const Options& options) {
  Node server(options.engine), client(options.engine);
  std::atomic<bool> done = false;
  server.readable = [&](EngineStream& s) {
    drain(s);
    if (!s.at_end()) return;
    fill(s, 1024);
    s.finish();
    s.release();
  };
  Connection& c = client.connect(server.socket->local());
  std::thread far([&] { server.run([&] { return done.load(); }); });
  client.run([&] { return c.established; });
  std::uint64_t asked = 0, answered = 0;
  const auto ask = [&] {
    EngineStream* s = c.engine->open_stream(net::Priority::interactive);
    if (s == nullptr) return;
    asked++;
    fill(*s, 200);
    s->finish();
    client.touch(c);
  };
  client.readable = [&](EngineStream& s) {
    drain(s);
    if (!s.at_end()) return;
    answered++;
    s.release();
    if (asked < options.requests) ask();
  };
  const TimePoint start = client.loop.now();
  const double cpu = cpu_seconds(RUSAGE_SELF);
  for (std::size_t i = 0; i < options.at_once; i++) ask();
  client.run([&] { return answered >= options.requests; });
  const double seconds = std::chrono::duration<double>(client.loop.now() - start).count();
  const double used = cpu_seconds(RUSAGE_SELF) - cpu;
  done = true;
  far.join();
  const double n = static_cast<double>(answered);
  std::fputs(fmt::format("{{\"per_second\": {:.0f}, \"cpu_us\": {:.2f}, \"at_once\": {}}}\n", n / seconds, used * 1e6 / n, options.at_once)
                 .c_str(),
             stdout);
}

void idle(const Options& options) {
  Node server(options.engine);
  // The clients live in a child, so that this process's memory is the server's.
  const net::SocketAddress to = server.socket->local();
  const std::size_t before = resident();
  const pid_t child = ::fork();
  if (child == 0) {
    Node client(options.engine);
    for (std::uint64_t i = 0; i < options.idle; i++) {
      Connection& c = client.connect(to);
      client.run([&] { return c.established; });
    }
    const TimePoint until = client.loop.now() + 2s;
    client.run([&] { return client.loop.now() > until; });
    ::_exit(0);
  }
  const TimePoint start = server.loop.now();
  TimePoint all{};
  server.run([&] {
    std::size_t n = 0;
    if (all == TimePoint{}) {
      for (auto& c : server.connections) n += c->established ? 1 : 0;
      if (n >= options.idle) all = server.loop.now();
    }
    return (all != TimePoint{} && server.loop.now() > all + 1s) || server.loop.now() > start + 120s;
  });
  const std::size_t each = (resident() - before) / server.connections.size();
  std::fputs(
      fmt::format("{{\"bytes_each\": {}, \"connections\": {}, \"budget\": {}}}\n", each, server.connections.size(), server.budget.used())
          .c_str(),
      stdout);
}

}  // namespace
}  // namespace fairlead::quic

int main(int argc, char** argv) {
  fairlead::quic::Options options;
  options.engine.max_streams = 100'000;
  for (int i = 1; i < argc; i++) {
    const std::string_view name = argv[i];
    const auto number = [&] { return i + 1 < argc ? std::strtoull(argv[++i], nullptr, 10) : 0ull; };
    if (name == "--bytes")
      options.bytes = number();
    else if (name == "--requests")
      options.requests = number();
    else if (name == "--at-once")
      options.at_once = number();
    else if (name == "--idle")
      options.idle = number();
    else if (name == "--cubic")
      options.engine.congestion = fairlead::quic::EngineSettings::Congestion::cubic;
    else if (name == "--stream-window")
      options.engine.max_stream_window = number();
    else if (name == "--send-buffer")
      options.engine.send_buffer = number();
    else {
      std::fprintf(stderr, "unknown option %s; see the head of engine_pair_bench.cpp\n", argv[i]);
      return 2;
    }
  }
  if (options.requests > 0)
    fairlead::quic::requests(options);
  else if (options.idle > 0)
    fairlead::quic::idle(options);
  else
    fairlead::quic::bulk(options);
}
