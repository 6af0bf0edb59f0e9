// Messages through the egress: what the service sees of a request, what the other side sees of an answer.
#include "plugins/http/egress_world.h"

namespace fairlead::http_plugin {
namespace {

using http::BodyLength;
using link::Delivered;
using link::FlowCode;

class HttpEgressMessages : public EgressWorld {};

TEST_F(HttpEgressMessages, ARequestAndItsAnswer) {
  auto listener = serve();
  auto asked = ask({.target = "/a?b=c", .fields = {{"X-First", "1"}, {"accept", "*/*"}}});
  auto service = accept(*listener);
  EXPECT_EQ(read_head(*service), "GET /a?b=c HTTP/1.1\r\nHost: shop.example\r\nX-First: 1\r\naccept: */*\r\n\r\n");
  write(
      *service,
      "HTTP/1.1 200 Very Well\r\nServer: x\r\ncontent-length: 5\r\nConnection: keep-alive, X-Hop\r\nX-Hop: 1\r\nEtag: \"y\"\r\n\r\nhello");
  const Answered a = answer(*asked);
  ASSERT_EQ(a.heads.size(), 1u);
  EXPECT_EQ(a.heads[0].status, 200u);
  EXPECT_EQ(a.heads[0].reason, "Very Well");
  EXPECT_EQ(a.heads[0].fields, (FieldTexts{{"Server", "x"}, {"Etag", "\"y\""}})) << "order and case are kept, what is for one hop is not";
  EXPECT_EQ(a.heads[0].body, BodyLength::exact(5));
  EXPECT_EQ(a.body, "hello");
  EXPECT_TRUE(a.whole);
  EXPECT_EQ(egress.counters().dialled, 1u);
  EXPECT_EQ(egress.counters().pooled, 1u);
}

TEST_F(HttpEgressMessages, TheFramingIsMadeAnew) {
  auto listener = serve();
  std::string seen;
  Answered a = exchange(*listener, {.method = "POST", .body = BodyLength::exact(3), .content = "abc"}, kHello, &seen);
  EXPECT_EQ(seen, "POST / HTTP/1.1\r\nHost: shop.example\r\nContent-Length: 3\r\n\r\nabc");
  EXPECT_TRUE(a.whole);

  auto asked = ask({.method = "POST", .body = BodyLength::unknown(), .content = "abc", .trailers = {{"X-Sum", "9"}}});
  auto service = accept(*listener);
  const std::string all = read_until(*service, "X-Sum: 9\r\n\r\n");
  EXPECT_EQ(all, "POST / HTTP/1.1\r\nHost: shop.example\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX-Sum: 9\r\n\r\n");
  write(*service, kHello);
  EXPECT_TRUE(answer(*asked).whole);

  asked = ask({.method = "POST", .body = BodyLength::exact(0)});
  EXPECT_EQ(read_head(*service), "POST / HTTP/1.1\r\nHost: shop.example\r\nContent-Length: 0\r\n\r\n");
  write(*service, kHello);
  EXPECT_TRUE(answer(*asked).whole);
}

TEST_F(HttpEgressMessages, AHeadAndItsContentThatCameTogetherAreOneWrite) {
  auto listener = serve();
  auto asked = ask({.method = "POST", .body = BodyLength::exact(3), .content = "abc"});
  auto service = accept(*listener);
  EXPECT_EQ(read(*service), "POST / HTTP/1.1\r\nHost: shop.example\r\nContent-Length: 3\r\n\r\nabc");
}

TEST_F(HttpEgressMessages, AnswersOfEachFraming) {
  auto listener = serve();
  Answered a =
      exchange(*listener, {}, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nX-Sum: 5\r\n\r\n");
  EXPECT_EQ(a.heads.at(0).body, BodyLength::unknown());
  EXPECT_EQ(a.body, "abcde");
  EXPECT_EQ(a.trailers, (FieldTexts{{"X-Sum", "5"}}));
  EXPECT_TRUE(a.whole);

  a = exchange(*listener, {}, "HTTP/1.1 200 OK\r\n\r\nuntil the end");
  EXPECT_EQ(a.heads.at(0).body, BodyLength::unknown());
  EXPECT_EQ(a.body, "until the end");
  EXPECT_TRUE(a.whole);

  a = exchange(*listener, {}, "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok");
  EXPECT_EQ(a.body, "ok");
  EXPECT_TRUE(a.whole);

  a = exchange(*listener, {}, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
  EXPECT_EQ(a.heads.at(0).body, BodyLength::exact(0));
  EXPECT_TRUE(a.whole);
}

TEST_F(HttpEgressMessages, AnswersWithoutContent) {
  auto listener = serve();
  Answered a = exchange(*listener, {.method = "HEAD"}, "HTTP/1.1 200 OK\r\nContent-Length: 1234\r\n\r\n");
  EXPECT_EQ(a.heads.at(0).body, BodyLength::none());
  EXPECT_EQ(a.heads.at(0).content_length, "1234");
  EXPECT_TRUE(a.whole);
  a = exchange(*listener, {}, "HTTP/1.1 304 Not Modified\r\nContent-Length: 77\r\n\r\n");
  EXPECT_EQ(a.heads.at(0).content_length, "77");
  EXPECT_TRUE(a.whole);
  a = exchange(*listener, {}, "HTTP/1.1 204 No Content\r\n\r\n");
  EXPECT_EQ(a.heads.at(0).body, BodyLength::none());
  EXPECT_EQ(a.heads.at(0).content_length, "");
  EXPECT_TRUE(a.whole);
}

TEST_F(HttpEgressMessages, InterimHeadsGoOnAsTheyCome) {
  auto listener = serve();
  auto asked = ask({.method = "PUT", .body = BodyLength::exact(4), .unfinished = true, .expect_continue = true});
  auto service = accept(*listener);
  EXPECT_NE(read_head(*service).find("Expect: 100-continue\r\n"), std::string::npos);
  write(*service, "HTTP/1.1 100 Continue\r\n\r\n");
  Answered a;
  tasks.spawn(read_answer(*asked, a));
  world.loop.run_for(100ms);
  ASSERT_EQ(a.heads.size(), 1u);
  EXPECT_EQ(a.heads[0].status, 100u);
  send(*asked, "body");
  end(*asked);
  EXPECT_EQ(read_until(*service, "body"), "body");
  write(*service, "HTTP/1.1 103 Early Hints\r\nLink: </s.css>\r\n\r\n");
  write(*service, kHello);
  world.loop.run_for(100ms);
  ASSERT_EQ(a.heads.size(), 3u);
  EXPECT_EQ(a.heads[1].status, 103u);
  EXPECT_EQ(a.heads[1].fields, (FieldTexts{{"Link", "</s.css>"}}));
  EXPECT_EQ(a.heads[2].status, 200u);
  EXPECT_TRUE(a.whole);
  EXPECT_EQ(egress.counters().pooled, 1u);
}

TEST_F(HttpEgressMessages, EventsAreGivenAsTheyAreSent) {
  auto listener = serve();
  auto asked = ask();
  auto service = accept(*listener);
  read_head(*service);
  write(*service, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n");
  Answered a;
  tasks.spawn(read_answer(*asked, a));
  for (int i = 0; i < 3; i++) {
    write(*service, "9\r\ndata: x\n\n\r\n");
    world.loop.run_for(15ms);
    EXPECT_EQ(a.pieces.size(), static_cast<std::size_t>(i) + 1) << "one way, and no more";
  }
  EXPECT_FALSE(a.whole);
  write(*service, "0\r\n\r\n");
  world.loop.run_for(15ms);
  EXPECT_TRUE(a.whole);
}

TEST_F(HttpEgressMessages, AnUpgradeIsRawBytesBothWaysWithTheirHalfCloses) {
  auto listener = serve();
  auto asked = ask({.upgrade = "websocket"});
  auto service = accept(*listener);
  EXPECT_EQ(read_head(*service), "GET / HTTP/1.1\r\nHost: shop.example\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
  write(*service, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: k\r\n\r\nfirst");
  const Answered a = answer(*asked);
  ASSERT_EQ(a.status(), 101u);
  EXPECT_EQ(a.heads[0].upgrade, "websocket");
  EXPECT_EQ(a.heads[0].fields, (FieldTexts{{"Sec-WebSocket-Accept", "k"}}));
  auto bytes = world.loop.run(asked->flow->peek(), 10s);
  EXPECT_EQ(as_text(*bytes), "first") << "bytes that came with the head";
  asked->flow->consume(bytes->size());
  EXPECT_TRUE(world.loop.run(asked->flow->write(as_bytes("ping")), 10s));
  EXPECT_EQ(read(*service), "ping");
  EXPECT_TRUE(asked->flow->shut());
  EXPECT_EQ(read(*service), "closed");
  write(*service, "still here");
  bytes = world.loop.run(asked->flow->peek(), 10s);
  EXPECT_EQ(as_text(*bytes), "still here");
  asked->flow->consume(bytes->size());
  EXPECT_TRUE(service->shut());
  bytes = world.loop.run(asked->flow->peek(), 10s);
  EXPECT_TRUE(bytes && bytes->empty());
  EXPECT_EQ(egress.counters().pooled, 0u);
}

TEST_F(HttpEgressMessages, AnUpgradedConnectionHasNoDeadline) {
  auto listener = serve();
  auto asked = ask({.upgrade = "websocket", .service = {.response = 2s}, .remaining = 5s});
  auto service = accept(*listener);
  read_head(*service);
  write(*service, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
  EXPECT_EQ(answer(*asked).status(), 101u);
  world.loop.run_for(60s);
  write(*service, "late");
  auto bytes = world.loop.run(asked->flow->peek(), 10s);
  ASSERT_TRUE(bytes);
  EXPECT_EQ(as_text(*bytes), "late");
}

TEST_F(HttpEgressMessages, AnUpgradeThatIsDeclinedIsAnOrdinaryAnswer) {
  auto listener = serve();
  auto asked = ask({.upgrade = "websocket"});
  auto service = accept(*listener);
  read_head(*service);
  write(*service, kHello);
  const Answered a = answer(*asked);
  EXPECT_EQ(a.body, "hello");
  EXPECT_TRUE(a.whole);
}

TEST_F(HttpEgressMessages, AProtocolThatNobodyAskedForIsRefused) {
  auto listener = serve();
  const std::string switched = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n";
  Answered a = exchange(*listener, {}, switched);
  ASSERT_TRUE(a.refusal);
  EXPECT_EQ(a.refusal->code, FlowCode::protocol);
  a = exchange(*listener, {.upgrade = "websocket"}, switched);
  ASSERT_TRUE(a.refusal);
  EXPECT_EQ(a.refusal->code, FlowCode::protocol);
}

TEST_F(HttpEgressMessages, ALargeBodyBothWaysIsWhole) {
  auto listener = serve();
  std::string large(3'000'000, '\0');
  for (std::size_t i = 0; i < large.size(); i++) large[i] = static_cast<char>(i * 31 >> 5);
  for (const bool known : {true, false}) {
    Asked asked;
    const BodyLength length = known ? BodyLength::exact(large.size()) : BodyLength::unknown();
    tasks.spawn(ask_task({.method = "POST", .body = length, .content = large}, asked));
    auto service = accept(*listener);
    std::string got;
    while (got.size() < large.size()) got += read(*service);
    if (known) {
      EXPECT_EQ(got.substr(got.find("\r\n\r\n") + 4), large.substr(0, got.size() - got.find("\r\n\r\n") - 4));
    }
    while (known ? got.size() < large.size() + got.find("\r\n\r\n") + 4 : !got.ends_with("0\r\n\r\n")) got += read(*service);
    if (known) {
      EXPECT_TRUE(got.substr(got.find("\r\n\r\n") + 4) == large);
    }
    Answered a;
    tasks.spawn(read_answer(asked, a));
    write(*service, "HTTP/1.1 200 OK\r\n" + (known ? "Content-Length: " + std::to_string(large.size()) + "\r\n\r\n"
                                                   : "Transfer-Encoding: chunked\r\n\r\n" + fmt::format("{:x}\r\n", large.size())));
    write(*service, large);
    if (!known) write(*service, "\r\n0\r\n\r\n");
    world.loop.run_for(10s);
    EXPECT_TRUE(a.whole);
    EXPECT_TRUE(a.body == large);
    world.loop.settle();
    EXPECT_EQ(egress.counters().pooled, 1u);
    EXPECT_TRUE(service->shut());
    services.push_back(std::move(service));
  }
}

TEST_F(HttpEgressMessages, AnAnswerMayComeBeforeTheRequestIsWhole) {
  auto listener = serve();
  auto asked = ask({.method = "POST", .body = BodyLength::unknown(), .content = "some", .unfinished = true});
  auto service = accept(*listener);
  read_until(*service, "some\r\n");
  write(*service, "HTTP/1.1 413 Content Too Large\r\nContent-Length: 2\r\n\r\nno");
  const Answered a = answer(*asked);
  EXPECT_EQ(a.status(), 413u);
  EXPECT_TRUE(a.whole);
  EXPECT_EQ(read(*service), "reset") << "no other request may follow half of one";
  EXPECT_EQ(egress.counters().pooled, 0u);
}

TEST_F(HttpEgressMessages, WhatTheOtherSideMayNotSendIsRefusedBeforeAnythingIsDialled) {
  wire::FlowOpen open{.plugin = "http", .backend = "default/shop", .target = "127.0.0.1:7000", .head = "\x0a\x03G T"};
  auto flow = world.loop.run(world.cloud_link->open(link::to_node("edge-a"), open), 10s);
  ASSERT_TRUE(flow);
  auto reply = world.loop.run((*flow)->reply(), 10s);
  ASSERT_FALSE(reply);
  EXPECT_EQ(reply.error().code, FlowCode::protocol);
  EXPECT_EQ(reply.error().delivered, Delivered::no);
  EXPECT_EQ(egress.counters().dialled, 0u);
}

TEST_F(HttpEgressMessages, MoreOrLessContentThanSaidIsRefused) {
  auto listener = serve();
  auto asked = ask({.method = "POST", .body = BodyLength::exact(5), .content = "abc", .unfinished = true});
  auto service = accept(*listener);
  // As a peer may that does not keep to its word.
  EXPECT_TRUE(world.loop.run(asked->writer->end_record(), 10s));
  Answered a = answer(*asked);
  EXPECT_TRUE(a.refusal || a.broken);
  while (read(*service) != "reset") {
  }

  // The head of a GET may have left before its content is seen.
  asked = ask({.method = "GET", .content = "unsaid"});
  a = answer(*asked);
  ASSERT_TRUE(a.refusal);
  EXPECT_EQ(a.refusal->code, FlowCode::protocol);
  EXPECT_EQ(egress.counters().pooled, 0u);
}

}  // namespace
}  // namespace fairlead::http_plugin
