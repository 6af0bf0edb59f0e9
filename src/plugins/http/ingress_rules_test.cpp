// What rules can ask for: filters, limits, timeouts, retries, mirrors, persistence, waiting for a node.
#include "plugins/http/ingress_world.h"

namespace fairlead::http_plugin {
namespace {

constexpr std::string_view kPolicy = R"(---
apiVersion: fairlead.dev/v1alpha1
kind: RequestPolicy
metadata: {name: policy}
spec: )";
constexpr std::string_view kWithPolicy = R"(    filters:
    - {type: ExtensionRef, extensionRef: {group: fairlead.dev, kind: RequestPolicy, name: policy}}
)";

class RuleTest : public IngressTest {
 protected:
  explicit RuleTest(const std::vector<std::string>& nodes = {"edge-a"}) : IngressTest(nodes) {}
  void with_policy(std::string_view spec, const std::string& rule = "") {
    apply(manifest(std::string(kWithPolicy) + rule, std::string(kPolicy) + std::string(spec) + "\n"));
  }
  std::string nodes_asked() {
    std::string all;
    for (auto& egress : egresses) all += fmt::format("{}:{} ", egress->node, egress->seen.size());
    return all;
  }
};
class Rules : public RuleTest {};
class RulesOfTwoNodes : public RuleTest {
 protected:
  RulesOfTwoNodes() : RuleTest({"edge-a", "edge-b"}) {}
};

