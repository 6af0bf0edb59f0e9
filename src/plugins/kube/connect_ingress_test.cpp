#include "plugins/kube/connect_ingress.h"

#include <gtest/gtest.h>

#include "plugins/kube/connect_answer.h"
#include "plugins/kube/kube_world.h"

namespace fairlead::kube_plugin {
namespace {

class Connect : public KubeWorld {
 protected:
  // Whoever is dialled on any of these is noted.
  void expect_untouched(net::Listener& listener, std::string_view what) {
    world.loop.run_for(1s);
    struct Watch {
      static Task<void> run(net::Listener& at, bool& seen) {
        auto incoming = co_await at.accept();
        seen = incoming.has_value();
      }
    };
    bool reached = false;
    Scope watching(world.loop);
    watching.spawn(Watch::run(listener, reached));
    world.loop.run_for(10s);
    EXPECT_FALSE(reached) << what;
  }
};

TEST_F(Connect, ATunnelIsEstablishedAndNotOneByteComesBeforeTheServiceSpeaks) {
  auto kubelet = serve_kubelet();
  auto tunnel = ask("edge-a:10250");
  EXPECT_EQ(read(*tunnel), kEstablished);
  auto served = accept(*edge.host, *kubelet);
  write(*tunnel, "client hello");
  EXPECT_EQ(read(*served), "client hello");
  write(*served, "server hello");
  EXPECT_EQ(read(*tunnel), "server hello");
  EXPECT_EQ(connect.counters().established, 1u);
}

TEST_F(Connect, BytesThatCameWithTheConnectAreForwarded) {
  auto kubelet = serve_kubelet();
  auto tunnel = ask("edge-a:10250", "early bytes");
  auto served = accept(*edge.host, *kubelet);
  EXPECT_EQ(read(*served), "early bytes");
  write(*tunnel, ", more");
  EXPECT_EQ(read(*served), ", more");
}

TEST_F(Connect, HalfCloseIsKeptBothWays) {
  auto kubelet = serve_kubelet();
  auto tunnel = ask("edge-a:10250");
  EXPECT_EQ(read(*tunnel), kEstablished);
  auto served = accept(*edge.host, *kubelet);
  ASSERT_TRUE(tunnel->shut());
  EXPECT_EQ(read(*served), "");
  write(*served, "answer");
  EXPECT_EQ(read(*tunnel), "answer");
  ASSERT_TRUE(served->shut());
  EXPECT_EQ(read(*tunnel), "");
  world.loop.run_for(1s);
  EXPECT_EQ(connect.connections(), 0u);
}

TEST_F(Connect, AKubeletThatRefusesIsA502AtOnceWithASentence) {
  const TimePoint before = world.loop.now();
  auto tunnel = ask("edge-a:10250");
  const std::string answer = read_all(*tunnel);
  EXPECT_TRUE(answer.starts_with("HTTP/1.1 502 the kubelet at 127.0.0.1:10250: ")) << answer;
  EXPECT_LT(world.loop.now() - before, 200ms);
}

TEST_F(Connect, ANodeThatIsNotConnectedIsA503AtOnce) {
  places["edge-b:10250"] = Where::edge("kubelet", node("edge-b"), std::string(kKubelet));
  const TimePoint before = world.loop.now();
  auto tunnel = ask("edge-b:10250");
  const std::string answer = first_line(*tunnel);
  EXPECT_TRUE(answer.starts_with("HTTP/1.1 503 ")) << answer;
  EXPECT_NE(answer.find("edge-b"), answer.npos) << answer;
  EXPECT_LT(world.loop.now() - before, 100ms);
}

TEST_F(Connect, WhileTheNodeIsSilentNewTunnelsFailAtOnceAndAreBackWithTheLink) {
  auto kubelet = serve_kubelet();
  auto open = ask("edge-a:10250");
  EXPECT_EQ(read(*open), kEstablished);
  auto served = accept(*edge.host, *kubelet);
  world.net.set_up(*world.cloud_host, *edge.host, false);
  write(*open, "typed into the silence");
  world.loop.run_for(4s);

  const TimePoint before = world.loop.now();
  auto tunnel = ask("edge-a:10250");
  EXPECT_TRUE(first_line(*tunnel).starts_with("HTTP/1.1 503 "));
  EXPECT_LT(world.loop.now() - before, 100ms);

  world.loop.run_for(16s);
  world.net.set_up(*world.cloud_host, *edge.host, true);
  EXPECT_EQ(read(*served), "typed into the silence") << "what was open survives the cut";
  world.loop.run_for(2s);
  auto again = ask("edge-a:10250");
  EXPECT_EQ(read(*again), kEstablished);
}

TEST_F(Connect, ATunnelThatWasBegunAsTheLinkWasCutFailsWithinItsTime) {
  auto kubelet = serve_kubelet();
  world.net.set_up(*world.cloud_host, *edge.host, false);
  const TimePoint before = world.loop.now();
  auto tunnel = ask("edge-a:10250");
  const std::string answer = first_line(*tunnel);
  EXPECT_TRUE(answer.starts_with("HTTP/1.1 504 node edge-a ")) << answer;
  EXPECT_LE(world.loop.now() - before, kOpenTimeout + 1s);
}

TEST_F(Connect, WhenTheSessionIsKnownDeadTheSocketIsClosedAtOnce) {
  auto kubelet = serve_kubelet();
  auto tunnel = ask("edge-a:10250");
  EXPECT_EQ(read(*tunnel), kEstablished);
  edge.host->crash();  // a new start answers the old connection with a reset; here nobody does
  world.loop.run_for(world.session.survive + 15s);
  const TimePoint before = world.loop.now();
  EXPECT_EQ(read(*tunnel), "reset");
  EXPECT_LT(world.loop.now() - before, 10ms);
}

TEST_F(Connect, AClientThatGoesAwayIsAResetForTheKubelet) {
  auto kubelet = serve_kubelet();
  auto tunnel = ask("edge-a:10250");
  EXPECT_EQ(read(*tunnel), kEstablished);
  auto served = accept(*edge.host, *kubelet);
  tunnel->reset();
  EXPECT_EQ(read(*served), "reset");
}

TEST_F(Connect, WhatBelongsToNoEdgeIsDialledOnlyIfTheConfigurationAllowsIt) {
  sim::Host& other = world.net.host("webhook", ip("192.0.2.60"));
  auto service = serve(other, "192.0.2.60", 443);
  auto tunnel = ask("192.0.2.60:443");
  EXPECT_TRUE(first_line(*tunnel).starts_with("HTTP/1.1 403 192.0.2.60:443 belongs to no edge"));

  connect.set_direct(policy(std::vector<route::EgressRule>{{net::Cidr::parse("192.0.2.0/24").value(), {}}}));
  tunnel = ask("192.0.2.60:443", "early");
  EXPECT_EQ(read(*tunnel), kEstablished);
  auto served = accept(other, *service);
  EXPECT_EQ(read(*served), "early");
  write(*served, "hello");
  EXPECT_EQ(read(*tunnel), "hello");
  ASSERT_TRUE(served->shut());
  EXPECT_EQ(read(*tunnel), "");
  write(*tunnel, "still talking");
  EXPECT_EQ(read(*served), "still talking");
  tunnel->reset();
  EXPECT_EQ(read(*served), "reset");

  auto elsewhere = ask("198.51.100.1:443");
  EXPECT_TRUE(first_line(*elsewhere).starts_with("HTTP/1.1 403 "));
}

TEST_F(Connect, MetadataServicesAndThisMachineAreNotDialledEvenWhereAllIsAllowed) {
  connect.set_direct(policy(std::vector<route::EgressRule>{{net::Cidr::parse("0.0.0.0/0").value(), {}}}));
  auto listener = serve(*world.cloud_host, "127.0.0.1", 2379);
  for (const char* target : {"169.254.169.254:80", "[::ffff:169.254.169.254]:80", "100.100.100.200:80", "127.0.0.1:2379", "localhost:2379",
                             "[::1]:2379", "[::ffff:127.0.0.1]:2379", "0.0.0.0:2379"}) {
    auto tunnel = ask(target);
    EXPECT_TRUE(first_line(*tunnel).starts_with("HTTP/1.1 403 ")) << target;
  }
  expect_untouched(*listener, "etcd");
}

TEST_F(Connect, StrayInputIsRefusedAndNothingIsDialled) {
  auto kubelet = serve_kubelet();
  struct Case {
    std::string bytes;
    std::string_view status;
  };
  for (const Case& c :
       {Case{std::string("\x16\x03\x01\x02\x00\x01", 6), "400"}, Case{"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "505"},
        Case{"GET / HTTP/1.1\r\nHost: edge-a:10250\r\n\r\n", "405"}, Case{"CONNECT edge-a HTTP/1.1\r\nHost: edge-a:10250\r\n\r\n", "400"},
        Case{"CONNECT edge-a:10250 HTTP/1.1\r\nx: " + std::string(2_MiB, 'y') + "\r\n\r\n", "431"}}) {
    auto stream = dial();
    struct Send {
      static Task<void> run(net::Stream& to, const std::string& text) {
        auto written = co_await to.write(as_bytes(text));
        static_cast<void>(written);
      }
    };
    Scope sending(world.loop);
    sending.spawn(Send::run(*stream, c.bytes));
    EXPECT_TRUE(first_line(*stream).starts_with("HTTP/1.1 " + std::string(c.status))) << c.bytes.substr(0, 40);
  }
  EXPECT_EQ(connect.counters().malformed, 5u);
  EXPECT_TRUE(asked.empty());
  expect_untouched(*kubelet, "the kubelet");
  EXPECT_EQ(connect.connections(), 0u);
}

TEST_F(Connect, ALongHeadIsReadUpToItsLimit) {
  auto kubelet = serve_kubelet();
  auto stream = dial();
  write(*stream, "CONNECT edge-a:10250 HTTP/1.1\r\n");
  for (int i = 0; i < 1000; i++) write(*stream, "x: " + std::string(1000, 'y') + "\r\n");
  write(*stream, "\r\n");
  EXPECT_EQ(read(*stream), kEstablished);
}

TEST_F(Connect, WhoSendsNoHeadInTimeIsClosed) {
  auto silent = dial();
  auto slow = dial();
  write(*slow, "CONNECT edge-a:10");
  world.loop.run_for(ConnectIngress::kHeadTimeout + 100ms);
  EXPECT_EQ(read(*silent), "reset");
  EXPECT_EQ(read(*slow), "reset");
  EXPECT_EQ(connect.connections(), 0u);
}

TEST_F(Connect, StrangersBeyondTheLimitAreClosedAndTheRestIsServed) {
  struct Dial {
    static Task<void> run(net::Network& from, std::unique_ptr<net::Stream>& into) {
      const net::SocketAddress to{ip("192.0.2.1"), kConnectPort};
      auto stream = co_await from.connect(to);
      if (stream) into = *std::move(stream);
    }
  };
  std::vector<std::unique_ptr<net::Stream>> strangers(ConnectIngress::kStrangers);
  for (auto& stranger : strangers) tasks.spawn(Dial::run(client, stranger));
  world.loop.run_for(100ms);
  auto one_more = dial();
  EXPECT_EQ(read(*one_more), "reset");
  auto kubelet = serve_kubelet();
  write(*strangers.front(), "CONNECT edge-a:10250 HTTP/1.1\r\n\r\n");
  EXPECT_EQ(read(*strangers.front()), kEstablished);
  auto next = ask("edge-a:10250");
  EXPECT_EQ(read(*next), kEstablished);
}

TEST_F(Connect, WhatTheEdgeDoesNotAllowIsNeverDialled) {
  sim::Host& neighbour = world.net.host("edge-b-kubelet", ip("10.0.0.77"));
  auto listener = serve(neighbour, "10.0.0.77", kKubeletPort);
  places["10.0.0.77:10250"] = Where::edge("kubelet", node("edge-a"), "10.0.0.77:10250");
  auto tunnel = ask("10.0.0.77:10250");
  EXPECT_TRUE(first_line(*tunnel).starts_with("HTTP/1.1 403 "));
  expect_untouched(*listener, "the neighbour's kubelet");
}

TEST_F(Connect, PodsOfTheNodeAreReachedWhereTheirNetworkIsNamed) {
  edge.host->add_address(ip("10.244.1.5"));
  auto pod = serve(*edge.host, "10.244.1.5", 8443);
  places["10.244.1.5:8443"] = Where::edge("pod", node("edge-a"), "10.244.1.5:8443");
  auto refused = ask("10.244.1.5:8443");
  EXPECT_TRUE(first_line(*refused).starts_with("HTTP/1.1 403 "));
  edge_egress.set_policy(policy(std::nullopt, {net::Cidr::parse("10.244.1.0/24").value()}));
  auto tunnel = ask("10.244.1.5:8443");
  EXPECT_EQ(read(*tunnel), kEstablished);
}

TEST_F(Connect, AnEdgeReachesNoOtherNodeThroughTheCloud) {
  // A flow of an edge that was taken over: whatever it names, the cloud dials API servers only.
  cloud_egress.api_servers().set({{ip("192.0.2.50"), 6443}});
  sim::Host& other = world.net.host("edge-b", ip("10.0.0.88"));
  auto listener = serve(other, "10.0.0.88", kKubeletPort);
  for (const char* target : {"10.0.0.88:10250", "kubelet", "127.0.0.1:2379", "edge-b:10250", ""}) {
    wire::FlowOpen open{.plugin = "kube", .target = target};
    auto flow = world.loop.run(edge.link->open(link::Destination::cloud(), open), 10s);
    ASSERT_TRUE(flow) << flow.error().message;
    auto reply = world.loop.run((*flow)->reply(), 10s);
    ASSERT_FALSE(reply) << target;
    EXPECT_EQ(reply.error().code, link::FlowCode::forbidden) << target;
  }
  expect_untouched(*listener, "another node's kubelet");
}

TEST(ConnectAnswer, WhatCameFromTheFarSideStaysInItsLine) {
  const std::string text = refusal_text(502, "bad\r\nX: y\nz");
  EXPECT_TRUE(text.starts_with("HTTP/1.1 502 bad  X: y z\r\nContent-Type: ")) << text;
}

}  // namespace
}  // namespace fairlead::kube_plugin
