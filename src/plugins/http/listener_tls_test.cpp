#include "plugins/http/listener_tls.h"

#include <gmock/gmock.h>

#include <fstream>

#include "net/tls_fixture.h"
#include "pki/test_certificates.h"

namespace fairlead::http_plugin {
namespace {

using testing::AllOf;
using testing::HasSubstr;

class ListenerTls : public testing::Test {
 protected:
  std::string write(const std::string& name, const std::string& text) {
    const std::string file = (folder_ / name).native();
    std::ofstream(file) << text;
    return file;
  }
  route::HttpHost host(const std::string& name, const std::optional<std::string>& hostname = {}) {
    const net::TlsCertificate made = ca_.server({hostname.value_or("default.example")});
    route::HttpHost host{.gateway = {"shop", "front"}, .name = name, .hostname = hostname, .tls = route::ListenerTls{}, .rules = nullptr};
    host.tls->certificate_file = write(name + ".pem", made.chain_pem);
    host.tls->key_file = write(name + "-key.pem", made.key_pem);
    return host;
  }
  static std::string error(const route::HttpPort& port) {
    auto server = load_tls(port);
    return server ? "loaded" : server.error().describe();
  }

  net::TestCa ca_;
  pki::TestFolder folder_;
};

TEST_F(ListenerTls, AllListenersOfAPortAreOneServer) {
  route::HttpPort port{.bind = {}, .tls = true, .policy = {}, .hosts = {host("a", "a.example"), host("b", "*.example"), host("c")}};
  EXPECT_EQ(error(port), "loaded");
  EXPECT_EQ(tls_files(port).size(), 6u);
  port.hosts.push_back(port.hosts.back());  // the same files
  EXPECT_EQ(error(port), "loaded");
  EXPECT_EQ(tls_files(port).size(), 6u);
}

TEST_F(ListenerTls, AnErrorNamesTheListenerAndItsFile) {
  route::HttpPort port{.bind = {}, .tls = true, .policy = {}, .hosts = {host("a", "a.example"), host("b", "b.example")}};
  const std::string key = port.hosts[1].tls->key_file;
  write("b-key.pem", "no key");
  EXPECT_THAT(error(port), AllOf(HasSubstr("Gateway shop/front listener b"), HasSubstr(key)));
  std::filesystem::remove(key);
  EXPECT_THAT(error(port), AllOf(HasSubstr("Gateway shop/front listener b"), HasSubstr(key)));
  EXPECT_THAT(tls_files(port), testing::Contains(key)) << "it is watched also while it is missing";
  write("b-key.pem", ca_.server({"x.example"}).key_pem);
  EXPECT_THAT(error(port), HasSubstr("is not that of the first certificate"));
  write("b.pem", std::string(pki::kMaxBundleSize + 1, 'x'));
  EXPECT_THAT(error(port), AllOf(HasSubstr("listener b"), HasSubstr("b.pem")));
  port.hosts[1].tls.reset();
  EXPECT_THAT(error(port), HasSubstr("has no certificate"));
}

TEST_F(ListenerTls, ClientCertificatesAreAskedForInOneWay) {
  route::HttpPort port{.bind = {}, .tls = true, .policy = {}, .hosts = {host("a", "a.example"), host("b", "b.example")}};
  route::ListenerTls& tls = *port.hosts[0].tls;
  tls.client_auth = route::ListenerTls::ClientAuth::required;
  tls.client_ca_file = write("clients.pem", "nothing");
  EXPECT_THAT(error(port), AllOf(HasSubstr("listener a"), HasSubstr("clients.pem")));
  write("clients.pem", ca_.pem());
  EXPECT_THAT(error(port), AllOf(HasSubstr("listener a"), HasSubstr("listener b"), HasSubstr("different ways")));
  port.hosts[1].tls->client_auth = tls.client_auth;
  port.hosts[1].tls->client_ca_file = tls.client_ca_file;
  EXPECT_EQ(error(port), "loaded");
  EXPECT_EQ(tls_files(port).size(), 5u);
}

}  // namespace
}  // namespace fairlead::http_plugin