TEST_F(Rules, HeadersAreEditedBothWays) {
  apply(manifest(R"(    filters:
    - type: RequestHeaderModifier
      requestHeaderModifier: {set: [{name: X-Set, value: new}], add: [{name: X-Add, value: more}], remove: [X-Gone]}
    - type: ResponseHeaderModifier
      responseHeaderModifier: {set: [{name: Content-Type, value: text/html}], add: [{name: X-From, value: rule}]}
)"));
  const Heard heard = get("/", "X-Set: old\r\nX-Gone: 1\r\nX-Add: some\r\n");
  EXPECT_EQ(seen()[0]->field("X-Set"), "new");
  EXPECT_EQ(seen()[0]->field("X-Add"), "some, more");
  EXPECT_EQ(seen()[0]->field("X-Gone"), "");
  EXPECT_EQ(heard.field("Content-Type"), "text/html");
  EXPECT_EQ(heard.field("X-From"), "rule");
}

TEST_F(Rules, AUrlIsRewritten) {
  std::string yaml = manifest(R"(    matches: [{path: {type: PathPrefix, value: /old}}]
    filters:
    - type: URLRewrite
      urlRewrite: {hostname: inner.example, path: {type: ReplacePrefixMatch, replacePrefixMatch: /new}}
)");
  apply(yaml);
  EXPECT_EQ(get("/old/x?y=1").body, "GET /new/x?y=1");
  EXPECT_EQ(seen()[0]->authority, "inner.example");
}

TEST_F(Rules, ARedirectIsAnsweredHere) {
  std::string yaml = manifest(R"(    filters:
    - {type: RequestRedirect, requestRedirect: {scheme: https, statusCode: 301}}
)");
  const std::string_view backends = "  - backendRefs: [{group: fairlead.dev, kind: Backend, name: shop}]\n    filters";
  yaml.replace(yaml.find(backends), backends.size(), "  - filters");
  apply(yaml);
  User user = dial();
  user.say("POST /a?b=c HTTP/1.1\r\nHost: shop.example:8080\r\nContent-Length: 3\r\n\r\nabc");
  const Heard heard = user.answer();
  EXPECT_EQ(heard.status, 301u);
  EXPECT_EQ(heard.field("Location"), "https://shop.example/a?b=c");
  EXPECT_EQ(heard.body, "");
  user.say("HEAD / HTTP/1.1\r\nHost: shop.example\r\n\r\n");
  EXPECT_EQ(user.answer("HEAD").status, 301u) << "the connection goes on";
  EXPECT_TRUE(seen().empty());
}

TEST_F(Rules, APreflightIsAnsweredHereAndOthersGetTheirFields) {
  apply(manifest(R"(    filters:
    - {type: CORS, cors: {allowOrigins: ["https://*.example.com"], allowMethods: [GET, PUT], exposeHeaders: [X-A], allowCredentials: true}}
)"));
  User user = dial();
  user.say("OPTIONS / HTTP/1.1\r\nHost: a\r\nOrigin: https://w.example.com\r\nAccess-Control-Request-Method: PUT\r\n\r\n");
  Heard heard = user.answer();
  EXPECT_EQ(heard.status, 204u);
  EXPECT_EQ(heard.field("Access-Control-Allow-Origin"), "https://w.example.com");
  EXPECT_EQ(heard.field("Access-Control-Allow-Methods"), "GET, PUT");
  EXPECT_TRUE(seen().empty());
  user.say("PUT / HTTP/1.1\r\nHost: a\r\nOrigin: https://w.example.com\r\nContent-Length: 0\r\n\r\n");
  heard = user.answer();
  EXPECT_EQ(heard.field("Access-Control-Allow-Origin"), "https://w.example.com");
  EXPECT_EQ(heard.field("Access-Control-Expose-Headers"), "X-A");
  EXPECT_EQ(heard.field("Vary"), "Origin");
  EXPECT_EQ(seen().size(), 1u);
}

TEST_F(Rules, ABodyOverTheLimitIsRefused) {
  with_policy("{maxBodySize: 10B}");
  serve("7000", {{Step::read_body(), Step::head(200, {}, http::BodyLength::exact(2)), Step::data("ok"), Step::end()}});
  User at = dial();
  at.say("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n0123456789");
  EXPECT_EQ(at.answer().body, "ok");
  User over = dial();
  over.say("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\n\r\n");
  EXPECT_EQ(over.answer().status, 413u);
  EXPECT_EQ(over.state(), "end");
  EXPECT_EQ(seen().size(), 1u) << "nobody was asked";
  User chunked = dial();
  chunked.say("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\na\r\n0123456789\r\n");
  world.loop.run_for(1s);
  chunked.say("1\r\nx\r\n0\r\n\r\n");
  EXPECT_EQ(chunked.answer().status, 413u);
  EXPECT_EQ(chunked.state(), "end");
  EXPECT_FALSE(seen().back()->body_ended);
}

TEST_F(Rules, ARequestThatTakesTooLongIsA504) {
  apply(manifest("    timeouts: {request: 2s}\n"));
  serve("7000", {{Step::read_body(), Step::hang()}});
  const TimePoint before = world.loop.now();
  User user = dial();
  user.say("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  const Heard heard = user.answer();
  EXPECT_EQ(heard.status, 504u);
  EXPECT_EQ(heard.field("Proxy-Status").substr(0, 37), "fairlead; error=http_response_timeout");
  EXPECT_GE(world.loop.now() - before, 2s);
  EXPECT_LT(world.loop.now() - before, 2100ms);
  world.loop.run_for(1s);
  EXPECT_EQ(seen()[0]->aborted, link::FlowCode::cancelled);
  EXPECT_GT(seen()[0]->remaining, 1900ms);
  EXPECT_LE(seen()[0]->remaining, 2s);
  user.say("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_EQ(user.answer().status, 504u) << "the connection goes on";
}

TEST_F(Rules, AnAnswerThatTakesTooLongIsCut) {
  apply(manifest("    timeouts: {request: 2s}\n"));
  serve("7000", {{Step::head(200), Step::data("part"), Step::hang()}});
  User user = dial();
  user.say("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  const Heard heard = user.answer();
  EXPECT_EQ(heard.status, 200u);
  EXPECT_EQ(heard.end, "reset");
}

TEST_F(RulesOfTwoNodes, WhatWasNotDeliveredGoesToAnother) {
  apply(manifest());
  egresses[0]->scripts["7000"] = {{Step::refuse(link::FlowCode::refused)}};
  for (int i = 0; i < 4; i++) {
    User user = dial();
    user.say("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc");
    EXPECT_EQ(user.answer().status, 200u);
  }
  for (const auto& one : egresses[1]->seen) EXPECT_EQ(one->body, "abc");
  EXPECT_EQ(egresses[1]->seen.size(), 4u);
  EXPECT_GE(ingress->counters().retries, 1u);
}

TEST_F(RulesOfTwoNodes, ANodeThatDrainsFailsNothingHoweverManyAskItAtOnce) {
  apply(manifest());
  egresses[0]->scripts["7000"] = {{Step::pause(10ms), Step::refuse(link::FlowCode::draining)}};
  std::vector<User> users;
  for (int i = 0; i < 40; i++) users.push_back(dial());
  for (User& user : users) user.say("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  for (User& user : users) EXPECT_EQ(user.answer().status, 200u);
  EXPECT_GE(ingress->counters().retries, 15u);
}

TEST_F(RulesOfTwoNodes, WhatMayHaveBeenDeliveredIsNotTriedAgain) {
  apply(manifest());
  serve("7000", {{Step::read_body(), Step::abort(link::FlowCode::reset)}});
  EXPECT_EQ(get("/").status, 502u);
  EXPECT_EQ(seen().size(), 1u);
}

TEST_F(RulesOfTwoNodes, ARepeatableRequestIsTriedAgainWithItsBody) {
  with_policy("{repeatable: true}");
  egresses[0]->scripts["7000"] = {{Step::read_body(), Step::abort(link::FlowCode::reset)}};
  for (int i = 0; i < 2; i++) {
    User user = dial();
    user.say("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n");
    EXPECT_EQ(user.answer().status, 200u);
  }
  for (const auto& one : egresses[1]->seen) EXPECT_EQ(one->body, "abc");
  EXPECT_EQ(egresses[1]->seen.size(), 2u);
}

TEST_F(RulesOfTwoNodes, ABodyTooLargeToKeepIsNotRepeated) {
  with_policy("{repeatable: true}");
  serve("7000", {{Step::read_body(), Step::abort(link::FlowCode::reset)}});
  for (const std::size_t size : {std::size_t{65'536}, std::size_t{65'537}}) {
    User user = dial();
    user.say(fmt::format("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n{}", size, std::string(size, 'x')));
    EXPECT_EQ(user.answer().status, 502u);
    EXPECT_EQ(seen().size(), size == 65'536 ? 3u : 4u) << nodes_asked();
  }
}

TEST_F(Rules, AStatusThatTheRuleNamesIsTriedAgain) {
  apply(manifest("    retry: {codes: [503], attempts: 2, backoff: 100ms}\n"));
  serve("7000", {{Step::head(503), Step::data("no"), Step::end()}, {Step::head(503), Step::end()}, hello("third")});
  const Heard heard = get("/");
  EXPECT_EQ(heard.body, "third");
  EXPECT_EQ(seen().size(), 3u);
  EXPECT_EQ(ingress->counters().retries, 2u);
  serve("7000", {{Step::head(503, {{"X-Own", "1"}}), Step::end()}});
  const Heard last = get("/");
  EXPECT_EQ(last.status, 503u);
  EXPECT_EQ(last.field("X-Own"), "1") << "the last answer is the service's";
  EXPECT_EQ(seen().size(), 6u);
}

TEST_F(RulesOfTwoNodes, WhichNodeServedIsTold) {
  with_policy("{nodeHeader: X-Node}");
  std::set<std::string> nodes;
  for (int i = 0; i < 4; i++) nodes.insert(get("/").field("X-Node"));
  EXPECT_EQ(nodes, (std::set<std::string>{"edge-a", "edge-b"}));
}

TEST_F(RulesOfTwoNodes, ASessionStaysWhereItBegan) {
  apply(manifest("    sessionPersistence: {sessionName: stay}\n"));
  const Heard first = get("/");
  const std::string cookie = first.field("Set-Cookie");
  ASSERT_TRUE(cookie.starts_with("stay=")) << cookie;
  EXPECT_NE(cookie.find("HttpOnly"), std::string::npos);
  const std::string pair = cookie.substr(0, cookie.find(';'));
  const std::size_t at = egresses[0]->seen.empty() ? 1 : 0;
  for (int i = 0; i < 6; i++) EXPECT_EQ(get("/", "Cookie: other=1; " + pair + "\r\n").field("Set-Cookie"), "") << "told once";
  EXPECT_EQ(egresses[at]->seen.size(), 7u);
}

TEST_F(Rules, ARequestIsMirrored) {
  apply(manifest(R"(    filters:
    - {type: RequestMirror, requestMirror: {backendRef: {group: fairlead.dev, kind: Backend, name: copy}}}
)",
                 R"(---
apiVersion: fairlead.dev/v1alpha1
kind: Backend
metadata: {name: copy}
spec:
  location: {nodeName: edge-a}
  targets: [{address: 127.0.0.1, port: 7001}]
)"));
  serve("7001", {{Step::read_body(), Step::pause(1s), Step::head(500), Step::end()}});
  User user = dial();
  user.say("POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc");
  EXPECT_EQ(user.answer().body, "POST /x");
  user.say("GET /y HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_EQ(user.answer().body, "GET /y");
  world.loop.run_for(5s);
  ASSERT_EQ(seen().size(), 4u);
  std::size_t copies = 0;
  for (const Seen* one : seen())
    if (one->backend == "default/copy") {
      copies++;
      EXPECT_EQ(one->body, one->method == "POST" ? "abc" : "");
      EXPECT_TRUE(one->body_ended);
    }
  EXPECT_EQ(copies, 2u);
  EXPECT_EQ(ingress->counters().mirrored, 2u);
}

TEST_F(Rules, ARequestWaitsForItsNodeIfTheRuleSaysSo) {
  with_policy("{onLinkDown: Wait}");
  world.kill(world.edges.empty() ? *world.edges.front() : *world.edges.front());
  world.loop.run_for(world.session.survive + 10s);
  User user = dial();
  user.say("GET /late HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_EQ(user.hear(3s), "");
  link::TestEdge& again = world.edge("edge-a");
  again.egresses = {};
  again.egresses.add(*egresses[0]);
  EXPECT_EQ(user.answer().body, "GET /late");
  // But not for ever.
  world.kill(again);
  world.loop.run_for(world.session.survive + 10s);
  const TimePoint before = world.loop.now();
  EXPECT_EQ(get("/").status, 503u);
  EXPECT_GE(world.loop.now() - before, 10s);
  EXPECT_LT(world.loop.now() - before, 11s);
}

TEST_F(Rules, ABackendThatIsNotThereIsA500) {
  std::string yaml = manifest();
  yaml.replace(yaml.find("name: shop}]"), 12, "name: none}]");
  route::Problems problems("test.yaml");
  auto snapshot = route::Snapshot::build(route::decode_manifests(yaml, route::Format::yaml, problems), route::Site::cloud());
  ASSERT_TRUE(ingress->apply(snapshot, nullptr).empty());
  EXPECT_EQ(get("/").status, 500u);
}

}  // namespace
}  // namespace fairlead::http_plugin
