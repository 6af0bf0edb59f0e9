#include "link/proxy.h"

#include <gtest/gtest.h>

#include <map>

#include "net/testing.h"
#include "sim/two_hosts.h"

namespace fairlead::link {
namespace {

TEST(Proxy, IsReadFromAUrlAndItsSecretIsInNoError) {
  const Proxy plain = Proxy::parse("http://proxy.example:8080/").value();
  EXPECT_EQ(plain.at.to_text(), "proxy.example:8080");
  EXPECT_FALSE(plain.credentials);
  EXPECT_EQ(Proxy::parse("proxy.example").value().at.port, 3128);
  EXPECT_EQ(Proxy::parse("http://ann:p%40ss@proxy.example:8080").value().credentials->reveal(), "ann:p@ss");
  for (const char* wrong :
       {"socks5://ann:hidden@x:1", "http://ann:hidden%4@x:1", "http://ann:hidden%0d%0a@x:1", "http://ann:hidden@x:port"}) {
    auto proxy = Proxy::parse(wrong);
    ASSERT_FALSE(proxy) << wrong;
    EXPECT_EQ(proxy.error().describe().find("hidden"), std::string::npos) << wrong;
  }
}

std::optional<Proxy> of(std::string_view host, std::map<std::string, std::string> variables) {
  return proxy_of_environment(host, [&](const char* name) { return variables.contains(name) ? variables[name].c_str() : nullptr; }).value();
}

TEST(Proxy, OfTheEnvironmentIsUsedUnlessTheHostIsExempt) {
  EXPECT_FALSE(of("cloud.example", {}));
  EXPECT_TRUE(of("cloud.example", {{"https_proxy", "http://p:1"}}));
  EXPECT_EQ(of("cloud.example", {{"HTTPS_PROXY", "http://p:1"}, {"https_proxy", "http://q:2"}})->at.to_text(), "p:1");
  EXPECT_FALSE(of("cloud.example", {{"HTTPS_PROXY", "http://p:1"}, {"NO_PROXY", "localhost, .EXAMPLE"}}));
  EXPECT_FALSE(of("cloud.example", {{"HTTPS_PROXY", "http://p:1"}, {"NO_PROXY", "*"}}));
  EXPECT_FALSE(of("cloud.example", {{"HTTPS_PROXY", "http://p:1"}, {"no_proxy", "cloud.example"}}));
  EXPECT_TRUE(of("cloud.example", {{"HTTPS_PROXY", "http://p:1"}, {"NO_PROXY", "loud.example"}}));
}

class ProxyTalk : public sim::TwoHosts {};

Task<void> answer(net::Stream& stream, std::string text, std::string& asked) {
  std::byte byte[1];
  while (!asked.ends_with("\r\n\r\n")) {
    auto got = co_await stream.read(byte);
    if (!got || *got == 0) co_return;
    asked += static_cast<char>(byte[0]);
  }
  auto written = co_await stream.write(as_bytes(text));
  static_cast<void>(written);
}

TEST_F(ProxyTalk, IsAskedToConnectAndWhatItSaysIsTold) {
  const auto talk = [&](const char* url, const char* says) {
    sim::Pair pair = loop_.run(sim::connect_pair(edge_, cloud_));
    std::string asked;
    Scope proxy_side(loop_);
    proxy_side.spawn(answer(*pair.far, says, asked));
    const Proxy proxy = Proxy::parse(url).value();
    auto way = loop_.run(ask_proxy(*pair.near, proxy, {"cloud.example", 8443}));
    return std::pair(way ? std::string("connected") : way.error().describe(), asked);
  };
  EXPECT_EQ(talk("http://p:1", "HTTP/1.1 200 Connection established\r\nVia: x\r\n\r\n"),
            std::pair(std::string("connected"), std::string("CONNECT cloud.example:8443 HTTP/1.1\r\nHost: cloud.example:8443\r\n\r\n")));
  EXPECT_NE(talk("http://ann:pass@p:1", "HTTP/1.0 200 OK\r\n\r\n").second.find("Proxy-Authorization: Basic YW5uOnBhc3M=\r\n"),
            std::string::npos);
  EXPECT_NE(talk("http://p:1", "HTTP/1.1 407 Who?\r\n\r\n").first.find("wants a user and password"), std::string::npos);
  EXPECT_NE(talk("http://p:1", "HTTP/1.1 403 Forbidden\r\n\r\n").first.find("403 Forbidden"), std::string::npos);
}

}  // namespace
}  // namespace fairlead::link
