// Which connections the egress uses again, and for whom.
#include "http/head_parser.h"
#include "plugins/http/egress_world.h"

namespace fairlead::http_plugin {
namespace {

using http::BodyLength;
using link::FlowCode;

// A service that answers each request of each connection at once.
class Service {
 public:
  Service(Loop& loop, sim::Host& host, std::uint16_t port)
      : host_(host), listener_(host.listen({ip("127.0.0.1"), port}, {.backlog = 10'000}).value()), tasks_(loop) {
    tasks_.spawn(accept());
  }
  std::size_t connections = 0, requests = 0;
  Duration delay{};

 private:
  Task<void> accept() {
    for (;;) {
      auto incoming = co_await listener_->accept();
      if (!incoming) co_return;
      connections++;
      tasks_.spawn(serve(host_.adopt(*std::move(incoming))));
    }
  }
  Task<void> serve(std::unique_ptr<net::Stream> stream) {
    std::string in;
    std::vector<std::byte> buffer(4096);
    for (;;) {
      auto n = co_await stream->read(buffer);
      if (!n || *n == 0) co_return;
      in += as_text(Bytes(buffer).first(*n));
      http::RequestParser parser;
      auto size = parser.parse(in);
      if (!size || !*size) continue;
      in.erase(0, **size);
      requests++;
      if (delay > 0ns) co_await tasks_.loop().sleep(delay);
      const Bytes answer = as_bytes("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
      auto written = co_await stream->write(answer);
      if (!written) co_return;
    }
  }
  sim::Host& host_;
  std::unique_ptr<net::Listener> listener_;
  Scope tasks_;
};

class HttpEgressPool : public EgressWorld {
 protected:
  // One request, whose answer leaves the connection where it is.
  std::unique_ptr<net::Stream> exchange_with(net::Listener& listener, Question q, std::string_view text) {
    auto asked = ask(std::move(q));
    auto service = accept(listener);
    read_head(*service);
    write(*service, text);
    EXPECT_TRUE(answer(*asked).whole);
    return service;
  }
  // Asked all at once; how many answers were whole.
  std::size_t ask_many(std::size_t count) {
    std::vector<std::unique_ptr<Asked>> asked;
    std::vector<std::unique_ptr<Answered>> seen;
    for (std::size_t i = 0; i < count; i++) {
      asked.push_back(std::make_unique<Asked>());
      seen.push_back(std::make_unique<Answered>());
      tasks.spawn(ask_and_read(*asked.back(), *seen.back()));
    }
    world.loop.run_for(20s);
    return static_cast<std::size_t>(std::ranges::count_if(seen, [](const auto& a) { return a->whole && a->body == "ok"; }));
  }
  Task<void> ask_and_read(Asked& asked, Answered& seen) {
    auto asking = ask_task({}, asked);
    co_await asking;
    auto reading = read_answer(asked, seen);
    co_await reading;
  }
};

TEST_F(HttpEgressPool, RequestsInTurnShareAConnection) {
  Service service(world.loop, *edge.host, 7000);
  for (int i = 0; i < 5; i++) {
    auto asked = ask();
    EXPECT_EQ(answer(*asked).body, "ok");
  }
  EXPECT_EQ(service.connections, 1u);
  const HttpEgressCounters c = egress.counters();
  EXPECT_EQ(c.requests, 5u);
  EXPECT_EQ(c.dialled, 1u);
  EXPECT_EQ(c.reused, 4u);
  EXPECT_EQ(c.pooled, 1u);
  EXPECT_EQ(c.refused, 0u);
}

TEST_F(HttpEgressPool, AThousandAtOnceAndAgain) {
  Service service(world.loop, *edge.host, 7000);
  service.delay = 2s;
  EXPECT_EQ(ask_many(1000), 1000u);
  EXPECT_EQ(service.connections, 1000u);
  EXPECT_EQ(egress.counters().pooled, 1000u);
  EXPECT_EQ(ask_many(1000), 1000u);
  EXPECT_EQ(service.connections, 1000u);
  EXPECT_EQ(service.requests, 2000u);
  world.loop.run_for(60s);
  EXPECT_EQ(egress.counters().pooled, 0u);
}

TEST_F(HttpEgressPool, AServiceIsGivenNoMoreConnectionsThanItsBackendSays) {
  Service service(world.loop, *edge.host, 7000);
  service.delay = 1s;
  std::vector<std::unique_ptr<Asked>> asked;
  for (int i = 0; i < 6; i++) asked.push_back(ask({.service = {.max_connections = 2}, .remaining = 2500ms}));
  int whole = 0, late = 0;
  for (auto& one : asked) {
    const Answered a = answer(*one);
    whole += a.whole;
    late += a.refusal && (a.refusal->code == FlowCode::overloaded || a.refusal->code == FlowCode::deadline);
  }
  EXPECT_EQ(service.connections, 2u);
  EXPECT_EQ(whole, 4) << "two and two";
  EXPECT_EQ(late, 2);
}

TEST_F(HttpEgressPool, AConnectionThatIsNotToBeUsedAgainIsEnded) {
  auto listener = serve();
  auto service = exchange_with(*listener, {}, "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok");
  EXPECT_EQ(read(*service), "closed") << "in order";
  service = exchange_with(*listener, {}, "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok");
  EXPECT_EQ(read(*service), "closed");
  EXPECT_EQ(egress.counters().pooled, 0u);
  service = exchange_with(*listener, {}, "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok");
  EXPECT_EQ(egress.counters().pooled, 1u);
}

TEST_F(HttpEgressPool, BytesBehindAnAnswerEndTheConnection) {
  auto listener = serve();
  auto service =
      exchange_with(*listener, {}, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nwrong");
  EXPECT_EQ(egress.counters().pooled, 0u) << "they would be the answer to somebody else's request";
  service = exchange_with(*listener, {}, kHello);
  write(*service, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nwrong");
  world.loop.run_for(10ms);
  service = exchange_with(*listener, {}, kHello);
  EXPECT_EQ(egress.counters().reused, 0u);
}

TEST_F(HttpEgressPool, AConnectionThatWasAuthenticatedIsNobodyElses) {
  auto listener = serve();
  exchange_with(*listener, {.fields = {{"Authorization", "NTLM abc"}}}, kHello);
  exchange_with(*listener, {}, "HTTP/1.1 401 No\r\nWWW-Authenticate: negotiate\r\nContent-Length: 0\r\n\r\n");
  EXPECT_EQ(egress.counters().pooled, 0u);
  exchange_with(*listener, {.fields = {{"Authorization", "Bearer abc"}}}, kHello);
  EXPECT_EQ(egress.counters().pooled, 1u) << "that is of the request alone";
}

TEST_F(HttpEgressPool, AUserWhoIsToldOfIsNotMixedUpWithAnother) {
  auto listener = serve();
  for (const std::string user : {"192.0.2.50:1", "192.0.2.51:2"}) {
    auto asked = ask({.service = {.proxy_protocol = 1}, .source = user});
    auto service = accept(*listener);
    const std::string port = user.substr(user.find(':') + 1);
    EXPECT_EQ(read_head(*service), "PROXY TCP4 " + user.substr(0, user.find(':')) + " 127.0.0.1 " + port +
                                       " 7000\r\nGET / HTTP/1.1\r\nHost: shop.example\r\nConnection: close\r\n\r\n");
    write(*service, kHello);
    EXPECT_TRUE(answer(*asked).whole);
    EXPECT_EQ(read(*service), "closed");
  }
}

TEST_F(HttpEgressPool, APolicyThatForbidsTheServiceClosesItsConnections) {
  auto listener = serve();
  auto service = exchange_with(*listener, {}, kHello);
  egress.set_policy(std::make_shared<route::EgressPolicy>(std::vector<route::EgressRule>(), route::EgressSelf{}));
  EXPECT_EQ(read(*service), "closed");
  auto asked = ask();
  EXPECT_EQ(answer(*asked).refusal->code, FlowCode::forbidden);
}

}  // namespace
}  // namespace fairlead::http_plugin
