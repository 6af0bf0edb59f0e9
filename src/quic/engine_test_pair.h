// engine_test_pair.h: two engines joined in memory, in virtual time, for the engine's own tests. The path loses, reorders, duplicates and
// delays as a seed says; the same seed gives the same run but for what TLS draws at random.
#pragma once
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/random.h"
#include "pki/test_pki.h"
#include "quic/chunk.h"
#include "quic/cid_source.h"
#include "quic/engine.h"
#include "quic/stateless.h"

namespace fairlead::quic::test {

struct PathOptions {
  std::uint64_t seed = 1;
  Duration delay = 10ms;  // one way
  double loss = 0, duplicate = 0;
  double reorder = 0;      // this part of the packets takes up to twice as long
  std::size_t mtu = 1472;  // of UDP payload; larger ones are lost
  std::uint64_t rate = 0;  // bytes a second, 0: any
  Duration queue = 100ms;  // of the rate's queue; beyond it packets are lost
};

inline const pki::TestPki& test_pki() {
  static const pki::TestPki pki(pki::KeyKind::ed25519);
  return pki;
}

inline net::SocketAddress address(const char* text) { return net::SocketAddress::parse(text).value(); }

// One side: its engine, and everything that it was told.
class Side : public EngineEvents {
 public:
  explicit Side(std::size_t memory = 64_MiB, std::size_t reserve = 4_MiB) : budget(memory, reserve), cids(LoopIndex(0), 1, secrets()) {}

  void on_handshake_done() override { handshakes++; }
  void on_stream_opened(EngineStream& s) override { opened.push_back(&s); }
  void on_readable(EngineStream& s) override { readable.insert(&s); }
  void on_writable(EngineStream& s) override { writable.insert(&s); }
  void on_streams_allowed() override { streams_allowed++; }
  void on_datagram(Bytes payload) override { datagrams.emplace_back(as_text(payload)); }
  void on_cid_added(const ConnectionId& id) override { ids.insert(std::string(id.view())); }
  void on_cid_removed(const ConnectionId& id) override { ids.erase(std::string(id.view())); }
  void on_reset_token(const StatelessResetToken& token, bool valid) override {
    if (valid) {
      tokens.insert(token);
    } else {
      tokens.erase(token);
    }
  }
  void on_path_changed(const net::SocketAddress& l, const net::SocketAddress& p) override { paths.emplace_back(l, p); }
  void on_path_stuck() override { stuck++; }
  void on_resumption(const Resumption& r) override { resumption = r; }
  void on_closed(const net::MuxClose& close) override {
    closes++;
    how = close;
  }

  static EndpointSecrets secrets() {
    EndpointSecrets s;
    s.token.fill(std::byte{1});
    s.reset.fill(std::byte{2});
    s.ticket.fill(std::byte{3});
    return s;
  }

  net::MemoryBudget budget;
  LoopCids cids;
  std::unique_ptr<Engine> engine;
  int handshakes = 0, closes = 0, streams_allowed = 0, stuck = 0;
  std::optional<net::MuxClose> how;
  std::vector<EngineStream*> opened;
  std::set<EngineStream*> readable, writable;
  std::vector<std::string> datagrams;
  std::set<std::string> ids;
  std::set<StatelessResetToken> tokens;
  std::vector<std::pair<net::SocketAddress, net::SocketAddress>> paths;
  std::optional<Resumption> resumption;
};

// The usual ways to use a stream. `write` returns how much went in.
inline std::size_t write(EngineStream& s, std::string_view bytes) {
  std::size_t done = 0;
  while (done < bytes.size()) {
    const MutableBytes room = s.prepare();
    if (room.empty()) break;
    const std::size_t n = std::min(room.size(), bytes.size() - done);
    std::memcpy(room.data(), bytes.data() + done, n);
    s.commit(n);
    done += n;
  }
  return done;
}
inline std::string read(EngineStream& s, std::size_t limit = SIZE_MAX) {
  std::string all;
  while (all.size() < limit) {
    const Bytes some = s.peek();
    if (some.empty()) break;
    const std::size_t n = std::min(some.size(), limit - all.size());
    all += as_text(some.first(n));
    s.consume(n);
  }
  return all;
}

struct Scenario {
  EngineSettings client, server;
  PathOptions path;
  std::string client_alpn = "fairlead/1";
  std::vector<std::string> server_alpns = {"fairlead/1", "fairlead-join/1"};
  std::shared_ptr<const pki::Credentials> client_credentials = test_pki().edge(), server_credentials = test_pki().cloud();
  std::size_t client_memory = 64_MiB, server_memory = 64_MiB;
  std::optional<Resumption> resumption;
  bool retry = false;
  bool tickets = true;
};

class Pair {
 public:
  explicit Pair(Scenario s = {})
      : scenario(std::move(s)), client(scenario.client_memory), server(scenario.server_memory), random_(scenario.path.seed) {
    chunks_before_ = chunks_in_use();
    Engine::ClientStart start{.local = address("10.0.0.1:1000"), .peer = address("10.0.0.2:8443"), .tls = {}, .resumption = nullptr};
    start.tls = {.credentials = scenario.client_credentials, .alpn = scenario.client_alpn, .server_name = "cloud.example"};
    if (scenario.resumption) start.resumption = &*scenario.resumption;
    client.engine = Engine::connect(scenario.client, start, client.cids, client, client.budget, now).value();
    flush(client);
  }
  ~Pair() {
    for (EngineStream* s : kept)
      if (s != nullptr) s->release();
    client.engine.reset();
    server.engine.reset();
    if (client.budget.used() == 0 && server.budget.used() == 0 && chunks_in_use() == chunks_before_) return;
    std::fprintf(stderr, "left: %zu and %zu bytes charged, %zu chunks\n", client.budget.used(), server.budget.used(),
                 chunks_in_use() - chunks_before_);
    std::abort();
  }

