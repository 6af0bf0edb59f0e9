// Connections of users: heads that are malformed or slow, pipelining, idling, PROXY protocol, upgrades, draining.
#include "net/proxy_protocol.h"
#include "plugins/http/ingress_world.h"

namespace fairlead::http_plugin {
namespace {

class Connections : public IngressTest {
 protected:
  Connections() { apply(manifest()); }
  // A new connection is served as ever.
  void expect_healthy() {
    const Heard heard = get("/healthy");
    EXPECT_EQ(heard.status, 200u);
    EXPECT_EQ(ingress->connections(), 1u);
    world.loop.run_for(10s);
  }
};

TEST_F(Connections, AHundredPipelinedRequestsAreAnsweredInOrder) {
  User user = dial();
  std::string all;
  for (int i = 0; i < 100; i++) all += "GET /" + std::to_string(i) + " HTTP/1.1\r\nHost: a\r\n\r\n";
  user.say(all);
  for (int i = 0; i < 100; i++) EXPECT_EQ(user.answer().body, "GET /" + std::to_string(i));
  EXPECT_EQ(seen().size(), 100u);
}

TEST_F(Connections, PipelinedBodiesAreNotMixedUp) {
  User user = dial();
  std::string all;
  for (int i = 0; i < 20; i++) {
    const std::string body(static_cast<std::size_t>(i) * 700, static_cast<char>('a' + i));
    if (i % 2 == 0) {
      all += fmt::format("POST /{} HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n{}", i, body.size(), body);
    } else {
      all += fmt::format("POST /{} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n{}\r\n0\r\n\r\n", i, body.size(), body);
    }
  }
  user.say(all);
  for (int i = 0; i < 20; i++) EXPECT_EQ(user.answer().body, "POST /" + std::to_string(i));
  for (std::size_t i = 0; i < 20; i++) EXPECT_EQ(seen()[i]->body, std::string(i * 700, static_cast<char>('a' + i)));
}

TEST_F(Connections, ARequestByteByByteIsARequest) {
  User user = dial();
  for (const char c : std::string("POST /slow HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"))
    user.say(std::string_view(&c, 1));
  EXPECT_EQ(user.answer().body, "POST /slow");
  EXPECT_EQ(seen()[0]->body, "abc");
}

TEST_F(Connections, WhatIsMalformedIsRefusedAndTheConnectionEnds) {
  struct Case {
    std::string text;
    unsigned status;
  };
  const Case cases[] = {
      {"GET / HTTP/1.1\r\n\r\n", 400},
      {"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400},
      {"GET / HTTP/1.1\nHost: a\n\n", 400},
      {"GET  / HTTP/1.1\r\nHost: a\r\n\r\n", 400},
      {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
      {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +3\r\n\r\nabc", 400},
      {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n", 501},
      {"CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n", 501},
      {"GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505},
      {"GET / HTTP/1.1\r\nHost: a\r\nX: " + std::string(70'000, 'x') + "\r\n\r\n", 431},
      {"GET /" + std::string(70'000, 'x') + " HTTP/1.1\r\nHost: a\r\n\r\n", 414},
      {"\x16\x03\x01\r\n\r\n", 400},
  };
  for (const Case& c : cases) {
    User user = dial();
    user.say(c.text);
    const Heard heard = user.answer();
    EXPECT_EQ(heard.status, c.status) << c.text.substr(0, 80);
    EXPECT_EQ(heard.field("Connection"), "close");
    EXPECT_EQ(heard.field("Content-Type"), "application/problem+json");
    EXPECT_EQ(user.state(), "end") << c.text.substr(0, 80);
    user.shut();
    expect_healthy();
  }
  for (const Seen* one : seen()) EXPECT_EQ(one->target, "/healthy");
  EXPECT_EQ(ingress->counters().malformed, std::size(cases));
}

TEST_F(Connections, AMalformedBodyIsRefusedAndNeverWholeAtTheService) {
  serve("7000", {{Step::read_body(), Step::head(200, {}, http::BodyLength::exact(0)), Step::end()}});
  User user = dial();
  user.say("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n");
  world.loop.run_for(1s);
  user.say("nonsense\r\n");
  const Heard heard = user.answer();
  EXPECT_EQ(heard.status, 400u);
  EXPECT_EQ(user.state(), "end");
  world.loop.run_for(1s);
  EXPECT_FALSE(seen()[0]->body_ended);
  EXPECT_TRUE(seen()[0]->aborted);
  EXPECT_EQ(egresses[0]->running, 0u);
}

TEST_F(Connections, AHeadThatIsSlowIsTimedOut) {
  User user = dial();
  user.say("GET / HTTP/1.1\r\nHos");
  EXPECT_EQ(user.hear(9s), "");
  user.say("t: a\r\n");
  const Heard heard = user.answer();
  EXPECT_EQ(heard.status, 408u);
  EXPECT_EQ(user.state(), "end");
}

TEST_F(Connections, AConnectionThatIdlesIsClosedWithoutAWord) {
  User user = dial();
  user.say("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_EQ(user.answer().status, 200u);
  EXPECT_EQ(user.hear(59s), "");
  EXPECT_EQ(user.state(), "open");
  EXPECT_EQ(user.hear(3s), "");
  EXPECT_EQ(user.state(), "end");
  world.loop.run_for(10s);
  EXPECT_EQ(ingress->connections(), 0u);
}

TEST_F(Connections, ABodyThatStopsIsTimedOut) {
  User user = dial();
  user.say("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc");
  EXPECT_EQ(user.hear(59s), "");
  const Heard heard = user.answer();
  EXPECT_EQ(heard.status, 408u);
  EXPECT_EQ(user.state(), "end");
  EXPECT_TRUE(seen()[0]->aborted);
}

TEST_F(Connections, AThousandThatIdleHoldNoBuffers) {
  std::vector<User> users;
  for (int i = 0; i < 1000; i++) users.push_back(dial());
  for (User& user : users) user.say("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  for (User& user : users) EXPECT_EQ(user.answer().status, 200u);
  world.loop.run_for(1s);
  EXPECT_EQ(ingress->connections(), 1000u);
  EXPECT_EQ(ingress->buffers_in_use(), 0u);
  users[500].say("GET / HT");
  world.loop.run_for(1s);
  EXPECT_EQ(ingress->buffers_in_use(), 1u);
}

TEST_F(Connections, DrainingEndsIdleOnesAtOnceAndOthersAfterTheirAnswer) {
  serve("7000", {{Step::pause(2s), Step::head(200, {}, http::BodyLength::exact(2)), Step::data("ok"), Step::end()}});
  User idle = dial();
  User busy = dial();
  world.loop.run_for(100ms);
  busy.say("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  world.loop.run_for(500ms);
  ingress->drain();
  EXPECT_EQ(ingress->listeners(), 0u);
  EXPECT_EQ(idle.state(), "end");
  const Heard heard = busy.answer();
  EXPECT_EQ(heard.body, "ok");
  EXPECT_EQ(heard.field("Connection"), "close");
  EXPECT_EQ(busy.state(), "end");
  idle.shut();
  busy.shut();
  world.loop.run_for(1s);
  EXPECT_EQ(ingress->connections(), 0u);
  EXPECT_EQ(world.loop.run(user_host->connect({ip("192.0.2.1"), kPort}), 10s).error().code(), Code::refused);
}

TEST_F(Connections, AnUpgradeBecomesRawBytesBothWays) {
  Script script = {Step::head(101), Step::echo_raw()};
  script[0].upgrade = "websocket";
  script[0].fields = {{"Sec-WebSocket-Accept", "x"}};
  serve("7000", {script});
  User user = dial();
  user.say("GET /chat HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: k\r\n\r\nearly");
  std::string heard = user.hear(1s);
  EXPECT_TRUE(heard.starts_with("HTTP/1.1 101 ")) << heard;
  EXPECT_NE(heard.find("Upgrade: websocket\r\n"), std::string::npos) << heard;
  EXPECT_TRUE(heard.ends_with("\r\n\r\nearly")) << heard;
  EXPECT_EQ(seen()[0]->upgrade, "websocket");
  EXPECT_EQ(seen()[0]->field("Sec-WebSocket-Key"), "k");
  user.say("frame");
  EXPECT_EQ(user.hear(), "frame");
  EXPECT_EQ(user.hear(180s), "") << "no idle timeout of the listener";
  EXPECT_EQ(user.state(), "open");
  ingress->drain();
  user.say("still");
  EXPECT_EQ(user.hear(), "still");
  user.shut();
  EXPECT_EQ(user.state(), "end");
  world.loop.run_for(1s);
  EXPECT_EQ(ingress->connections(), 0u);
  EXPECT_EQ(ingress->counters().upgrades, 1u);
  EXPECT_EQ(egresses[0]->running, 0u);
}

TEST_F(Connections, AnUpgradeThatIsRefusedIsAnAnswerLikeOthers) {
  serve("7000", {hello("no"), hello("yes")});
  User user = dial();
  user.say("GET /chat HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
  EXPECT_EQ(user.answer().body, "no");
  user.say("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_EQ(user.answer().body, "yes");
  world.loop.run_for(1s);
  EXPECT_EQ(egresses[0]->running, 0u);
}

TEST_F(Connections, AResetOfAnUpgradedUserReachesTheService) {
  Script script = {Step::head(101), Step::echo_raw()};
  script[0].upgrade = "websocket";
  serve("7000", {script});
  User user = dial();
  user.say("GET /chat HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
  EXPECT_TRUE(user.hear(1s).starts_with("HTTP/1.1 101 "));
  user.reset();
  world.loop.run_for(1s);
  EXPECT_EQ(seen()[0]->aborted, link::FlowCode::reset);
  EXPECT_EQ(ingress->connections(), 0u);
}

TEST_F(Connections, TwoServersSpeakOfTheSameRequestsAfterAnEmptyLine) {
  User user = dial();
  user.say("\r\nGET /1 HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_EQ(user.answer().body, "GET /1");
}

}  // namespace
}  // namespace fairlead::http_plugin
