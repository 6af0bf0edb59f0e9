#include "kube/kubeconfig.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "kube/access.h"
#include "net/tls_fixture.h"

namespace fairlead::kube {
namespace {

using ::testing::HasSubstr;

std::string config(std::string_view cluster, std::string_view user) {
  return fmt::format(R"(apiVersion: v1
kind: Config
current-context: admin@here
contexts:
- name: other
  context: {{cluster: there, user: nobody}}
- name: admin@here
  context: {{cluster: here, user: admin, namespace: x}}
clusters:
- name: there
  cluster: {{server: "https://there.example"}}
- name: here
  cluster: {{{}}}
users:
- name: nobody
  user:
- name: admin
  user: {{{}}}
)",
                     cluster, user);
}
constexpr std::string_view kServer = R"(server: "https://10.0.0.2:6443")";

Result<Kubeconfig> parse(std::string_view cluster, std::string_view user, std::string_view context = "") {
  return parse_kubeconfig(config(cluster, user), "admin.conf", context);
}
std::string refused(std::string_view cluster, std::string_view user) {
  const auto made = parse(cluster, user);
  EXPECT_FALSE(made);
  return made ? "" : made.error().describe();
}

TEST(Kubeconfig, CurrentContextIsRead) {
  const auto made = parse(R"(server: "https://10.0.0.2:6443", certificate-authority-data: "YWJj", tls-server-name: kubernetes)",
                          "client-certificate-data: ZGVm, client-key: keys/admin.pem, token: abc");
  ASSERT_TRUE(made) << made.error().describe();
  EXPECT_EQ(made->server.to_text(), "10.0.0.2:6443");
  EXPECT_EQ(made->server_name, "kubernetes");
  EXPECT_EQ(made->ca.inlined.reveal(), "abc");
  EXPECT_EQ(made->certificate.inlined.reveal(), "def");
  EXPECT_EQ(made->key.file, "keys/admin.pem");
  EXPECT_EQ(made->token.inlined.reveal(), "abc");
}

TEST(Kubeconfig, ContextMayBeNamed) {
  const auto made = parse(kServer, "token: abc", "other");
  ASSERT_TRUE(made) << made.error().describe();
  EXPECT_EQ(made->server.to_text(), "there.example:443");
  EXPECT_EQ(made->server_name, "there.example");
  EXPECT_TRUE(made->token.empty());
  EXPECT_EQ(parse(kServer, "", "third").error().describe(), "admin.conf has no context \"third\"");
}

TEST(Kubeconfig, JsonIsReadToo) {
  const auto made = parse_kubeconfig(R"({"current-context":"a","contexts":[{"name":"a","context":{"cluster":"c","user":"u"}}],)"
                                     R"("clusters":[{"name":"c","cluster":{"server":"https://[2001:db8::1]:6443/k8s/clusters/c-1/"}}],)"
                                     R"("users":[{"name":"u","user":{"tokenFile":"/run/token"}}]})",
                                     "x.json");
  ASSERT_TRUE(made) << made.error().describe();
  EXPECT_EQ(made->server.host, "2001:db8::1");
  EXPECT_EQ(made->path, "/k8s/clusters/c-1");
  EXPECT_EQ(made->token.file, "/run/token");
}

TEST(Kubeconfig, WhatFairleadWillNotDoIsRefusedWithASentence) {
  EXPECT_THAT(refused(kServer, "exec: {command: aws}"),
              HasSubstr("user \"admin\" logs in by a program (exec), which Fairlead does not run: give"));
  EXPECT_THAT(refused(kServer, "auth-provider: {name: gcp}"), HasSubstr("(auth-provider)"));
  EXPECT_THAT(refused(kServer, "username: root, password: x"), HasSubstr("no API server takes any more"));
  EXPECT_THAT(refused(kServer, "token: a, as: root"), HasSubstr("acts as another (as)"));
  EXPECT_THAT(refused(R"(server: "https://a:1", insecure-skip-tls-verify: true)", "token: a"), HasSubstr("certificate-authority"));
  EXPECT_THAT(refused(R"(server: "https://a:1", proxy-url: "http://p")", "token: a"), HasSubstr("proxy-url"));
  EXPECT_THAT(refused(R"(server: "http://a:8080")", "token: a"), HasSubstr("over TLS only"));
}

TEST(Kubeconfig, WhatCannotBeReadIsRefusedWithItsPlace) {
  EXPECT_THAT(refused("name: x", "token: a"), HasSubstr("cluster \"here\": there is no server"));
  EXPECT_THAT(refused(R"(server: "https://")", "token: a"), HasSubstr("has no host"));
  EXPECT_THAT(refused(R"(server: "https://a:70000")", "token: a"), HasSubstr("has no host"));
  EXPECT_THAT(refused(R"(server: "https://a/b?c")", "token: a"), HasSubstr("its path"));
  EXPECT_THAT(refused(R"(server: "https://a:1", certificate-authority-data: "%%%")", "token: a"), HasSubstr("is not base64"));
  EXPECT_THAT(refused(kServer, "client-certificate: a.pem"), HasSubstr("but not both"));
  EXPECT_THAT(parse_kubeconfig("a: [b", "x.conf").error().describe(), HasSubstr("x.conf:"));
  EXPECT_THAT(parse_kubeconfig("- a", "x.conf").error().describe(), HasSubstr("no mapping"));
  EXPECT_THAT(parse_kubeconfig("", "x.conf").error().describe(), HasSubstr("no mapping"));
  EXPECT_THAT(parse_kubeconfig("clusters: []", "x.conf").error().describe(), HasSubstr("no current-context"));
}

TEST(Kubeconfig, Base64IsThatOfTheRfc) {
  const std::pair<const char*, const char*> good[] = {{"", ""},
                                                      {"Zg==", "f"},
                                                      {"Zm8=", "fo"},
                                                      {"Zm9v", "foo"},
                                                      {"Zm9vYg==", "foob"},
                                                      {"Zm9v\nYmE=\n", "fooba"},
                                                      {"Zm9vYmFy", "foobar"},
                                                      {"+/+/", "\xfb\xff\xbf"}};
  for (const auto& [text, bytes] : good) EXPECT_EQ(decode_base64(text), std::string(bytes)) << text;
  for (const char* bad : {"Z", "Zg", "Zg=", "Zg===", "Z===", "====", "Zg==Zg==", "Z-_=", "Zm9v!"}) EXPECT_FALSE(decode_base64(bad)) << bad;
}

class AccessTest : public ::testing::Test {
 protected:
  void write(const std::string& file, std::string_view text) { std::ofstream(dir / file) << text; }
  pki::TestFolder dir;
  net::TestCa ca;
};

TEST_F(AccessTest, FilesOfAKubeconfigAreRelativeToIt) {
  const pki::PrivateKey key = pki::PrivateKey::generate();
  const net::TlsCertificate own =
      ca.with(ca.ca.issue_edge(NodeName::parse("me").value(), key.public_key(), std::chrono::system_clock::now()).value(), key);
  write("ca.pem", ca.pem());
  write("me.pem", own.chain_pem);
  write("me-key.pem", own.key_pem);
  write("token", " abc\n");
  write("config", config(R"(server: "https://a.example:6443", certificate-authority: ca.pem)",
                         "client-certificate: me.pem, client-key: me-key.pem, tokenFile: token, token: old"));
  const auto access = access_by_kubeconfig({.file = dir / "config", .context = "", .more = {}});
  ASSERT_TRUE(access) << access.error().describe();
  EXPECT_EQ(access->servers.front().to_text(), "a.example:6443");
  EXPECT_EQ(access->server_name, "a.example");
  EXPECT_EQ(access->token.reveal(), "abc") << "the file goes before the text";
  write("token", "new");
  EXPECT_EQ(access_by_kubeconfig({.file = dir / "config", .context = "", .more = {}})->token.reveal(), "new");

  const auto others = access_by_kubeconfig({.file = dir / "config", .context = "", .more = {{"10.0.0.2", 6443}, {"a.example", 6443}}});
  ASSERT_EQ(others->servers.size(), 2U);
  EXPECT_EQ(others->servers[1].to_text(), "10.0.0.2:6443");
  EXPECT_EQ(others->server_name, "a.example") << "the certificate's name is that of the file";
}

TEST_F(AccessTest, FilesThatAreMissingOrWrongAreNamed) {
  write("config", config(R"(server: "https://a.example:6443", certificate-authority: ca.pem)", "token: abc"));
  const auto load = [&] { return access_by_kubeconfig({.file = dir / "config", .context = "", .more = {}}); };
  EXPECT_THAT(load().error().describe(), HasSubstr("ca.pem"));
  write("ca.pem", "no certificate");
  EXPECT_THAT(load().error().describe(), HasSubstr("ca.pem"));
  write("ca.pem", ca.pem());
  EXPECT_TRUE(load());
  write("config", config(R"(server: "https://a.example:6443", certificate-authority: ca.pem)", "token: \"a\\r\\nHost: b\""));
  EXPECT_THAT(load().error().describe(), HasSubstr("is not a token"));
}

TEST_F(AccessTest, PodFindsItsServerTokenAndCa) {
  const InClusterOptions options{.dir = dir.path(), .host = "10.96.0.1", .port = "443"};
  EXPECT_THAT(access_in_cluster(options).error().describe(), HasSubstr("ca.crt"));
  write("ca.crt", ca.pem());
  EXPECT_THAT(access_in_cluster(options).error().describe(), HasSubstr("token"));
  write("token", "");
  EXPECT_THAT(access_in_cluster(options).error().describe(), HasSubstr("is empty"));
  write("token", "abc\n");
  const auto access = access_in_cluster(options);
  ASSERT_TRUE(access) << access.error().describe();
  EXPECT_EQ(access->servers.front().to_text(), "10.96.0.1:443");
  EXPECT_EQ(access->server_name, "10.96.0.1");
  EXPECT_EQ(access->token.reveal(), "abc");
  EXPECT_THAT(access_in_cluster({.dir = dir.path(), .host = "a", .port = "x"}).error().describe(), HasSubstr("which is no port"));
}

}  // namespace
}  // namespace fairlead::kube
