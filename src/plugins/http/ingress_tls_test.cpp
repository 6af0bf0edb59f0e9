// TLS at a listener: requests through it, whose host must be the one that the connection was made for.
#include "net/tls_fixture.h"
#include "plugins/http/ingress_world.h"

namespace fairlead::http_plugin {
namespace {

constexpr std::string_view kRules = R"(
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: front}
spec:
  gatewayClassName: fairlead
  listeners:
  - {name: a, port: 9443, protocol: HTTPS, hostname: a.example,
     tls: {options: {fairlead.dev/certificate-file: c.pem, fairlead.dev/key-file: k.pem}}}
  - {name: b, port: 9443, protocol: HTTPS, hostname: b.example,
     tls: {options: {fairlead.dev/certificate-file: c.pem, fairlead.dev/key-file: k.pem}}}
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: shop}
spec:
  parentRefs: [{name: front}]
  rules:
  - backendRefs: [{group: fairlead.dev, kind: Backend, name: shop}]
---
apiVersion: fairlead.dev/v1alpha1
kind: Backend
metadata: {name: shop}
spec:
  location: {nodeName: edge-a}
  targets: [{address: 127.0.0.1, port: 7000}]
)";

class Tls : public IngressTest {
 protected:
  static constexpr std::uint16_t kTlsPort = 9443;

  Tls() {
    auto servers = std::make_shared<TlsServers>();
    const auto snapshot = rules(std::string(kRules));
    (*servers)[snapshot->http_ports().at(0).bind] = ca.tls_server({"a.example", "b.example"});
    EXPECT_TRUE(ingress->apply(snapshot, servers).empty());
    EXPECT_EQ(ingress->listeners(), 1u);
  }
  User dial_tls(const std::string& name) {
    auto transport = world.loop.run(user_host->connect({ip("192.0.2.1"), kTlsPort}), 10s);
    EXPECT_TRUE(transport);
    auto secured = world.loop.run(client->connect(world.loop, std::move(*transport), name), 10s);
    EXPECT_TRUE(secured) << secured.error().describe();
    return {world.loop, std::move(*secured)};
  }

  net::TestCa ca;
  std::shared_ptr<const net::TlsClient> client = ca.tls_client();
};

TEST_F(Tls, RequestsGoThroughAndTheServiceIsToldOfIt) {
  User user = dial_tls("a.example");
  for (int i = 0; i < 3; i++) {
    user.say("GET /" + std::to_string(i) + " HTTP/1.1\r\nHost: a.example\r\n\r\n");
    EXPECT_EQ(user.answer().body, "GET /" + std::to_string(i));
  }
  EXPECT_EQ(seen()[0]->scheme, "https");
  EXPECT_EQ(seen()[0]->field("X-Forwarded-Proto"), "https");
}

TEST_F(Tls, LargeBodiesGoThrough) {
  serve("7000", {{Step::head(200), Step::echo_body(), Step::end()}});
  User user = dial_tls("a.example");
  user.say("POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 500000\r\n\r\n" + std::string(500'000, 'x'));
  EXPECT_EQ(user.answer().body.size(), 500'000u);
}

TEST_F(Tls, AHostOfAnotherListenerIsMisdirected) {
  User user = dial_tls("a.example");
  user.say("GET / HTTP/1.1\r\nHost: b.example\r\n\r\n");
  EXPECT_EQ(user.answer().status, 421u);
  user.say("GET / HTTP/1.1\r\nHost: none.example\r\n\r\n");
  EXPECT_EQ(user.answer().status, 404u);
  user.say("GET / HTTP/1.1\r\nHost: a.example\r\n\r\n");
  EXPECT_EQ(user.answer().status, 200u);
}

TEST_F(Tls, AnAnswerThatBreaksOffHasNoCloseNotify) {
  serve("7000", {{Step::head(200), Step::data("part"), Step::pause(100ms), Step::abort(link::FlowCode::reset)}});
  User user = dial_tls("a.example");
  user.say("GET / HTTP/1.0\r\nHost: a.example\r\n\r\n");
  EXPECT_EQ(user.answer().end, "reset");
}

TEST_F(Tls, WhoSpeaksNoTlsIsNotServed) {
  User user = dial(kTlsPort);
  user.say("GET / HTTP/1.1\r\nHost: a.example\r\n\r\n");
  EXPECT_EQ(user.hear(2s).find("HTTP/1.1 200"), std::string::npos);
  EXPECT_NE(user.state(), "open");
  User silent = dial(kTlsPort);
  EXPECT_EQ(silent.hear(11s), "");
  EXPECT_NE(silent.state(), "open");
  world.loop.run_for(5s);
  EXPECT_EQ(ingress->connections(), 0u);
}

TEST_F(Tls, WithoutACertificateAPortDoesNotListen) {
  EXPECT_TRUE(ingress->apply(rules(std::string(kRules)), std::make_shared<TlsServers>()).empty());
  EXPECT_EQ(ingress->listeners(), 0u);
}

TEST_F(Tls, AnUpgradedConnectionIsEncryptedToo) {
  Script script = {Step::head(101), Step::echo_raw()};
  script[0].upgrade = "websocket";
  serve("7000", {script});
  User user = dial_tls("a.example");
  user.say("GET /chat HTTP/1.1\r\nHost: a.example\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
  EXPECT_TRUE(user.hear(1s).starts_with("HTTP/1.1 101 "));
  user.say("frame");
  EXPECT_EQ(user.hear(), "frame");
}

}  // namespace
}  // namespace fairlead::http_plugin