  // Lets time pass until `done`, asked after each event; false when `limit` went by first. `pump` is called before it each time.
  bool run(Duration limit, const std::function<bool()>& done) {
    const TimePoint end = now + limit;
    for (;;) {
      if (pump) pump();
      flush(client);
      flush(server);
      if (done()) return true;
      TimePoint next = std::min(deadline(client), deadline(server));
      if (!packets_.empty()) next = std::min(next, packets_.begin()->first);
      if (next > end) {
        now = end;
        return false;
      }
      if (next > now) {
        now = next;
        turns_ = 0;
      } else if (++turns_ > 20'000) {
        std::fprintf(stderr, "an engine wants to be woken for ever\n");
        std::abort();
      }
      // All packets of this instant, as a loop's turn reads them.
      for (int burst = 0; burst < 64 && !packets_.empty() && packets_.begin()->first <= now; burst++) {
        Packet p = std::move(packets_.begin()->second);
        packets_.erase(packets_.begin());
        arrive(p);
      }
      for (Side* side : {&client, &server})
        if (deadline(*side) <= now) side->engine->expire(now);
    }
  }
  void run_for(Duration time) {
    run(time, [] { return false; });
  }
  // True once both have shaken hands.
  bool connect(Duration limit = 10s) {
    return run(limit, [&] { return client.handshakes > 0 && server.handshakes > 0; });
  }
  // The server's end of a stream that the client opened and that has been announced.
  EngineStream* server_end(const EngineStream* s) {
    for (EngineStream* o : server.opened)
      if (o->id() == s->id()) return o;
    return nullptr;
  }

  void flush(Side& side) {
    if (!side.engine) return;
    side.engine->flush(now, [&](const net::DatagramBatch& batch) {
      batches.push_back({batch.segment, batch.data.size(), batch.ecn});
      for (std::size_t at = 0; at < batch.data.size(); at += batch.segment)
        send(side, batch, batch.data.subspan(at, std::min(batch.segment, batch.data.size() - at)));
    });
  }

  struct Batch {
    std::size_t segment, size;
    net::Ecn ecn;
  };

  Scenario scenario;
  TimePoint now{1s};
  Side client, server;
  std::function<void()> pump;
  std::vector<EngineStream*> kept;                           // to be released at the end
  std::unique_ptr<net::MemoryBudget> server_budget;          // instead of the server's own
  EngineEvents* server_events = nullptr;                     // instead of `server` itself
  bool cut = false;                                          // no packet arrives any more
  std::function<bool(bool from_client, Bytes packet)> drop;  // loses what it says, beside `loss`
  std::function<bool(std::vector<std::byte>&)> change;       // may alter a packet; false: it is lost
  std::vector<Batch> batches;
  net::SocketAddress nat;  // what the server sees the client as, when set
  std::size_t largest_delivered = 0;
  bool ce = false;  // the path marks congestion

