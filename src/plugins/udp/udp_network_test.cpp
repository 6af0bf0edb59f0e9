// What associations do on a bad network, beside floods, from other loops, and from the edge to the cloud.
#include <cmath>

#include "plugins/udp/udp_world.h"

namespace fairlead::udp {
namespace {

// `count` datagrams, one each `every`, "0 ....", "1 ....", of `size` bytes.
Task<void> send_paced(Loop& loop, Party& from, net::SocketAddress to, std::size_t count, Duration every, std::size_t size = 200) {
  for (std::size_t i = 0; i < count; i++) {
    std::string text = std::to_string(i) + " ";
    text.resize(size, '.');
    from.send(to, text);
    co_await loop.sleep(every);
  }
}

struct Arrivals {
  std::size_t count = 0, twice = 0, late = 0;  // late: after one that was sent later
  std::vector<Duration> took;                  // since it was sent by send_paced()
  Duration percentile(double p) {
    std::ranges::sort(took);
    return took.empty() ? 0ns : took[std::min(took.size() - 1, static_cast<std::size_t>(p * static_cast<double>(took.size())))];
  }
};
Arrivals arrivals(const Party& party, TimePoint begun, Duration every) {
  Arrivals all;
  std::set<int> seen;
  int last = -1;
  for (const Party::Got& got : party.got) {
    const int n = std::atoi(got.text.c_str());
    all.count++;
    all.twice += !seen.insert(n).second;
    all.late += n < last;
    last = std::max(last, n);
    all.took.push_back(got.at - (begun + n * every));
  }
  return all;
}

struct Lossy : UdpWorld {
  Lossy() : UdpWorld({.seed = 3, .rtt = 50ms, .loss = 0.01, .rate = 100'000'000}) {}
};

TEST_F(Lossy, AStreamLosesWhatTheLinkLosesAndWaitsForNothing) {
  apply();
  auto server = service();
  auto one = client();
  one->send(front, "hello");
  run(1s);
  server->got.clear();
  Scope tasks(world.loop);
  const TimePoint begun = world.loop.now();
  tasks.spawn(send_paced(world.loop, *one, front, 5'000, 2ms));
  run(11s);
  Arrivals got = arrivals(*server, begun, 2ms);
  EXPECT_GT(got.count, 5'000u * 985 / 1000);
  EXPECT_EQ(got.twice, 0u);
  EXPECT_EQ(got.late, 0u);
  EXPECT_LT(got.percentile(0.99), 30ms) << "25 ms, and 5";
}

TEST_F(Lossy, TheFirstDatagramsOfManyClientsArriveThoughTheLinkLosesFlowOpens) {
  apply();
  auto server = service();
  std::vector<std::unique_ptr<Party>> clients;
  for (int i = 0; i < 1'000; i++) {
    clients.push_back(client());
    clients.back()->send(front, "x");
    run(1ms);
  }
  run(3s);
  EXPECT_GT(server->got.size(), 975u);
}

struct Disordered : UdpWorld {
  Disordered() : UdpWorld({.seed = 5, .rtt = 50ms, .jitter = 5ms, .reorder = 0.1, .reorder_delay = 20ms, .duplicate = 0.05}) {}
};

TEST_F(Disordered, AllArriveOnceThoughThePathReordersAndDoubles) {
  apply();
  auto server = service();
  auto one = client();
  Scope tasks(world.loop);
  const TimePoint begun = world.loop.now();
  tasks.spawn(send_paced(world.loop, *one, front, 1'000, 5ms));
  run(7s);
  Arrivals got = arrivals(*server, begun, 5ms);
  EXPECT_EQ(got.count, 1'000u);
  EXPECT_EQ(got.twice, 0u) << "a path that doubles packets doubles no datagram";
}

// A flood of one client, at ten times what the link carries, beside one that sends little.
struct Flooded : UdpWorld {
  Flooded() : UdpWorld({.seed = 9, .rtt = 50ms, .rate = 10'000'000}) {}
  void flood_beside_a_quiet_one() {
    apply();
    auto server = service();
    auto quiet = client();
    auto loud = client();
    quiet->send(front, "hello");
    loud->send(front, "hello");
    run(1s);
    server->got.clear();
    Scope tasks(world.loop);
    tasks.spawn(send_paced(world.loop, *loud, front, 100'000, 100us, 1'150));
    run(2s);
    server->got.clear();
    const TimePoint begun = world.loop.now();
    tasks.spawn(send_paced(world.loop, *quiet, front, 500, 10ms));
    run(6s);
    std::erase_if(server->got, [](const Party::Got& g) { return g.text.size() != 200; });
    Arrivals got = arrivals(*server, begun, 10ms);
    EXPECT_EQ(got.count, 500u);
    EXPECT_LT(got.percentile(0.99), 25ms + 35ms);
  }
};

TEST_F(Flooded, AQuietClientIsNotHurt) { flood_beside_a_quiet_one(); }

TEST_F(Flooded, NorOneFromAnotherLoopThanTheSessions) {
  link::RemotePeers remote(*world.cloud_link, world.loop);
  make_ingress(remote);
  flood_beside_a_quiet_one();
  ingress.reset();
}

TEST_F(Flooded, AServiceThatFloodsOneClientDoesNotHurtAnother) {
  apply();
  auto server = service();
  auto quiet = client();
  auto loud = client();
  loud->send(front, "loud");
  run(500ms);
  const net::SocketAddress to_loud = server->got.front().from;
  quiet->send(front, "quiet");
  run(500ms);
  const net::SocketAddress to_quiet = server->got.back().from;
  Scope tasks(world.loop);
  tasks.spawn(send_paced(world.loop, *server, to_loud, 100'000, 100us, 1'150));
  run(2s);
  const TimePoint begun = world.loop.now();
  tasks.spawn(send_paced(world.loop, *server, to_quiet, 500, 10ms));
  run(6s);
  Arrivals got = arrivals(*quiet, begun, 10ms);
  EXPECT_EQ(got.count, 500u);
  EXPECT_LT(got.percentile(0.99), 25ms + 35ms);
}

struct Plain : UdpWorld {};

TEST_F(Plain, FromAnotherLoopAllIsTheSame) {
  link::RemotePeers remote(*world.cloud_link, world.loop);
  make_ingress(remote);
  apply(to_edges("answers: 1"));
  auto server = service();
  server->echoes = true;
  auto one = client();
  for (const std::size_t size : {1u, 1100u, 5000u}) {
    one->send(front, std::string(size, 'x'));
    run(200ms);
    EXPECT_EQ(one->take().size(), size);
    EXPECT_EQ(ingress->associations(), 0u);
  }
  server.reset();
  one->send(front, "x");
  run(200ms);
  EXPECT_EQ(counters().refused, 1u);
  run(2s);
  EXPECT_EQ(remote.carried(), 0u);
  ingress.reset();
}

TEST_F(Plain, WhenTheSessionEndsItsAssociationsDo) {
  apply();
  auto server = service();
  auto one = client();
  one->send(front, "a");
  run(500ms);
  ASSERT_EQ(ingress->associations(), 1u);
  world.edges.front()->link->session()->end(wire::SessionCode::ok, "restarting");
  run(100ms);
  EXPECT_EQ(ingress->associations(), 0u);
  run(10s);
  one->send(front, "b");
  run(500ms);
  EXPECT_EQ(server->got.back().text, "b") << "over the next session";
}

TEST_F(Plain, AnOutageIsSurvivedWithinTheIdleTimeout) {
  apply(to_edges("idleTimeout: 60s"));
  auto server = service();
  auto one = client();
  one->send(front, "a");
  run(1s);
  const net::SocketAddress from = server->got.front().from;
  sim::Host& edge = *world.hosts.at("edge-a");
  world.net.set_up(*world.cloud_host, edge, false);
  for (int i = 0; i < 20; i++) {
    one->send(front, "lost");
    run(1s);
  }
  world.net.set_up(*world.cloud_host, edge, true);
  run(2s);
  one->send(front, "z");
  run(500ms);
  EXPECT_EQ(server->got.back().text, "z");
  EXPECT_EQ(server->got.back().from, from) << "the same association";
}

TEST_F(Plain, FromTheEdgeToTheCloud) {
  UdpEgress cloud_egress(*world.cloud_host, policy, nullptr);
  world.cloud->egresses = {};
  world.cloud->egresses.add(cloud_egress);
  TestEdge& edge = add_edge("edge-b");
  UdpIngress at_edge(*edge.host, *edge.link, *directory, states, nullptr);
  std::string yaml = to_edges();
  yaml.replace(yaml.find("gatewayClassName: fairlead"), 26, "gatewayClassName: fairlead-edge");
  yaml.replace(yaml.find("{nodeSelector: {site: test}}"), 28, "{cloud: {}}");
  yaml += "---\napiVersion: fairlead.dev/v1alpha1\nkind: Placement\nmetadata: {name: all}\nspec: {nodeSelector: {}}\n";
  yaml.replace(yaml.find("  listeners:"), 12,
               "  infrastructure: {parametersRef: {group: fairlead.dev, kind: Placement, name: all}}\n  listeners:");
  ASSERT_TRUE(at_edge.apply(rules(yaml, route::Site::edge(NodeName::parse("edge-b").value(), {}))).empty());
  ASSERT_EQ(at_edge.listeners(), 1u);
  Party server(world.loop, world.cloud_host->bind({ip("127.0.0.1"), 7000}).value());
  server.echoes = true;
  Party one(world.loop, edge.host->bind({ip("127.0.0.1"), 0}).value());
  one.send({ip("127.0.0.1"), 5000}, "up");
  run(100ms);
  EXPECT_EQ(one.take(), "up");
}

// Whatever the network does: nothing hangs or leaks, what arrives was sent, and in the end a datagram gets through.
TEST(UdpNetwork, HoldsOnAnyNetwork) {
  struct Any : UdpWorld {
    explicit Any(const sim::LinkOptions& link) : UdpWorld(link) {}
    void TestBody() override {}
    void try_it(std::uint64_t seed) {
      apply(to_edges(seed % 3 == 0   ? "answers: 1, idleTimeout: 3s"
                     : seed % 3 == 1 ? "idleTimeout: 2s"
                                     : "largeDatagrams: Drop, idleTimeout: 2s"));
      auto server = service();
      server->echoes = true;
      std::vector<std::unique_ptr<Party>> clients;
      Scope tasks(world.loop);
      for (std::size_t i = 0; i < 10; i++) {
        clients.push_back(client());
        tasks.spawn(send_paced(world.loop, *clients.back(), front, 200, 1ms * (1 + i), i == 0 ? 3'000 : 50 + i * 100));
      }
      run(1s);
      sim::Host& edge = *world.hosts.at("edge-a");
      if (seed % 4 == 0) {
        world.net.set_up(*world.cloud_host, edge, false);
        run(3s);
        world.net.set_up(*world.cloud_host, edge, true);
      }
      run(20s);
      for (std::size_t i = 0; i < clients.size(); i++) {
        std::set<std::string> seen;
        for (const Party::Got& got : clients[i]->got) {
          EXPECT_EQ(got.text.size(), i == 0 ? 3'000 : 50 + i * 100);
          EXPECT_TRUE(seen.insert(got.text).second) << "twice";
        }
      }
      EXPECT_EQ(ingress->associations(), 0u);
      EXPECT_EQ(egresses.at("edge-a")->counters().open, 0u);
      auto last = client();
      for (int i = 0; i < 20 && last->got.empty(); i++) {
        last->send(front, "still there?");
        run(1s);
      }
      EXPECT_FALSE(last->got.empty());
    }
  };
  for (const std::uint64_t seed : link::sim_seeds(10)) {
    SCOPED_TRACE(seed);
    Random random(seed);
    const auto up_to = [&random](double most) { return most * static_cast<double>(random.below(1'000)) / 1'000; };
    Any world({.seed = seed,
               .rtt = 1ms + std::chrono::milliseconds(random.below(200)),
               .jitter = std::chrono::milliseconds(random.below(20)),
               .loss = up_to(0.2),
               .reorder = up_to(0.1),
               .duplicate = up_to(0.1),
               .corrupt = up_to(0.02),
               .rate = 2'000'000 + random.below(50'000'000),
               .mtu = 1280 + random.below(221)});
    world.try_it(seed);
  }
}

}  // namespace
}  // namespace fairlead::udp
