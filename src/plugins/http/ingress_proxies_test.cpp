// Who the user is: PROXY protocol, forwarded fields, connections of one source; and what the access log says of it all.
#include <cstdio>
#include <fstream>
#include <sstream>

#include "net/proxy_protocol.h"
#include "plugins/http/ingress_world.h"

namespace fairlead::http_plugin {
namespace {

std::string listener_policy(std::string_view spec) {
  return fmt::format(R"(---
apiVersion: fairlead.dev/v1alpha1
kind: ListenerPolicy
metadata: {{name: policy}}
spec:
  targetRefs: [{{group: gateway.networking.k8s.io, kind: Gateway, name: front}}]
{})",
                     spec);
}

class Proxies : public IngressTest {
 protected:
  void with(std::string_view spec) { apply(manifest("", listener_policy(spec))); }
};

TEST_F(Proxies, WhatAStrangerSaysOfItselfIsDropped) {
  apply(manifest());
  get("/",
      "X-Forwarded-For: 198.51.100.1\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: evil\r\nForwarded: for=198.51.100.1\r\n"
      "X-Real-IP: 198.51.100.1\r\n");
  const Seen& asked = *seen()[0];
  EXPECT_EQ(asked.field("X-Forwarded-For"), "192.0.2.50");
  EXPECT_EQ(asked.field("X-Forwarded-Proto"), "http");
  EXPECT_EQ(asked.field("X-Forwarded-Host"), "shop.example");
  EXPECT_EQ(asked.field("Forwarded").find("198.51.100.1"), std::string::npos);
}

TEST_F(Proxies, WhatATrustedProxySaysIsKept) {
  with("  trustedProxies: [192.0.2.0/24]\n");
  get("/", "X-Forwarded-For: 198.51.100.1\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: front.example\r\n");
  const Seen& asked = *seen()[0];
  EXPECT_EQ(asked.field("X-Forwarded-For"), "198.51.100.1, 192.0.2.50");
  EXPECT_EQ(asked.field("X-Forwarded-Proto"), "https");
  EXPECT_EQ(asked.field("X-Forwarded-Host"), "front.example");
}

TEST_F(Proxies, AProxyHeaderTellsWhoTheUserIs) {
  with("  trustedProxies: [192.0.2.0/24]\n  proxyProtocol: true\n");
  const net::SocketAddress source{ip("198.51.100.7"), 4711}, destination{ip("192.0.2.1"), 8080};
  for (const unsigned version : {1u, 2u}) {
    User user = dial();
    user.say(net::make_proxy_header(version, source, destination) + "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    EXPECT_EQ(user.answer().status, 200u) << version;
    EXPECT_EQ(seen().back()->source, "198.51.100.7:4711");
    user.say("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    EXPECT_EQ(user.answer().status, 200u);
  }
}

TEST_F(Proxies, AConnectionWithoutItsProxyHeaderIsReset) {
  with("  trustedProxies: [192.0.2.0/24]\n  proxyProtocol: true\n");
  User user = dial();
  user.say("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_EQ(user.hear(), "");
  EXPECT_EQ(user.state(), "reset");
  User silent = dial();
  EXPECT_EQ(silent.hear(11s), "");
  EXPECT_EQ(silent.state(), "reset");
}

TEST_F(Proxies, AStrangersProxyHeaderIsNotTaken) {
  with("  trustedProxies: [10.9.0.0/16]\n  proxyProtocol: true\n");
  User user = dial();
  EXPECT_EQ(user.hear(), "") << "not a byte is read";
  EXPECT_EQ(user.state(), "reset");
  EXPECT_TRUE(seen().empty());
}

TEST_F(Proxies, ASourceHasItsConnectionsAndNoMore) {
  with("  limits: {connectionsPerSource: 2}\n");
  {
    User first = dial();
    User second = dial();
    User third = dial();
    EXPECT_EQ(first.state(), "open");
    EXPECT_EQ(second.state(), "open");
    EXPECT_EQ(third.state(), "reset");
  }
  world.loop.run_for(1s);
  EXPECT_EQ(get("/").status, 200u) << "they count while they last";
}

TEST_F(Proxies, LimitsOfAListenerAreThoseOfItsPolicy) {
  with("  limits: {headSize: 2KiB, fields: 10, headTimeout: 1s, idleTimeout: 2s}\n");
  EXPECT_EQ(get("/", "X: " + std::string(1500, 'x') + "\r\n").status, 200u);
  EXPECT_EQ(get("/", "X: " + std::string(2500, 'x') + "\r\n").status, 431u);
  std::string fields;
  for (int i = 0; i < 9; i++) fields += "X: y\r\n";
  EXPECT_EQ(get("/", fields).status, 200u) << "ten with Host";
  EXPECT_EQ(get("/", fields + "X: y\r\n").status, 431u);
  User slow = dial();
  slow.say("GET");
  EXPECT_EQ(slow.answer("GET", 2s).status, 408u);
  User idle = dial();
  EXPECT_EQ(idle.hear(3s), "");
  EXPECT_EQ(idle.state(), "end");
}

TEST_F(Proxies, TheLogHasALineForEachRequest) {
  const std::string path = ::testing::TempDir() + "/ingress_access.log";
  std::remove(path.c_str());
  auto log = observe::AccessLog::open({.path = path}).value();
  ingress =
      std::make_unique<HttpIngress>(*world.cloud_host, *world.cloud_link, *directory, std::make_shared<route::BackendStates>(), log.get());
  apply(manifest());
  User user = dial();
  user.say("POST /a?secret=1 HTTP/1.1\r\nHost: shop.example\r\nContent-Length: 3\r\n\r\nabc");
  EXPECT_EQ(user.answer().status, 200u);
  user.say("nonsense\r\n\r\n");
  EXPECT_EQ(user.answer().status, 400u);
  serve("7000", {{Step::refuse(link::FlowCode::refused)}});
  EXPECT_EQ(get("/b").status, 502u);
  world.loop.run_for(1s);
  log->flush();
  std::stringstream text;
  text << std::ifstream(path).rdbuf();
  std::vector<std::string> lines;
  for (std::string line; std::getline(text, line);) lines.push_back(line);
  ASSERT_EQ(lines.size(), 3u) << text.str();
  for (const char* part : {"\"plugin\":\"http\"", "\"side\":\"ingress\"", "\"source\":\"192.0.2.50:", "\"method\":\"POST\"",
                           "\"host\":\"shop.example\"", "\"path\":\"/a\"", "\"status\":200", "\"listener\":\"default/front/web\"",
                           "\"route\":\"default/shop\"", "\"rule\":0", "\"node\":\"edge-a\"", "\"backend\":\"default/shop\"",
                           "\"target\":\"127.0.0.1:7000\"", "\"retries\":0", "\"bytes_in\":3", "\"bytes_out\":16", "\"outcome\":\"OK\""})
    EXPECT_NE(lines[0].find(part), std::string::npos) << part << " in " << lines[0];
  EXPECT_EQ(lines[0].find("secret"), std::string::npos) << "queries hold secrets";
  EXPECT_NE(lines[1].find("\"status\":400"), std::string::npos) << lines[1];
  EXPECT_NE(lines[2].find("\"outcome\":\"service-refused\""), std::string::npos) << lines[2];
  ingress.reset();
}

}  // namespace
}  // namespace fairlead::http_plugin