 private:
  struct Packet {
    bool to_server;
    net::SocketAddress from, to;
    net::Ecn ecn;
    std::vector<std::byte> payload;
  };

  TimePoint deadline(const Side& side) const { return side.engine ? side.engine->deadline() : TimePoint::max(); }

  void send(Side& side, const net::DatagramBatch& batch, Bytes payload) {
    const bool to_server = &side == &client;
    if (drop && drop(to_server, payload)) return;
    const PathOptions& o = scenario.path;
    if (cut || payload.size() > o.mtu || random_.chance(o.loss)) return;
    Packet p{to_server, {batch.from, side.engine->local().port}, batch.to, batch.ecn, {payload.begin(), payload.end()}};
    if (change && !change(p.payload)) return;
    if (ce && p.ecn != net::Ecn::not_ect) p.ecn = net::Ecn::ce;
    TimePoint leaves = now;
    if (o.rate > 0) {
      TimePoint& free = to_server ? free_to_server_ : free_to_client_;
      if (free - now > o.queue) return;
      free = std::max(free, now) + Duration(static_cast<std::int64_t>(payload.size() * 1'000'000'000 / o.rate));
      leaves = free;
    }
    const int copies = random_.chance(o.duplicate) ? 2 : 1;
    for (int i = 0; i < copies; i++) {
      Duration takes = o.delay;
      if (random_.chance(o.reorder))
        takes += Duration(static_cast<std::int64_t>(random_.below(static_cast<std::uint64_t>(o.delay.count()))));
      packets_.emplace(leaves + takes, p);
    }
  }

  void arrive(Packet& p) {
    if (p.to_server) {
      if (nat.port != 0) p.from = nat;
      if (!server.engine && !accept(p)) return;
      server.engine->feed({p.from, p.to, p.ecn, p.payload}, now);
    } else {
      if (nat.port != 0) p.to = client.engine->local();
      if (client.engine && p.to == client.engine->local()) client.engine->feed({p.from, p.to, p.ecn, p.payload}, now);
    }
    largest_delivered = std::max(largest_delivered, p.payload.size());
  }

  bool accept(const Packet& p) {
    const auto initial = stateless::read_initial(p.payload);
    if (!initial) return false;
    Engine::ServerStart start{.local = p.to,
                              .peer = p.from,
                              .credentials = scenario.server_credentials,
                              .alpns = scenario.server_alpns,
                              .version = initial->version,
                              .dcid = initial->dcid,
                              .scid = initial->scid,
                              .original_dcid = {},
                              .token = {},
                              .ticket_key = {}};
    const EndpointSecrets secrets = Side::secrets();
    const stateless::Token token = stateless::check_token(*initial, p.from, secrets.token, pki::TestPki::kNow);
    if (token.check == stateless::TokenCheck::retried) start.original_dcid = token.original_dcid;
    if (token.check == stateless::TokenCheck::retried || token.check == stateless::TokenCheck::proved) start.token = initial->token;
    last_token = token.check;
    if (scenario.retry && token.check == stateless::TokenCheck::none) {
      const auto answer = stateless::retry(*initial, server.cids.next(), p.from, secrets.token, pki::TestPki::kNow);
      packets_.emplace(now + scenario.path.delay, Packet{false, p.to, p.from, net::Ecn::not_ect, answer});
      retries++;
      return false;
    }
    if (scenario.tickets) start.ticket_key = secrets.ticket;
    server.engine = Engine::accept(scenario.server, start, server.cids, server_events != nullptr ? *server_events : server,
                                   server_budget ? *server_budget : server.budget, now, pki::TestPki::kNow)
                        .value();
    return true;
  }

  Random random_;
  std::multimap<TimePoint, Packet> packets_;
  TimePoint free_to_server_{}, free_to_client_{};
  std::size_t chunks_before_ = 0;
  int turns_ = 0;  // of this instant

 public:
  int retries = 0;
  std::optional<stateless::TokenCheck> last_token;
};

inline std::uint64_t seeds(std::uint64_t usual) {
  const char* text = std::getenv("FAIRLEAD_SIM_SEEDS");
  return text != nullptr ? std::strtoull(text, nullptr, 10) : usual;
}

// Bytes that tell where they belong.
inline std::string pattern(std::size_t size, std::uint64_t seed) {
  std::string s(size, '\0');
  Random r(seed);
  for (char& c : s) c = static_cast<char>(r.next());
  return s;
}

}  // namespace fairlead::quic::test
