// Requests and answers through the ingress: framing both ways, what is passed on, what is answered here.
#include "plugins/http/ingress_world.h"

namespace fairlead::http_plugin {
namespace {

class Requests : public IngressTest {
 protected:
  Requests() { apply(manifest()); }
};

TEST_F(Requests, AGetReachesTheServiceAndItsAnswerComesBack) {
  User user = dial();
  user.say("GET /cart?x=1 HTTP/1.1\r\nHost: Shop.Example:8080\r\nX-Custom: a\r\nAccept: */*\r\n\r\n");
  const Heard heard = user.answer();
  EXPECT_TRUE(heard.whole) << heard.end;
  EXPECT_EQ(heard.status, 200u);
  EXPECT_EQ(heard.body, "GET /cart?x=1");
  EXPECT_EQ(heard.field("Content-Type"), "text/plain");
  EXPECT_EQ(heard.field("Content-Length"), "13");
  EXPECT_EQ(heard.field("Via"), "1.1 fairlead");
  ASSERT_EQ(seen().size(), 1u);
  const Seen& asked = *seen()[0];
  EXPECT_EQ(asked.method, "GET");
  EXPECT_EQ(asked.authority, "Shop.Example:8080");
  EXPECT_EQ(asked.scheme, "http");
  EXPECT_EQ(asked.field("X-Custom"), "a");
  EXPECT_EQ(asked.field("Via"), "1.1 fairlead");
  EXPECT_EQ(asked.backend, "default/shop");
  EXPECT_TRUE(asked.source.starts_with("192.0.2.50:")) << asked.source;
  EXPECT_TRUE(asked.body_ended);
  EXPECT_EQ(asked.length, http::BodyLength::none());
  EXPECT_EQ(ingress->counters().requests, 1u);
  EXPECT_EQ(ingress->counters().answers[2], 1u);
}

TEST_F(Requests, ABodyOfKnownLengthArrives) {
  User user = dial();
  user.say("POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\n\r\nhello ");
  world.loop.run_for(1s);
  user.say("world");
  EXPECT_EQ(user.answer().body, "POST /a");
  EXPECT_EQ(seen()[0]->body, "hello world");
  EXPECT_EQ(seen()[0]->length, http::BodyLength::exact(11));
  EXPECT_EQ(ingress->counters().bytes_in, 11u);
}

TEST_F(Requests, AChunkedBodyArrivesWithItsTrailers) {
  User user = dial();
  user.say("POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n5\r\nhello\r\n1");
  world.loop.run_for(1s);
  user.say(";ext=1\r\n!\r\n0\r\nX-Sum: 6\r\n\r\n");
  EXPECT_EQ(user.answer().status, 200u);
  EXPECT_EQ(seen()[0]->body, "hello!");
  EXPECT_EQ(seen()[0]->length, http::BodyLength::unknown());
  ASSERT_EQ(seen()[0]->trailers.size(), 1u);
  EXPECT_EQ(seen()[0]->trailers[0].first, "X-Sum");
  // And the connection goes on.
  user.say("GET /b HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_EQ(user.answer().body, "GET /b");
}

TEST_F(Requests, LargeBodiesGoBothWaysAtOnce) {
  serve("7000", {{Step::head(200), Step::echo_body(), Step::end()}});
  User user = dial();
  const std::string piece(64 * 1024, 'x');
  user.say("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4194304\r\n\r\n");
  struct Send {
    static Task<void> run(net::Stream& to, const std::string& text) {
      for (int i = 0; i < 64; i++) {
        auto sent = co_await to.write(as_bytes(text));
        EXPECT_TRUE(sent);
      }
    }
  };
  Scope sending(world.loop);
  sending.spawn(Send::run(user.stream(), piece));
  const Heard heard = user.answer();
  EXPECT_TRUE(heard.whole) << heard.end;
  EXPECT_EQ(heard.body.size(), 4194304u);
  EXPECT_EQ(ingress->counters().bytes_in, 4194304u);
  EXPECT_EQ(ingress->counters().bytes_out, 4194304u);
}

TEST_F(Requests, AnAnswerOfUnknownLengthIsChunkedWithTrailers) {
  serve("7000",
        {{Step::head(200), Step::data("one"), Step::pause(1s), Step::data("two"), Step::trailers({{"X-End", "yes"}}), Step::end()}});
  const Heard heard = get("/");
  EXPECT_TRUE(heard.whole);
  EXPECT_EQ(heard.field("Transfer-Encoding"), "chunked");
  EXPECT_EQ(heard.body, "onetwo");
  ASSERT_EQ(heard.trailers.size(), 1u);
  EXPECT_EQ(heard.trailers[0].second, "yes");
}

TEST_F(Requests, EventsLeaveAsTheyCome) {
  serve("7000", {{Step::head(200, {{"Content-Type", "text/event-stream"}}), Step::pause(1s), Step::data("data: 1\n\n"), Step::pause(1s),
                  Step::data("data: 2\n\n"), Step::hang()}});
  User user = dial();
  user.say("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_NE(user.hear(500ms).find("text/event-stream"), std::string::npos) << "the head does not wait for content";
  EXPECT_EQ(user.hear(1s), "9\r\ndata: 1\n\n\r\n");
  EXPECT_EQ(user.hear(1s), "9\r\ndata: 2\n\n\r\n");
}

TEST_F(Requests, AnAnswerToHeadSaysItsLengthAndHasNoBody) {
  Script script = hello();
  script = {Step::read_body(), Step::head(200), Step::end()};
  script[1].content_length = "1234";
  serve("7000", {script});
  User user = dial();
  user.say("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n");
  const Heard heard = user.answer("HEAD");
  EXPECT_EQ(heard.field("Content-Length"), "1234");
  EXPECT_EQ(user.hear(), "");
  user.say("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_EQ(user.answer("HEAD").status, 200u) << "the connection goes on";
}

TEST_F(Requests, AnswersWithoutContentAreNotFramed) {
  for (const unsigned status : {204u, 304u}) {
    serve("7000", {{Step::head(status, {}, http::BodyLength::none()), Step::end()}});
    const Heard heard = get("/");
    EXPECT_EQ(heard.status, status);
    EXPECT_EQ(heard.field("Transfer-Encoding") + heard.field("Content-Length"), "");
  }
}

TEST_F(Requests, TheHundredOfTheServiceIsPassedOnToWhoExpectsIt) {
  serve("7000", {{Step::pause(1s), Step::head(100), Step::read_body(), Step::head(200, {}, http::BodyLength::exact(2)), Step::data("ok"),
                  Step::end()}});
  User user = dial();
  user.say("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n");
  EXPECT_EQ(user.hear(500ms), "");
  EXPECT_TRUE(user.hear(1s).starts_with("HTTP/1.1 100 "));
  user.say("abc");
  EXPECT_EQ(user.answer().body, "ok");
  EXPECT_EQ(seen()[0]->body, "abc");
  EXPECT_TRUE(seen()[0]->expect_continue);
  user.say("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_TRUE(user.hear(3s).starts_with("HTTP/1.1 200 ")) << "and who does not expect it gets none";
}

TEST_F(Requests, AFinalAnswerInsteadOfTheHundredClosesTheConnection) {
  serve("7000", {{Step::head(417, {}, http::BodyLength::exact(0)), Step::end()}});
  User user = dial();
  user.say("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n");
  const Heard heard = user.answer();
  EXPECT_EQ(heard.status, 417u);
  EXPECT_EQ(heard.field("Connection"), "close");
  EXPECT_EQ(user.state(), "end");
}

TEST_F(Requests, EarlyHintsArePassedOnButNotToHttp10) {
  serve("7000", {{Step::head(103, {{"Link", "</a.css>; rel=preload"}}), Step::pause(1s), Step::head(200, {}, http::BodyLength::exact(0)),
                  Step::end()}});
  User user = dial();
  user.say("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  const std::string hints = user.hear(500ms);
  EXPECT_TRUE(hints.starts_with("HTTP/1.1 103 ")) << hints;
  EXPECT_NE(hints.find("a.css"), std::string::npos);
  EXPECT_EQ(user.answer().status, 200u);
  User old = dial();
  old.say("GET / HTTP/1.0\r\nHost: a\r\n\r\n");
  EXPECT_NE(old.hear(2s).find(" 200 "), std::string::npos);
}

TEST_F(Requests, Http10GetsAnUnknownLengthUntilTheEnd) {
  serve("7000", {{Step::head(200), Step::data("all of it"), Step::trailers({{"X", "y"}}), Step::end()}});
  User user = dial();
  user.say("GET / HTTP/1.0\r\n\r\n");
  const Heard heard = user.answer();
  EXPECT_TRUE(heard.whole) << heard.end;
  EXPECT_EQ(heard.body, "all of it");
  EXPECT_EQ(heard.field("Transfer-Encoding"), "");
  EXPECT_FALSE(seen()[0]->authority.empty());
}

TEST_F(Requests, Http10KeepsAliveIfItAsks) {
  User user = dial();
  user.say("GET /1 HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n");
  EXPECT_EQ(user.answer().body, "GET /1");
  user.say("GET /2 HTTP/1.0\r\nHost: a\r\n\r\n");
  EXPECT_EQ(user.answer().body, "GET /2");
  EXPECT_EQ(user.state(), "end");
}

TEST_F(Requests, WhatIsFromHopToHopStaysHere) {
  User user = dial();
  user.say(
      "GET / HTTP/1.1\r\nHost: a\r\nConnection: X-Mine, keep-alive\r\nX-Mine: 1\r\nKeep-Alive: timeout=5\r\nTE: trailers\r\n"
      "Proxy-Connection: keep-alive\r\nX-Other: 2\r\n\r\n");
  EXPECT_EQ(user.answer().status, 200u);
  const Seen& asked = *seen()[0];
  for (const char* name : {"Connection", "X-Mine", "Keep-Alive", "TE", "Proxy-Connection", "Host"})
    EXPECT_EQ(asked.field(name), "") << name;
  EXPECT_EQ(asked.field("X-Other"), "2");
}

TEST_F(Requests, ATraceGoesOnOrBegins) {
  get("/", "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\ntracestate: a=b\r\n");
  const Seen& told = *seen()[0];
  EXPECT_TRUE(told.traceparent.starts_with("00-0af7651916cd43dd8448eb211c80319c-")) << told.traceparent;
  EXPECT_EQ(told.traceparent.find("b7ad6b7169203331"), std::string::npos) << "a span of our own";
  EXPECT_EQ(told.field("traceparent"), told.traceparent);
  EXPECT_EQ(told.field("tracestate"), "a=b");
  get("/", "traceparent: nonsense\r\n");
  EXPECT_TRUE(observe::TraceContext::parse(seen()[1]->traceparent));
  EXPECT_EQ(seen()[1]->field("traceparent"), seen()[1]->traceparent);
}

TEST_F(Requests, APathIsPassedOnNormalized) { EXPECT_EQ(get("/a/./b/../%7Ec%2fd?x=/../y").body, "GET /a/~c%2Fd?x=/../y"); }

TEST_F(Requests, NoRuleIsAProblemThatSaysSo) {
  apply(R"(
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: front}
spec:
  gatewayClassName: fairlead
  listeners: [{name: web, port: 8080, protocol: HTTP}]
)");
  User user = dial();
  user.say("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  const Heard heard = user.answer();
  EXPECT_EQ(heard.status, 404u);
  EXPECT_EQ(heard.field("Content-Type"), "application/problem+json");
  EXPECT_TRUE(heard.field("Proxy-Status").starts_with("fairlead; error=destination_not_found")) << heard.field("Proxy-Status");
  EXPECT_NE(heard.body.find("\"code\":\"no-route\""), std::string::npos) << heard.body;
  EXPECT_NE(heard.body.find("\"status\":404"), std::string::npos) << heard.body;
  user.say("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n");
  const Heard head = user.answer("HEAD");
  EXPECT_EQ(head.status, 404u) << "the connection goes on";
  EXPECT_NE(head.field("Content-Length"), "");
  EXPECT_EQ(user.hear(), "") << "HEAD has no body";
  EXPECT_EQ(ingress->counters().own_answers, 2u);
}

TEST_F(Requests, RulesThatChangeHoldFromTheNextRequestOn) {
  User user = dial();
  user.say("GET /1 HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_EQ(user.answer().body, "GET /1");
  std::string moved = manifest();
  moved.replace(moved.find("7000"), 4, "7001");
  serve("7001", {hello("elsewhere")});
  apply(moved);
  user.say("GET /2 HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_EQ(user.answer().body, "elsewhere");
  ASSERT_TRUE(ingress->apply(route::Snapshot::build({}, route::Site::cloud()), nullptr).empty());
  EXPECT_EQ(ingress->listeners(), 0u);
  user.say("GET /3 HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_EQ(user.answer().status, 404u);
}

TEST_F(Requests, ARuleThatChangesCutsNothing) {
  serve("7000", {{Step::head(200), Step::data("a"), Step::pause(2s), Step::data("b"), Step::end()}});
  User user = dial();
  user.say("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_NE(user.hear(1s), "");
  ASSERT_TRUE(ingress->apply(route::Snapshot::build({}, route::Site::cloud()), nullptr).empty());
  EXPECT_EQ(user.hear(2s), "1\r\nb\r\n0\r\n\r\n");
}

TEST_F(Requests, HeadAndSmallBodyLeaveTogether) {
  User user = dial();
  for (int i = 0; i < 3; i++) {
    user.say("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    std::byte buffer[4096];
    auto got = world.loop.run(user.stream().read(buffer), 10s);
    ASSERT_TRUE(got);
    EXPECT_TRUE(as_text(Bytes(buffer, *got)).ends_with("GET /")) << "one write, so one read";
  }
}

}  // namespace
}  // namespace fairlead::http_plugin
