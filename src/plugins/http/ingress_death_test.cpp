// Ends before their time: of users at each step, of services, of nodes; what is not whole never looks whole.
#include "plugins/http/ingress_world.h"

namespace fairlead::http_plugin {
namespace {

constexpr std::string_view kGet = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

class Deaths : public IngressTest {
 protected:
  Deaths() : IngressTest({"edge-a", "edge-b"}) { apply(to_edge_a()); }
  static std::string to_edge_a() {
    std::string yaml = manifest();
    const std::string_view any = "{nodeSelector: {site: test}}";
    yaml.replace(yaml.find(any), any.size(), "{nodeName: edge-a}");
    return yaml;
  }
  void kill_edge(std::string_view node) {
    for (auto& edge : world.edges)
      if (edge->host->name() == node) {
        world.kill(*edge);
        return;
      }
  }
  void expect_nothing_left() {
    world.loop.run_for(5s);
    EXPECT_EQ(ingress->connections(), 0u);
    for (auto& egress : egresses) EXPECT_EQ(egress->running, 0u);
    EXPECT_EQ(ingress->buffers_in_use(), 0u);
  }
};

TEST_F(Deaths, AUserThatGoesBeforeItsRequestIsForgotten) {
  for (const std::string_view part : {"", "GET / HT", "GET / HTTP/1.1\r\nHost: a\r\n"}) {
    {
      User user = dial();
      if (!part.empty()) user.say(part);
      world.loop.run_for(100ms);
    }
    expect_nothing_left();
  }
  EXPECT_EQ(seen().size(), 0u);
}

TEST_F(Deaths, AUserThatGoesWhileItsBodyIsOnItsWayCancels) {
  serve("7000", {{Step::read_body(), Step::hang()}});
  {
    User user = dial();
    user.say("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc");
    world.loop.run_for(1s);
  }
  expect_nothing_left();
  EXPECT_EQ(seen()[0]->aborted, link::FlowCode::cancelled);
  EXPECT_FALSE(seen()[0]->body_ended);
}

TEST_F(Deaths, AUserThatGoesWhileItWaitsCancelsAtOnce) {
  for (const bool orderly : {false, true}) {
    serve("7000", {{Step::read_body(), Step::hang()}});
    User user = dial();
    user.say(kGet);
    world.loop.run_for(1s);
    EXPECT_EQ(egresses[0]->running, 1u);
    if (orderly)
      user.shut();
    else
      user.reset();
    world.loop.run_for(60ms);
    EXPECT_EQ(egresses[0]->running, 0u) << "half a round trip to each";
    EXPECT_EQ(seen().back()->aborted, link::FlowCode::cancelled);
  }
  expect_nothing_left();
}

TEST_F(Deaths, AUserThatGoesWhileItsAnswerComesCancels) {
  serve("7000", {{Step::read_body(), Step::head(200), Step::data(std::string(1000, 'x'), 1'000'000), Step::end()}});
  {
    User user = dial();
    user.say(kGet);
    world.loop.run_for(1s);
    EXPECT_EQ(egresses[0]->running, 1u);
  }
  expect_nothing_left();
}

TEST_F(Deaths, AnEarlyAnswerIsHeardThoughTheBodyIsNotSentYet) {
  serve("7000",
        {{Step::read_some(), Step::head(413, {}, http::BodyLength::exact(9)), Step::data("too large"), Step::end(), Step::leave()}});
  User user = dial();
  user.say("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n" + std::string(1000, 'x'));
  const Heard heard = user.answer();
  EXPECT_EQ(heard.body, "too large");
  user.say(std::string(10'000, 'x'));
  EXPECT_EQ(user.state(), "end") << "not a reset, though there is more to come";
  world.loop.run_for(3s);
  expect_nothing_left();
}

TEST_F(Deaths, AnEarlyAnswerWhoseBodyIsThereKeepsTheConnection) {
  serve("7000", {{Step::pause(1s), Step::head(200, {}, http::BodyLength::exact(2)), Step::data("ok"), Step::end()}});
  User user = dial();
  for (int i = 0; i < 2; i++) {
    user.say("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10000\r\n\r\n" + std::string(10'000, 'x'));
    const Heard heard = user.answer();
    EXPECT_EQ(heard.body, "ok");
  }
}

TEST_F(Deaths, AUserThatDoesNotReadStopsItsServiceAndNobodyElse) {
  serve("7000", {{Step::read_body(), Step::head(200), Step::data(std::string(1000, 'x'), 50'000), Step::end()}, hello("quick")});
  User slow = dial();
  slow.say(kGet);
  world.loop.run_for(5s);
  EXPECT_EQ(egresses[0]->running, 1u);
  EXPECT_EQ(get("/").body, "quick");
  const Heard heard = slow.answer();
  EXPECT_TRUE(heard.whole) << heard.end;
  EXPECT_EQ(heard.body.size(), 50'000'000u);
}

// A request with a body in pieces, whose answer comes in pieces while the body is still on its way.
constexpr std::string_view kPieces[] = {
    "POST /x HTTP/1.1\r\nHo", "st: a\r\nTransfer-Encoding: chunked\r\n\r\n", "3\r\nabc\r", "\n5\r\nde", "fgh\r\n", "0\r\n\r\n"};
const Script kEchoInPieces = {Step::head(103),  Step::pause(3ms),  Step::head(200), Step::echo_body(),
                              Step::pause(5ms), Step::data("end"), Step::end()};

Task<void> say_in_pieces(Loop& loop, net::Stream& to) {
  for (const std::string_view piece : kPieces) {
    auto said = co_await to.write(as_bytes(piece));
    if (!said) co_return;
    co_await loop.sleep(7ms);
  }
}

TEST_F(Deaths, AUserMayGoAtAnyMoment) {
  serve("7000", {kEchoInPieces});
  for (int i = 0; i < 240; i++) {
    {
      User user = dial();
      Scope saying(world.loop);
      saying.spawn(say_in_pieces(world.loop, user.stream()));
      world.loop.run_for(std::chrono::microseconds(i / 2 * 1000 + 500));
      saying.cancel_now();
      if (i % 2 == 0)
        user.reset();
      else
        user.shut();
      world.loop.run_for(200ms);
    }
    EXPECT_EQ(egresses[0]->running, 0u) << i;
    EXPECT_EQ(ingress->buffers_in_use(), 0u) << i;
  }
  expect_nothing_left();
  serve("7000", {hello()});
  EXPECT_EQ(get("/").body, "hello");
}

TEST_F(Deaths, ANodeMayGoAtAnyMoment) {
  int whole = 0, own = 0, broken = 0;
  for (int i = 0; i < 30; i++) {
    serve("7000", {kEchoInPieces});
    User user = dial();
    Scope saying(world.loop);
    saying.spawn(say_in_pieces(world.loop, user.stream()));
    world.loop.run_for(std::chrono::milliseconds(4 * i));
    kill_edge("edge-a");
    Heard heard = user.answer("GET", 300s);
    while (heard.whole && heard.status == 103) heard = user.answer("GET", 300s);
    if (heard.whole && heard.status == 200) {
      whole++;
      EXPECT_EQ(heard.body, "abcdefghend") << i << ": what looks whole is whole";
    } else if (heard.whole) {
      own++;
      EXPECT_TRUE(heard.status == 502 || heard.status == 503) << i << ": " << heard.status;
    } else {
      broken++;
      EXPECT_EQ(heard.end, "reset") << i;
    }
    saying.cancel_now();
    link::TestEdge& again = world.edge("edge-a");
    again.egresses = {};
    again.egresses.add(*egresses[0]);
    world.loop.run(again.link->connected(), 60s);
    serve("7000", {hello()});
    EXPECT_EQ(get("/").body, "hello") << i;
  }
  EXPECT_GT(whole, 0);
  EXPECT_GT(own, 0);
  EXPECT_GT(broken, 0);
}

TEST_F(Deaths, ARefusalIsAnAnswerThatSaysWhy) {
  struct Case {
    link::FlowCode code;
    unsigned status;
    std::string_view error;
  };
  const Case cases[] = {
      {link::FlowCode::refused, 502, "connection_refused"},          {link::FlowCode::unreachable, 502, "destination_unavailable"},
      {link::FlowCode::forbidden, 502, "destination_ip_prohibited"}, {link::FlowCode::deadline, 504, "connection_timeout"},
      {link::FlowCode::overloaded, 503, "connection_limit_reached"}, {link::FlowCode::protocol, 502, "http_protocol_error"},
      {link::FlowCode::draining, 503, "destination_unavailable"},    {link::FlowCode::internal, 502, "proxy_internal_error"},
  };
  for (const Case& c : cases) {
    serve("7000", {{Step::refuse(c.code)}});
    User user = dial();
    user.say(kGet);
    const Heard heard = user.answer();
    EXPECT_EQ(heard.status, c.status) << name(c.code);
    EXPECT_EQ(heard.field("Proxy-Status"), fmt::format("fairlead; error={}; details=\"as the test says\"", c.error));
    EXPECT_EQ(heard.field("Retry-After").empty(), c.status != 503) << name(c.code);
    user.say(kGet);
    EXPECT_EQ(user.answer().status, c.status) << "the connection goes on";
  }
}

TEST_F(Deaths, AServiceThatBreaksOffBeforeItsAnswerIsA502) {
  serve("7000", {{Step::read_body(), Step::abort(link::FlowCode::reset)}});
  EXPECT_EQ(get("/").status, 502u);
}

TEST_F(Deaths, AnAnswerThatBreaksOffIsShownAsBroken) {
  struct Case {
    Script script;
    std::string_view what;
  };
  const Case cases[] = {
      {{Step::head(200), Step::data("part"), Step::pause(100ms), Step::abort(link::FlowCode::reset)}, "chunked"},
      {{Step::head(200, {}, http::BodyLength::exact(10)), Step::data("part"), Step::pause(100ms), Step::abort(link::FlowCode::reset)},
       "of known length"},
  };
  for (const Case& c : cases) {
    serve("7000", {c.script});
    User user = dial();
    user.say(kGet);
    const Heard heard = user.answer();
    EXPECT_EQ(heard.status, 200u);
    EXPECT_FALSE(heard.whole) << c.what;
    EXPECT_EQ(heard.end, "reset") << c.what;
    User old = dial();
    old.say("GET / HTTP/1.0\r\nHost: a\r\n\r\n");
    EXPECT_EQ(old.answer().end, "reset") << c.what << ", HTTP/1.0";
  }
  expect_nothing_left();
}

TEST_F(Deaths, ANodeThatDiesInFlightSaysSo) {
  serve("7000", {{Step::read_body(), Step::hang()}});
  User user = dial();
  user.say(kGet);
  world.loop.run_for(1s);
  kill_edge("edge-a");
  const Heard heard = user.answer("GET", 300s);
  EXPECT_EQ(heard.status, 502u) << "it may have been delivered, so nobody else got it";
  EXPECT_NE(heard.body.find("node-lost"), std::string::npos) << heard.body;
  EXPECT_EQ(seen().size(), 1u);
}

TEST_F(Deaths, ANodeThatDiesInTheMiddleOfAnAnswerBreaksIt) {
  serve("7000", {{Step::head(200), Step::data("part"), Step::hang()}});
  User user = dial();
  user.say(kGet);
  world.loop.run_for(1s);
  kill_edge("edge-a");
  const Heard heard = user.answer("GET", 300s);
  EXPECT_EQ(heard.status, 200u);
  EXPECT_EQ(heard.end, "reset");
}

TEST_F(Deaths, ANodeThatIsGoneIsA503AtOnce) {
  kill_edge("edge-a");
  world.loop.run_for(world.session.survive + 10s);
  const TimePoint before = world.loop.now();
  const Heard heard = get("/");
  EXPECT_EQ(heard.status, 503u);
  EXPECT_EQ(heard.field("Retry-After"), "1");
  EXPECT_LT(world.loop.now() - before, 200ms);
}

TEST_F(Deaths, AnIngressThatIsDestroyedLeavesNothing) {
  serve("7000", {{Step::read_body(), Step::hang()}});
  User waiting = dial();
  waiting.say(kGet);
  User sending = dial();
  sending.say("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc");
  User idle = dial();
  world.loop.run_for(1s);
  ingress.reset();
  EXPECT_EQ(waiting.state(), "reset");
  EXPECT_EQ(sending.state(), "reset");
  world.loop.run_for(1s);
  EXPECT_EQ(egresses[0]->running, 0u);
}

}  // namespace
}  // namespace fairlead::http_plugin
