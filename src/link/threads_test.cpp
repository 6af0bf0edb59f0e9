// The link with real threads and real sockets: a cloud of two loops, an edge on a third, flows from both loops at once. For what virtual
// time cannot show: run under ThreadSanitizer.
#include <gtest/gtest.h>

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "link/flow_script.h"
#include "link/link_world.h"
#include "net/real_network.h"
#include "quic/steering.h"
#include "runtime/asio_loop.h"

namespace fairlead::link {
namespace {

constexpr auto kPatience = 120s;  // of the real clock: a sanitizer on a busy machine is slow

// Counts down on any thread; awaited on the test's.
class Done {
 public:
  void expect(std::size_t count) { count_ = count; }  // before anybody counts
  void one() {
    std::lock_guard lock(mutex_);
    if (--count_ == 0) changed_.notify_all();
  }
  bool wait() {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, kPatience, [&] { return count_ == 0; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::size_t count_ = 0;
};

struct LoopThread {
  ~LoopThread() { join(); }
  void start() {
    thread = std::thread([this] { loop.run(); });
  }
  void join() {
    if (!thread.joinable()) return;
    loop.stop();
    thread.join();
  }
  AsioLoop loop;
  net::RealNetwork network{loop};
  std::thread thread;
};

class RealLink : public ::testing::Test {
 protected:
  static constexpr std::size_t kLoops = 2;

  RealLink() {
    std::vector<net::Network*> networks;
    std::vector<Loop*> loops;
    for (auto& at : cloud) {
      networks.push_back(&at.thread.network);
      loops.push_back(&at.thread.loop);
    }
    auto sockets = quic::bind_group(networks, {net::IpAddress::loopback_v4(), 0});
    EXPECT_TRUE(sockets) << sockets.error().describe();
    port = sockets->front()->local().port;
    strays = std::make_unique<quic::StrayExchange>(loops);
    for (std::size_t i = 0; i < kLoops; i++) {
      CloudLoop& at = cloud[i];
      const LoopIndex index(static_cast<std::uint16_t>(i));
      at.endpoint = std::make_unique<quic::Endpoint>(at.thread.loop, std::move((*sockets)[i]),
                                                     quic::EndpointSettings{.engine = {}, .limits = {}, .loop = index, .loops = kLoops},
                                                     quic::EndpointSecrets{}, cloud_memory, 64_MiB, strays.get());
      strays->attach(index, *at.endpoint);
      at.endpoint->serve({cloud_trust.credentials(), {std::string(CloudLink::kAlpn)}});
      at.egress = std::make_unique<ScriptEgress>(at.thread.loop, ledger);
      at.egresses.add(*at.egress);
      at.link = std::make_unique<CloudLink>(at.thread.loop, index, *at.endpoint, nodes, cloud_trust, at.egresses,
                                            CloudLink::Options{.session = {}, .software = "test"});
      at.tasks = std::make_unique<Scope>(at.thread.loop);
      at.tasks->spawn(at.link->run());
      siblings.push_back({&at.thread.loop, at.link.get()});
    }
    for (auto& at : cloud) at.link->set_siblings(siblings);
    edge_egress = std::make_unique<ScriptEgress>(edge.loop, ledger);
    edge_egresses.add(*edge_egress);
    edge_link = std::make_unique<EdgeLink>(
        edge.loop, edge.network,
        [this](const net::SocketAddress&) -> Result<std::unique_ptr<quic::Endpoint>> {
          auto socket = edge.network.bind({net::IpAddress::loopback_v4(), 0}, {});
          if (!socket) return std::unexpected(socket.error());
          return std::make_unique<quic::Endpoint>(edge.loop, *std::move(socket), quic::EndpointSettings{}, quic::EndpointSecrets{},
                                                  edge_memory, 64_MiB);
        },
        edge_trust, edge_egresses,
        EdgeLink::Options{.session = {}, .cloud = {"127.0.0.1", port}, .node = kNode, .labels = {}, .boot = BootId(1), .software = "test"});
    edge_tasks = std::make_unique<Scope>(edge.loop);
    edge_tasks->spawn(edge_link->run());
  }
  ~RealLink() override {
    edge.join();
    for (auto& at : cloud) at.thread.join();
    // As app takes it down: tasks, links, endpoints, and the loops last.
    edge_tasks.reset();
    edge_link.reset();
    for (auto& at : cloud) at.tasks.reset();
    for (auto& at : cloud) at.link.reset();
    for (std::size_t i = 0; i < kLoops; i++) strays->detach(LoopIndex(static_cast<std::uint16_t>(i)));
    for (auto& at : cloud) at.endpoint.reset();
  }

  void start() {
    for (auto& at : cloud) at.thread.start();
    edge.start();
    while (nodes.connected() == 0) std::this_thread::yield();
  }
  std::size_t home() const { return nodes.find(kNode)->loop.value(); }
  // On the loop of `at`, until it is done.
  void spawn_at(std::size_t at, std::move_only_function<Task<void>()> make) {
    cloud[at].thread.loop.post([this, at, start = std::move(make)]() mutable { cloud[at].tasks->spawn(start()); });
  }
  Task<void> play(std::size_t at, FlowScript script) {
    auto playing = play_opener(cloud[at].thread.loop, *cloud[at].link, Destination::to(kNode), script, ledger.at(script.id));
    co_await playing;
    done.one();
  }
  // Starts to play and is destroyed with its flow at some moment.
  Task<void> play_and_leave(std::size_t at, FlowScript script, Duration after) {
    {
      Scope playing(cloud[at].thread.loop);
      playing.spawn(play_opener(cloud[at].thread.loop, *cloud[at].link, Destination::to(kNode), script, ledger.at(script.id)));
      co_await cloud[at].thread.loop.sleep(after);
    }
    done.one();
  }
  // Flows that are open at the node, asked on its own thread.
  std::uint64_t open_at_edge() {
    std::atomic<std::int64_t> open = -1;
    edge.loop.post([&] { open = static_cast<std::int64_t>(edge_link->totals().flows_open); });
    while (open < 0) std::this_thread::yield();
    return static_cast<std::uint64_t>(open);
  }

  struct CloudLoop {
    LoopThread thread;
    std::unique_ptr<quic::Endpoint> endpoint;
    std::unique_ptr<ScriptEgress> egress;
    EgressTable egresses;
    std::unique_ptr<CloudLink> link;
    std::unique_ptr<Scope> tasks;
  };
  inline static const NodeName kNode = NodeName::parse("edge-a").value();

  Done done;
  FlowLedger ledger;  // filled before the threads start; each side of a record belongs to one thread
  pki::TestPki pki{pki::KeyKind::ed25519, std::chrono::system_clock::now()};
  Nodes nodes;
  Trust cloud_trust{pki.cloud("127.0.0.1"), std::make_shared<const pki::RevocationList>()};
  Trust edge_trust{pki.edge("edge-a"), std::make_shared<const pki::RevocationList>()};
  net::MemoryBudget cloud_memory{512_MiB, 32_MiB}, edge_memory{512_MiB, 32_MiB};
  std::uint16_t port = 0;
  std::array<CloudLoop, kLoops> cloud;
  std::vector<CloudLink::Sibling> siblings;
  std::unique_ptr<quic::StrayExchange> strays;
  LoopThread edge;
  std::unique_ptr<ScriptEgress> edge_egress;
  EgressTable edge_egresses;
  std::unique_ptr<EdgeLink> edge_link;
  std::unique_ptr<Scope> edge_tasks;
};

TEST_F(RealLink, AHundredMegabytesGoThereAndBackAcrossLoops) {
  FlowScript script{.id = 1, .up = 100'000'000, .down = 100'000'000, .echo = true};
  FlowRecord& record = ledger.add(script);
  start();
  done.expect(1);
  const std::size_t other = 1 - home();
  spawn_at(other, [&] { return play(other, script); });
  ASSERT_TRUE(done.wait());
  EXPECT_TRUE(record.opener.whole && record.opener.intact) << judge(record, true);
  EXPECT_EQ(record.opener.received, 100'000'000u);
}

TEST_F(RealLink, FlowsOfEveryKindFromBothLoopsAtOnce) {
  constexpr std::uint32_t kFlows = 1000;
  Random random(1);
  std::vector<FlowScript> scripts;
  for (std::uint32_t id = 1; id <= kFlows; id++) {
    FlowScript script{
        .id = id, .up = static_cast<std::uint32_t>(random.below(100'000)), .down = static_cast<std::uint32_t>(random.below(100'000))};
    script.order = static_cast<FlowScript::Order>(random.below(3));
    script.ending = static_cast<FlowScript::Ending>(random.below(6));
    if (script.opener_breaks()) script.cut = script.up / 2;
    if (script.acceptor_breaks()) script.cut = script.down / 2;
    ledger.add(script);
    scripts.push_back(script);
  }
  start();
  done.expect(kFlows);
  for (const FlowScript& script : scripts) {
    const std::size_t at = script.id % kLoops;
    const bool leaves = script.id % 3 == 0;
    const Duration after = std::chrono::microseconds(random.below(20'000));
    spawn_at(at, [this, at, script, leaves, after] { return leaves ? play_and_leave(at, script, after) : play(at, script); });
  }
  ASSERT_TRUE(done.wait());
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  while (open_at_edge() > 0 && std::chrono::steady_clock::now() < deadline) std::this_thread::yield();
  EXPECT_EQ(open_at_edge(), 0u);
  edge.join();
  for (auto& at : cloud) at.thread.join();
  std::string wrong;
  for (const auto& [id, record] : ledger.flows())
    if (id % 3 != 0) wrong += judge(record, false);
  EXPECT_EQ(wrong, "");
  for (auto& at : cloud) EXPECT_EQ(at.link->totals().flows_open, 0u);
}

// The session ends again and again under flows of both loops; each ends, and each handle is told.
TEST_F(RealLink, SessionsThatEndUnderTheirFlows) {
  constexpr std::uint32_t kFlows = 300;
  for (std::uint32_t id = 1; id <= kFlows; id++) ledger.add({.id = id, .up = 2'000'000, .down = 2'000'000});
  start();
  done.expect(kFlows);
  for (std::uint32_t id = 1; id <= kFlows; id++) {
    const std::size_t at = id % kLoops;
    spawn_at(at, [this, at, id] { return play(at, ledger.at(id).script); });
    if (id % 30 == 0) {
      edge.loop.post([this] {
        if (std::shared_ptr<Session> session = edge_link->session()) session->end(wire::SessionCode::ok, "once more");
      });
      std::this_thread::yield();
    }
  }
  ASSERT_TRUE(done.wait());
  // Those who opened are done; the other side may still have something to read.
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  while (open_at_edge() > 0 && std::chrono::steady_clock::now() < deadline) std::this_thread::yield();
  EXPECT_EQ(open_at_edge(), 0u);
  edge.join();
  for (auto& at : cloud) at.thread.join();
  std::string wrong;
  for (const auto& [id, record] : ledger.flows()) wrong += judge(record, true);
  EXPECT_EQ(wrong, "");
}

// All is taken down in mid-traffic.
TEST_F(RealLink, StoppedInFullFlight) {
  for (std::uint32_t id = 1; id <= 50; id++) ledger.add({.id = id, .up = 50'000'000, .down = 50'000'000});
  start();
  done.expect(51);  // never
  for (std::uint32_t id = 1; id <= 50; id++) {
    const std::size_t at = id % kLoops;
    spawn_at(at, [this, at, id] { return play(at, ledger.at(id).script); });
  }
  while (open_at_edge() < 50) std::this_thread::yield();
  for (auto& at : cloud) at.thread.join();
  edge.join();
}

}  // namespace
}  // namespace fairlead::link
