// TLS with a peer that is not GnuTLS: the openssl program, as client and as server.
#include <gmock/gmock.h>

#include <fstream>
#include <thread>

#include "net/real_network.h"
#include "net/tls_fixture.h"
#include "runtime/asio_loop.h"

namespace fairlead::net {
namespace {

using testing::HasSubstr;

constexpr const char* kVersions[] = {"-tls1_2", "-tls1_3"};

class TlsForeign : public testing::Test {
 protected:
  TlsForeign() {
    write("ca.pem", ca_.pem());
    const TlsCertificate certificate = ca_.server({"server.example"});
    write("cert.pem", certificate.chain_pem);
    write("key.pem", certificate.key_pem);
  }
  void write(const std::string& name, const std::string& text) { std::ofstream(folder_ / name) << text; }

  TestCa ca_;
  pki::TestFolder folder_;
  AsioLoop loop_;
  RealNetwork network_{loop_};
};

Task<void> answer_one(Loop& loop, Network& network, Listener& listener, std::shared_ptr<const TlsServer> server) {
  auto incoming = co_await listener.accept();
  TlsPeer peer;
  auto stream = co_await server->accept(loop, network.adopt(std::move(incoming).value()), peer);
  EXPECT_TRUE(stream) << stream.error().describe();
  if (!stream) co_return;
  EXPECT_EQ(peer.server_name, "server.example");
  std::byte buffer[64];
  auto n = co_await (*stream)->read(buffer);
  EXPECT_TRUE(n);
  if (n) {
    auto written = co_await (*stream)->write(std::span(buffer).first(*n));
    EXPECT_TRUE(written);
  }
  EXPECT_TRUE((*stream)->shut());
  n = co_await (*stream)->read(buffer);
  EXPECT_TRUE(n && *n == 0) << (n ? "more" : n.error().describe());
}

TEST_F(TlsForeign, OpensslIsServed) {
  auto listener = static_cast<Network&>(network_).listen({IpAddress::loopback_v4(), 0}).value();
  for (const char* version : kVersions) {
    const std::string command = fmt::format(
        "cd {} && echo hello | timeout 20 openssl s_client -connect {} -servername server.example {} -CAfile ca.pem "
        "-verify_hostname server.example -verify_return_error -alpn http/1.1 -ign_eof",
        folder_.path().native(), listener->local().to_text(), version);
    pki::Ran ran;
    std::thread openssl([&] { ran = pki::run(command); });
    loop_.run(answer_one(loop_, network_, *listener, ca_.tls_server({"server.example"})));
    openssl.join();
    EXPECT_EQ(ran.status, 0) << ran.output;
    EXPECT_THAT(ran.output, HasSubstr("\nhello\n")) << version;
    EXPECT_THAT(ran.output, HasSubstr("ALPN protocol: http/1.1"));
    EXPECT_THAT(ran.output, HasSubstr("Verify return code: 0 (ok)"));
  }
}

Task<void> ask(Loop& loop, Network& network, std::shared_ptr<const TlsClient> client, SocketAddress at) {
  auto transport = co_await network.connect(at);
  EXPECT_TRUE(transport);
  if (!transport) co_return;
  auto stream = co_await client->connect(loop, *std::move(transport), "server.example");
  EXPECT_TRUE(stream) << stream.error().describe();
  if (!stream) co_return;
  auto written = co_await (*stream)->write(as_bytes("hello\n"));
  EXPECT_TRUE(written);
  std::byte buffer[64];
  auto n = co_await (*stream)->read(buffer);
  EXPECT_TRUE(n);
  if (n) EXPECT_EQ(as_text(Bytes(buffer).first(*n)), "olleh\n");
  EXPECT_TRUE((*stream)->shut());
  n = co_await (*stream)->read(buffer);
  EXPECT_TRUE(n && *n == 0) << (n ? "more" : n.error().describe());
}

TEST_F(TlsForeign, OpensslIsAsked) {
  for (const char* version : kVersions) {
    const std::string command =
        fmt::format("cd {} && timeout 20 openssl s_server -accept 127.0.0.1:0 -cert cert.pem -key key.pem {} -rev -naccept 3 2>&1",
                    folder_.path().native(), version);
    FILE* openssl = ::popen(command.c_str(), "re");
    std::string output;
    char line[256];
    while (output.find("ACCEPT 127.0.0.1:") == std::string::npos && ::fgets(line, sizeof line, openssl) != nullptr) output += line;
    const auto at = SocketAddress::parse(std::string_view(line).substr(7, std::string_view(line).size() - 8));
    ASSERT_TRUE(at) << output;
    const auto client = ca_.tls_client();
    for (int i = 0; i < 3; i++) loop_.run(ask(loop_, network_, client, *at));
    while (::fgets(line, sizeof line, openssl) != nullptr) output += line;
    ::pclose(openssl);
    EXPECT_THAT(output, HasSubstr("CONNECTION ESTABLISHED")) << version;
  }
}

}  // namespace
}  // namespace fairlead::net
