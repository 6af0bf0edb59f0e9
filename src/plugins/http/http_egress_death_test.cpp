// What breaks off, and where: a part is never shown as whole, and a refusal says whether the service may have seen the request.
#include "http/head_parser.h"
#include "plugins/http/egress_world.h"

namespace fairlead::http_plugin {
namespace {

using http::BodyLength;
using link::Delivered;
using link::FlowCode;

class HttpEgressDeath : public EgressWorld {
 protected:
  void expect_refused(const Answered& a, FlowCode code, Delivered delivered) {
    ASSERT_TRUE(a.refusal) << a.status();
    EXPECT_EQ(a.refusal->code, code) << name(a.refusal->code) << ": " << a.refusal->message;
    EXPECT_EQ(a.refusal->delivered, delivered) << a.refusal->message;
  }
  // A connection that has served one request and waits for the next.
  std::unique_ptr<net::Stream> pooled(net::Listener& listener) {
    auto asked = ask();
    auto service = accept(listener);
    read_head(*service);
    write(*service, kHello);
    EXPECT_TRUE(answer(*asked).whole);
    EXPECT_EQ(egress.counters().pooled, 1u);
    return service;
  }
};

TEST_F(HttpEgressDeath, WhatCannotBeReachedHasSeenNothing) {
  auto asked = ask();
  expect_refused(answer(*asked), FlowCode::refused, Delivered::no);
  asked = ask({.address = "192.0.2.77:80"});
  expect_refused(answer(*asked), FlowCode::forbidden, Delivered::no);
  asked = ask({.address = "no.such.name:80"});
  expect_refused(answer(*asked), FlowCode::unreachable, Delivered::no);
  asked = ask({.address = "nonsense"});
  expect_refused(answer(*asked), FlowCode::protocol, Delivered::no);
  EXPECT_EQ(egress.counters().refused, 4u);
}

TEST_F(HttpEgressDeath, AServiceThatSaysNothingMayHaveSeenIt) {
  auto listener = serve();
  auto asked = ask();
  auto service = accept(*listener);
  read_head(*service);
  EXPECT_TRUE(service->shut());
  expect_refused(answer(*asked), FlowCode::reset, Delivered::maybe);

  asked = ask();
  service = accept(*listener);
  read_head(*service);
  service->reset();
  expect_refused(answer(*asked), FlowCode::reset, Delivered::maybe);
}

TEST_F(HttpEgressDeath, AnAnswerCutAtEachByteIsNeverWhole) {
  auto listener = serve();
  for (const std::string_view whole : {std::string_view("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabcdefghi"),
                                       std::string_view("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                                                        "4\r\nabcd\r\n1\r\ne\r\n0\r\nX: y\r\n\r\n")}) {
    const std::size_t head = whole.find("OK\r\n");
    for (std::size_t n = 0; n < whole.size(); n++) {
      for (const bool reset : {false, true}) {
        auto asked = ask();
        auto service = accept(*listener);
        read_head(*service);
        write(*service, whole.substr(0, n));
        // As packets come that are not all lost with the reset.
        world.loop.run_for(30ms);
        if (reset)
          service->reset();
        else
          EXPECT_TRUE(service->shut());
        const Answered a = answer(*asked);
        EXPECT_FALSE(a.whole) << n << whole.substr(0, n);
        EXPECT_TRUE(a.refusal || a.broken) << n;
        if (a.refusal) {
          EXPECT_EQ(a.refusal->code, FlowCode::reset);
          EXPECT_EQ(a.refusal->delivered, Delivered::maybe);
          EXPECT_TRUE(a.heads.empty());
        }
        if (n < head) {
          EXPECT_EQ(a.body, "");
        }
      }
    }
  }
  EXPECT_EQ(egress.counters().pooled, 0u);
}

TEST_F(HttpEgressDeath, AnAnswerUntilTheEndThatIsResetIsNotWhole) {
  auto listener = serve();
  auto asked = ask();
  auto service = accept(*listener);
  read_head(*service);
  write(*service, "HTTP/1.1 200 OK\r\n\r\nsome of it");
  world.loop.run_for(30ms);
  service->reset();
  const Answered a = answer(*asked);
  EXPECT_EQ(a.status(), 200u);
  EXPECT_FALSE(a.whole);
  EXPECT_EQ(a.broken, FlowCode::reset);
}

TEST_F(HttpEgressDeath, MalformedAnswersAreRefused) {
  auto listener = serve();
  for (std::string_view bad :
       {"HTTP/2 200 OK\r\n\r\n", "hello\r\n\r\n", "HTTP/1.1 200 OK\nContent-Length: 0\n\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", "HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n"}) {
    const Answered a = exchange(*listener, {}, bad);
    expect_refused(a, FlowCode::protocol, Delivered::maybe);
  }
  const Answered a = exchange(*listener, {}, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nnonsense\r\n");
  EXPECT_FALSE(a.whole);
  EXPECT_EQ(a.refusal ? a.refusal->code : a.broken, FlowCode::protocol);
}

TEST_F(HttpEgressDeath, AnAnswerAtTheLimitOfAHeadAndOnePast) {
  auto listener = serve();
  const std::string_view first = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX: ";
  const std::size_t limit = http::HeadLimits().size;
  std::string large(limit - first.size() - 4 - 600, 'x');  // what the link needs beside the text of the head
  EXPECT_TRUE(exchange(*listener, {}, std::string(first) + large + "\r\n\r\n").whole);
  large.resize(limit, 'x');
  expect_refused(exchange(*listener, {}, std::string(first) + large + "\r\n\r\n"), FlowCode::protocol, Delivered::maybe);
}

TEST_F(HttpEgressDeath, ARequestThatMetAClosedConnectionIsSentAgain) {
  auto listener = serve();
  for (const std::string method : {"GET", "HEAD", "OPTIONS", "PUT", "DELETE"}) {
    auto service = pooled(*listener);
    auto asked = ask({.method = method});
    const std::string head = read_head(*service);
    EXPECT_TRUE(head.starts_with(method));
    service->reset();
    auto again = accept(*listener);
    EXPECT_EQ(read_head(*again), head);
    write(*again, "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n");
    EXPECT_TRUE(answer(*asked).whole) << method;
  }
}

TEST_F(HttpEgressDeath, ARequestIsSentAgainOnlyOnce) {
  auto listener = serve();
  auto service = pooled(*listener);
  auto asked = ask();
  read_head(*service);
  service->reset();
  service = accept(*listener);
  read_head(*service);
  service->reset();
  expect_refused(answer(*asked), FlowCode::reset, Delivered::maybe);
}

TEST_F(HttpEgressDeath, WhatMayNotBeRepeatedIsNotSentAgain) {
  auto listener = serve();
  auto service = pooled(*listener);
  auto asked = ask({.method = "POST", .body = BodyLength::exact(3), .content = "abc"});
  read_until(*service, "abc");
  service->reset();
  expect_refused(answer(*asked), FlowCode::reset, Delivered::maybe);

  service = pooled(*listener);
  asked = ask({.method = "PUT", .body = BodyLength::exact(3), .content = "abc"});
  read_until(*service, "abc");
  service->reset();
  expect_refused(answer(*asked), FlowCode::reset, Delivered::maybe);

  service = pooled(*listener);
  asked = ask();
  read_head(*service);
  write(*service, "H");
  world.loop.run_for(10ms);
  service->reset();
  expect_refused(answer(*asked), FlowCode::reset, Delivered::maybe);
}

TEST_F(HttpEgressDeath, AServiceThatDoesNotAnswerInTime) {
  auto listener = serve();
  auto asked = ask({.service = {.response = 2s}});
  auto service = accept(*listener);
  const TimePoint before = world.loop.now();
  expect_refused(answer(*asked), FlowCode::deadline, Delivered::maybe);
  EXPECT_GE(world.loop.now() - before, 2s);
  EXPECT_LE(world.loop.now() - before, 2s + 20ms);
  read_head(*service);
  EXPECT_EQ(read(*service), "reset");

  // The limit is for the answer's head, once the request was sent.
  asked = ask({.method = "POST", .body = BodyLength::exact(1), .unfinished = true, .service = {.response = 2s}});
  service = accept(*listener);
  world.loop.run_for(10s);
  send(*asked, "x");
  end(*asked);
  read_until(*service, "x");
  write(*service, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\na");
  Answered a;
  tasks.spawn(read_answer(*asked, a));
  world.loop.run_for(10s);
  EXPECT_EQ(a.status(), 200u);
  EXPECT_FALSE(a.broken);
  write(*service, "b");
  world.loop.run_for(1s);
  EXPECT_TRUE(a.whole);
}

TEST_F(HttpEgressDeath, TheFlowsTimeIsForAllOfIt) {
  auto listener = serve();
  auto asked = ask({.remaining = 3s});
  auto service = accept(*listener);
  read_head(*service);
  expect_refused(answer(*asked), FlowCode::deadline, Delivered::maybe);

  asked = ask({.remaining = 3s});
  service = accept(*listener);
  read_head(*service);
  write(*service, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\na");
  const Answered a = answer(*asked);
  EXPECT_EQ(a.status(), 200u);
  EXPECT_EQ(a.broken, FlowCode::deadline);
  EXPECT_EQ(read(*service), "reset");
}

TEST_F(HttpEgressDeath, WhatIsCancelledIsCancelledAtTheServiceAtOnce) {
  auto listener = serve();
  auto asked = ask();
  auto service = accept(*listener);
  read_head(*service);
  TimePoint before = world.loop.now();
  asked.reset();
  EXPECT_EQ(read(*service), "reset");
  EXPECT_LE(world.loop.now() - before, 40ms) << "the transport tells it with the second packet";

  // In the middle of an answer, of a request, of raw bytes.
  asked = ask();
  service = accept(*listener);
  read_head(*service);
  write(*service, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nsome");
  world.loop.run_for(100ms);
  asked.reset();
  EXPECT_EQ(read(*service), "reset");

  asked = ask({.method = "POST", .body = BodyLength::exact(100), .content = "some", .unfinished = true});
  service = accept(*listener);
  read_until(*service, "some");
  asked.reset();
  EXPECT_EQ(read(*service), "reset");

  asked = ask({.upgrade = "x"});
  service = accept(*listener);
  read_head(*service);
  write(*service, "HTTP/1.1 101 x\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n");
  EXPECT_EQ(answer(*asked).status(), 101u);
  asked.reset();
  EXPECT_EQ(read(*service), "reset");
  EXPECT_EQ(egress.counters().pooled, 0u);
}

TEST_F(HttpEgressDeath, WhatIsCancelledWaitsForNoConnection) {
  auto listener = serve();
  const wire::HttpService one{.max_connections = 1};
  auto held = ask({.service = one});
  auto service = accept(*listener);
  read_head(*service);
  auto gone = ask({.target = "/gone", .service = one});
  auto next = ask({.target = "/next", .service = one});
  world.loop.run_for(100ms);
  gone.reset();
  world.loop.run_for(100ms);
  write(*service, kHello);
  EXPECT_TRUE(answer(*held).whole);
  EXPECT_TRUE(read_head(*service).starts_with("GET /next "));
  write(*service, kHello);
  EXPECT_TRUE(answer(*next).whole);
}

TEST_F(HttpEgressDeath, ARequestThatBreaksOffNeverLooksWhole) {
  auto listener = serve();
  auto asked = ask({.method = "POST", .body = BodyLength::unknown(), .content = "some", .unfinished = true});
  auto service = accept(*listener);
  read_until(*service, "some\r\n");
  EXPECT_TRUE(asked->flow->shut());  // without END
  EXPECT_EQ(read(*service), "reset");
}

TEST_F(HttpEgressDeath, TheServiceLearnsThatTheSessionIsOver) {
  auto listener = serve();
  auto asked = ask();
  auto service = accept(*listener);
  read_head(*service);
  world.cloud_host->kill();
  asked.reset();
  world.stop_cloud();
  world.loop.run_for(world.session.survive + 10s);
  EXPECT_EQ(read(*service), "reset");
}

TEST_F(HttpEgressDeath, ASlowReaderStopsTheServiceAndASlowServiceTheWriter) {
  auto listener = serve();
  auto asked = ask();
  auto service = accept(*listener);
  read_head(*service);
  write(*service, "HTTP/1.1 200 OK\r\n\r\n");
  struct Flood {
    static Task<void> socket(net::Stream& stream, std::size_t& sent) {
      std::vector<std::byte> block(64_KiB);
      for (;;) {
        auto written = co_await stream.write(block);
        if (!written) co_return;
        sent += block.size();
      }
    }
    static Task<void> flow(RecordWriter& writer, std::size_t& sent) {
      std::vector<std::byte> block(64_KiB);
      for (;;) {
        auto written = co_await writer.data(block);
        if (!written) co_return;
        sent += block.size();
      }
    }
  };
  std::size_t down = 0, up = 0;
  tasks.spawn(Flood::socket(*service, down));
  auto slow = ask({.method = "POST", .body = BodyLength::unknown(), .unfinished = true});
  auto slow_service = accept(*listener);
  tasks.spawn(Flood::flow(*slow->writer, up));
  world.loop.run_for(10s);
  const std::size_t down_then = down, up_then = up;
  EXPECT_LT(down, 24_MiB) << "the windows and socket buffers on the way, no more";
  EXPECT_LT(up, 24_MiB);
  world.loop.run_for(10s);
  EXPECT_EQ(down, down_then);
  EXPECT_EQ(up, up_then);
  tasks.cancel_now();
}

}  // namespace
}  // namespace fairlead::http_plugin
