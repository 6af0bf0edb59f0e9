#include <gmock/gmock.h>

#include "net/tls_world.h"
#include "runtime/timer.h"

namespace fairlead::net {
namespace {

using testing::AllOf;
using testing::HasSubstr;

std::string said(const TlsOutcome& outcome) { return outcome ? "connected" : outcome.error().describe(); }
std::string said(const Result<void>& outcome) { return outcome ? "connected" : outcome.error().describe(); }
WallTime now() { return std::chrono::system_clock::now(); }

class TlsHandshake : public TlsWorld {
 protected:
  static pki::Draft draft() {
    return {.dns_names = {"server.example"}, .uses = {GNUTLS_KP_TLS_WWW_SERVER}, .from = now() - 1h, .to = now() + 1h};
  }
  static std::shared_ptr<const TlsServer> serve(TlsCertificate certificate) {
    TlsServerOptions options;
    options.certificates.push_back(std::move(certificate));
    return TlsServer::make(std::move(options)).value();
  }
};

TEST_F(TlsHandshake, AServerOfTheRightNameAndCaIsConnectedTo) {
  TlsPair pair = connect(ca_.tls_server({"server.example", "192.0.2.7"}), ca_.tls_client(), "server.example");
  ASSERT_TRUE(pair.dialled && pair.accepted) << said(pair.dialled) << said(pair.accepted);
  EXPECT_EQ(pair.peer.server_name, "server.example");
  EXPECT_EQ(pair.peer.alpn, "http/1.1");
  EXPECT_EQ(pair.peer.subject, "");
  EXPECT_FALSE(pair.peer.resumed);
}

TEST_F(TlsHandshake, TheCertificateMustBeForTheNameOrAddress) {
  const auto server = ca_.tls_server({"server.example", "192.0.2.7", "2001:db8::7", "*.wild.example"});
  const auto client = ca_.tls_client();
  for (const char* good : {"server.example", "SERVER.example", "server.example.", "192.0.2.7", "2001:db8::7", "a.wild.example"})
    EXPECT_EQ(said(connect(server, client, good).dialled), "connected") << good;
  for (const char* bad : {"other.example", "x.server.example", "192.0.2.8", "2001:db8::8", "wild.example", "a.b.wild.example", "example"}) {
    TlsPair pair = connect(server, client, bad);
    ASSERT_FALSE(pair.dialled) << bad;
    EXPECT_EQ(pair.dialled.error().code(), Code::unauthenticated) << bad;
    EXPECT_THAT(said(pair.dialled), AllOf(HasSubstr("another name"), HasSubstr(bad)));
  }
}

TEST_F(TlsHandshake, AnAddressIsNotSentAsSni) {
  TlsPair pair = connect(ca_.tls_server({"192.0.2.7"}), ca_.tls_client(), "192.0.2.7");
  EXPECT_EQ(said(pair.dialled), "connected");
  EXPECT_EQ(pair.peer.server_name, "");
}

TEST_F(TlsHandshake, AServerThatIsNotToBeTrustedIsRefusedWithTheReason) {
  const TestCa other;
  struct Case {
    const char* name;
    TlsCertificate certificate;
    const char* reason;
    const char* alert;
  };
  pki::Draft later = draft(), for_clients = draft();
  later.from = now() + 30min;
  for_clients.uses = {GNUTLS_KP_TLS_WWW_CLIENT};
  const Case cases[] = {
      {"another CA's", other.server({"server.example"}), "not issued by a CA that is trusted here", "UNKNOWN_CA"},
      {"not yet valid", ca_.drafted(later), "not valid yet", "CERTIFICATE_EXPIRED"},
      {"a client's", ca_.drafted(for_clients), "another use", "CERTIFICATE"},
  };
  for (const Case& c : cases) {
    TlsPair pair = connect(serve(c.certificate), ca_.tls_client(), "server.example");
    ASSERT_FALSE(pair.dialled) << c.name;
    EXPECT_EQ(pair.dialled.error().code(), Code::unauthenticated) << c.name;
    EXPECT_THAT(said(pair.dialled), HasSubstr(c.reason)) << c.name;
    // The server hears of it at the latest when it reads.
    std::string heard = said(pair.accepted);
    if (pair.accepted) {
      std::byte byte[1];
      auto n = loop_.run((*pair.accepted)->read(byte));
      ASSERT_FALSE(n) << c.name;
      heard = n.error().describe();
    }
    EXPECT_THAT(heard, HasSubstr(c.alert)) << c.name;
  }
}

std::time_t in_two_hours(std::time_t* into) {
  const std::time_t t = std::time(nullptr) + 7200;
  if (into != nullptr) *into = t;
  return t;
}

TEST_F(TlsHandshake, AServerThatHasExpiredSinceItWasLoadedIsRefused) {
  const auto server = serve(ca_.drafted(draft()));
  gnutls_global_set_time_function(&in_two_hours);
  TlsPair pair = connect(server, ca_.tls_client(), "server.example");
  gnutls_global_set_time_function(&std::time);
  EXPECT_THAT(said(pair.dialled), HasSubstr("it has expired: renew it"));
}

TEST_F(TlsHandshake, WithoutACaFileTheSystemsCasCount) {
  auto client = TlsClient::make({});
  ASSERT_TRUE(client) << client.error().describe();
  TlsPair pair = connect(ca_.tls_server({"server.example"}), *client, "server.example");
  EXPECT_THAT(said(pair.dialled), HasSubstr("not issued by a CA that is trusted here"));
}

TEST_F(TlsHandshake, VersionsBelow12AreRefused) {
  const auto server = ca_.tls_server({"server.example"});
  for (const char* good : {"NORMAL:-VERS-ALL:+VERS-TLS1.3", "NORMAL:-VERS-ALL:+VERS-TLS1.2"})
    EXPECT_EQ(said(raw(*server, {.priorities = good}).server), "connected") << good;
  for (const char* old : {"NORMAL:-VERS-ALL:+VERS-TLS1.1:+VERS-TLS1.0:%VERIFY_ALLOW_SIGN_WITH_SHA1",
                          "NORMAL:-VERS-ALL:+VERS-TLS1.2:-KX-ALL:+RSA", "NORMAL:-VERS-ALL:+VERS-TLS1.2:-CIPHER-ALL:+AES-128-CBC"}) {
    RawOutcome outcome = raw(*server, {.priorities = old});
    EXPECT_FALSE(outcome.server) << old;
    EXPECT_EQ(outcome.server.error().code(), Code::unsupported) << said(outcome.server);
    EXPECT_THAT(said(outcome.client), testing::AnyOf(HasSubstr("PROTOCOL_VERSION"), HasSubstr("HANDSHAKE_FAILURE"))) << old;
  }
}

TEST_F(TlsHandshake, AlpnIsAgreedOnWhereItIsOffered) {
  const auto server = ca_.tls_server({"server.example"});
  EXPECT_EQ(raw(*server, {.alpn = {"h2", "http/1.1"}}).peer.alpn, "http/1.1");
  RawOutcome without = raw(*server, {});
  EXPECT_EQ(said(without.server), "connected");
  EXPECT_EQ(without.peer.alpn, "");
  RawOutcome h2 = raw(*server, {.alpn = {"h2"}});
  EXPECT_EQ(h2.server.error().code(), Code::unsupported);
  EXPECT_THAT(said(h2.server), HasSubstr("ALPN"));
  EXPECT_THAT(said(h2.client), HasSubstr("NO_APPLICATION_PROTOCOL"));
}

// Which of several certificates a client is shown.
TEST_F(TlsHandshake, TheMostSpecificHostDecidesOnTheCertificate) {
  struct Case {
    const char* asked;
    const char* shown;  // its name in the certificate
  };
  TlsServerOptions options;
  for (const char* host : {"*.example.com", "shop.example.com", "*.a.example.com", "*.com"})
    options.certificates.push_back(ca_.server({std::string("is.") + (host[0] == '*' ? host + 2 : host)}, {host}));
  options.certificates.push_back(ca_.server({"is.default"}, {"other.example", "*.other.example"}));
  const Case cases[] = {
      {"shop.example.com", "is.shop.example.com"},
      {"SHOP.Example.COM", "is.shop.example.com"},
      {"www.example.com", "is.example.com"},
      {"x.y.example.com", "is.example.com"},  // Gateway API: one label or more
      {"x.shop.example.com", "is.example.com"},
      {"b.a.example.com", "is.a.example.com"},
      {"c.b.a.example.com", "is.a.example.com"},
      {"a.example.com", "is.example.com"},
      {"example.com", "is.com"},
      {"other.example", "is.default"},
      {"x.other.example", "is.default"},
      {"nobody.org", nullptr},
      {"com", nullptr},
      {"", nullptr},
  };
  const auto shown = [&](const TlsServer& server, const char* asked) {
    RawOutcome outcome = raw(server, {.server_name = asked});
    if (!outcome.client) {
      EXPECT_EQ(outcome.server.error().code(), Code::not_found);
      EXPECT_THAT(said(outcome.client), HasSubstr("UNRECOGNIZED_NAME"));
      return std::string("refused");
    }
    unsigned count = 0;
    const gnutls_datum_t* chain = gnutls_certificate_get_peers(outcome.session->native(), &count);
    return pki::Certificate::from_der(from_u8(chain->data, chain->size)).value().dns_names().front();
  };
  const auto without_default = TlsServer::make(options).value();
  for (const Case& c : cases) EXPECT_EQ(shown(*without_default, c.asked), c.shown == nullptr ? "refused" : c.shown) << c.asked;
  options.certificates.push_back(ca_.server({"is.the.default"}));
  const auto with_default = TlsServer::make(options).value();
  for (const Case& c : cases) EXPECT_EQ(shown(*with_default, c.asked), c.shown == nullptr ? "is.the.default" : c.shown) << c.asked;
}

TEST_F(TlsHandshake, ClientCertificatesAreAskedForAsConfigured) {
  using Auth = TlsServerOptions::ClientAuth;
  const TestCa other;
  pki::Draft drafted{.common_names = {"ann"}, .uses = {GNUTLS_KP_TLS_WWW_CLIENT}, .from = now() - 2h, .to = now() + 1h};
  pki::Draft expired = drafted, servers = drafted;
  expired.to = now() - 1h;
  servers.uses = {GNUTLS_KP_TLS_WWW_SERVER};
  const TlsCertificate good = ca_.drafted(drafted);
  struct Case {
    const char* name;
    std::optional<TlsCertificate> shows;
    Auth auth;
    const char* outcome;
  };
  const Case cases[] = {
      {"none shown, none asked for", {}, Auth::none, "connected"},
      {"shown, none asked for", good, Auth::none, "connected"},
      {"none shown, optional", {}, Auth::optional, "connected"},
      {"good, optional", good, Auth::optional, "connected"},
      {"good, required", good, Auth::required, "connected"},
      {"none shown, required", {}, Auth::required, "none was shown"},
      {"another CA's, optional", other.drafted(drafted), Auth::optional, "not issued by a CA that is trusted here"},
      {"another CA's, required", other.drafted(drafted), Auth::required, "not issued by a CA that is trusted here"},
      {"expired, required", ca_.drafted(expired), Auth::required, "it has expired"},
      {"a server's, required", ca_.drafted(servers), Auth::required, "another use"},
  };
  for (const Case& c : cases) {
    TlsServerOptions options;
    options.certificates.push_back(ca_.server({"server.example"}));
    options.client_auth = c.auth;
    options.client_ca_pem = ca_.pem();
    options.client_ca_file = "clients.pem";
    const auto server = TlsServer::make(std::move(options)).value();
    for (const char* version : {"NORMAL:-VERS-ALL:+VERS-TLS1.3", "NORMAL:-VERS-ALL:+VERS-TLS1.2"}) {
      // A client that shows whatever it has, whoever the server says that it trusts.
      RawOutcome outcome = raw(*server, {.priorities = version, .shows = c.shows});
      EXPECT_THAT(said(outcome.server), HasSubstr(c.outcome)) << c.name << " " << version;
      if (!outcome.server) EXPECT_EQ(outcome.server.error().code(), Code::unauthenticated) << c.name;
      const bool known = outcome.server && c.shows && c.auth != Auth::none;
      EXPECT_EQ(outcome.peer.subject, known ? "CN=ann" : "") << c.name << " " << version;
      EXPECT_EQ(outcome.peer.fingerprint.size(), known ? 64u : 0u) << c.name;
    }
  }
}

TEST_F(TlsHandshake, AClientShowsItsCertificateToThoseThatAsk) {
  TlsServerOptions options;
  options.certificates.push_back(ca_.server({"server.example"}));
  options.client_auth = TlsServerOptions::ClientAuth::required;
  options.client_ca_pem = ca_.pem();
  const auto asks = TlsServer::make(std::move(options)).value();
  const pki::Draft drafted{.common_names = {"ann"}, .uses = {GNUTLS_KP_TLS_WWW_CLIENT}, .from = now() - 1h, .to = now() + 1h};
  TlsClient::Options shows{.ca_pem = ca_.pem(), .certificate = ca_.drafted(drafted)};
  const auto client = TlsClient::make(shows).value();
  EXPECT_EQ(connect(asks, client, "server.example").peer.subject, "CN=ann");
  EXPECT_TRUE(connect(ca_.tls_server({"server.example"}), client, "server.example").accepted);
  shows.certificate->key_pem = pki::PrivateKey::generate().to_pem().reveal();
  EXPECT_THAT(TlsClient::make(shows).error().describe(), HasSubstr("is not that of the first certificate in server.pem"));
}

TEST_F(TlsHandshake, WhatCannotBeServedIsRefusedWithItsFile) {
  const auto error = [](TlsServerOptions options) {
    auto server = TlsServer::make(std::move(options));
    if (server) return std::string("made");
    EXPECT_EQ(server.error().code(), Code::invalid);
    return server.error().describe();
  };
  const TlsCertificate good = ca_.server({"server.example"});
  const auto with = [&](auto change) {
    TlsServerOptions options;
    options.certificates.push_back(good);
    change(options, options.certificates.front());
    return options;
  };
  pki::Draft expired = draft();
  expired.to = now() - 1min;
  using Options = TlsServerOptions;
  EXPECT_THAT(error({}), HasSubstr("without a certificate"));
  EXPECT_EQ(error(with([](Options&, TlsCertificate&) {})), "made");
  EXPECT_THAT(error(with([](Options&, TlsCertificate& c) { c.chain_pem = "x"; })), HasSubstr("server.pem"));
  EXPECT_THAT(error(with([](Options&, TlsCertificate& c) { c.chain_pem.resize(200); })), HasSubstr("server.pem"));
  EXPECT_THAT(error(with([](Options&, TlsCertificate& c) { c.key_pem = "x"; })), HasSubstr("server-key.pem"));
  EXPECT_THAT(error(with([&](Options&, TlsCertificate& c) { c.key_pem = ca_.server({"a.example"}).key_pem; })),
              AllOf(HasSubstr("server.pem"), HasSubstr("server-key.pem")));
  EXPECT_THAT(error(with([&](Options&, TlsCertificate& c) { c = ca_.drafted(expired); })),
              AllOf(HasSubstr("server.pem"), HasSubstr("expired")));
  const auto asking = [&](std::string ca) {
    return with([&](Options& o, TlsCertificate&) {
      o.client_auth = Options::ClientAuth::optional;
      o.client_ca_file = "clients.pem";
      o.client_ca_pem = std::move(ca);
    });
  };
  EXPECT_EQ(error(asking(ca_.pem())), "made");
  EXPECT_THAT(error(asking("")), HasSubstr("clients.pem"));
  EXPECT_THAT(error(asking(good.chain_pem)), AllOf(HasSubstr("clients.pem"), HasSubstr("not a CA's")));
  EXPECT_EQ(TlsClient::make({.ca_pem = "x"}).error().code(), Code::invalid);
}

Task<void> read_one_and_shut(Stream& stream) {
  std::byte byte[1];
  auto n = co_await stream.read(byte);
  EXPECT_TRUE(n && *n == 1);
  EXPECT_TRUE(stream.shut());
  n = co_await stream.read(byte);
  EXPECT_TRUE(n && *n == 0);
}
Task<void> write_one_and_shut(Stream& stream) {
  auto written = co_await stream.write(as_bytes("x"));
  EXPECT_TRUE(written && stream.shut());
  std::byte byte[1];
  auto n = co_await stream.read(byte);
  EXPECT_TRUE(n && *n == 0);
}
Task<void> converse(Loop& loop, Stream& near, Stream& far) {
  Scope scope(loop);
  scope.spawn(read_one_and_shut(near));
  scope.spawn(write_one_and_shut(far));
  co_await scope.done();
}

TEST_F(TlsHandshake, ASessionIsResumedForItsServerNameOnly) {
  const auto server = ca_.tls_server({"a.example", "b.example"});
  const auto client = ca_.tls_client();
  const auto visit = [&](std::string name) {
    TlsPair pair = connect(server, client, std::move(name));
    EXPECT_TRUE(pair.dialled && pair.accepted);
    loop_.run(converse(loop_, **pair.dialled, **pair.accepted));
    return pair.peer;
  };
  EXPECT_FALSE(visit("a.example").resumed);
  EXPECT_FALSE(visit("b.example").resumed);
  const TlsPeer again = visit("a.example");
  EXPECT_TRUE(again.resumed);
  EXPECT_EQ(again.server_name, "a.example");
  EXPECT_EQ(again.alpn, "http/1.1");
  EXPECT_TRUE(visit("b.example").resumed);

  // A server with new certificates has a new ticket key: all begin anew.
  const auto reloaded = ca_.tls_server({"a.example"});
  TlsPair pair = connect(reloaded, client, "a.example");
  EXPECT_EQ(said(pair.dialled), "connected");
  EXPECT_FALSE(pair.peer.resumed);
}

TEST_F(TlsHandshake, AResumedClientIsStillWhoItWas) {
  TlsServerOptions options;
  options.certificates.push_back(ca_.server({"server.example"}));
  options.client_auth = TlsServerOptions::ClientAuth::required;
  options.client_ca_pem = ca_.pem();
  const auto server = TlsServer::make(std::move(options)).value();
  const pki::Draft drafted{.common_names = {"ann"}, .uses = {GNUTLS_KP_TLS_WWW_CLIENT}, .from = now() - 1h, .to = now() + 1h};
  for (const char* version : {"NORMAL:-VERS-ALL:+VERS-TLS1.3", "NORMAL:-VERS-ALL:+VERS-TLS1.2"}) {
    RawClient client{.priorities = version, .server_name = "server.example", .shows = ca_.drafted(drafted)};
    RawOutcome first = raw(*server, client);
    ASSERT_TRUE(first.server) << said(first.server);
    loop_.run(converse(loop_, *first.dialled, **first.server));
    pki::Datum data;
    ASSERT_EQ(gnutls_session_get_data2(first.session->native(), data.out()), 0);
    client.resumes = data.text();
    RawOutcome second = raw(*server, client);
    ASSERT_TRUE(second.server) << said(second.server);
    EXPECT_TRUE(second.peer.resumed) << version;
    EXPECT_EQ(second.peer.subject, "CN=ann") << version;
    EXPECT_EQ(second.peer.fingerprint, first.peer.fingerprint) << version;
    EXPECT_EQ(second.peer.server_name, "server.example") << version;
  }
}

Task<void> say(Stream& stream, std::string text) {
  auto written = co_await stream.write(as_bytes(text));
  EXPECT_TRUE(written);
  std::byte buffer[256];
  for (;;) {
    auto n = co_await stream.read(buffer);
    if (!n || *n == 0) break;
  }
}
Task<TlsOutcome> accept_from_one_who_says(Loop& loop, const TlsServer& server, std::unique_ptr<Stream> near, std::unique_ptr<Stream> far,
                                          std::string text) {
  TlsOutcome outcome = fail(Code::internal, "not yet");
  TlsPeer peer;
  Scope scope(loop);
  Scope speaking(loop);
  speaking.spawn(say(*near, std::move(text)));
  scope.spawn(store_accepted(loop, server, std::move(far), outcome, peer));
  co_await scope.done();
  co_return outcome;
}

TEST_F(TlsHandshake, WhatIsNoTlsIsToldApart) {
  struct Case {
    std::string_view text;
    const char* reason;
  };
  const auto server = ca_.tls_server({"server.example"});
  using namespace std::string_view_literals;
  const Case cases[] = {
      {"GET / HTTP/1.1\r\n\r\n", "plain HTTP at a TLS port"},
      {"OPTIONS * HTTP/1.1\r\n\r\n", "plain HTTP at a TLS port"},
      {"SSH-2.0-OpenSSH_9.2\r\n", "is not TLS"},
      {"\0\0\0\0\0\0\0\0"sv, "is not TLS"},
      {"\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00"sv, "TLS handshake with"},  // a ClientHello of one byte
      {"\x16\x03\x01\xff\xff\x01\x00\x00\x01\x00"sv, "TLS handshake with"},  // a record that is too long
      {"\x17\x03\x03\x00\x02hi"sv, "TLS handshake with"},                    // data before the handshake
      {"\x15\x03\x03\x00\x02\x02\x28"sv, "HANDSHAKE_FAILURE"},               // nothing but an alert
  };
  for (const Case& c : cases) {
    Transports ends = transports();
    const TimePoint begun = loop_.now();
    TlsOutcome outcome =
        loop_.run(accept_from_one_who_says(loop_, *server, std::move(ends.near), std::move(ends.far), std::string(c.text)));
    ASSERT_FALSE(outcome) << c.text;
    EXPECT_THAT(said(outcome), HasSubstr(c.reason)) << c.text;
    EXPECT_LT(loop_.now() - begun, 2s) << c.text;
  }
}

Task<Result<std::unique_ptr<Stream>>> accept_for_a_while(Loop& loop, std::shared_ptr<const TlsServer> server, std::unique_ptr<Stream> far) {
  TlsPeer peer;
  auto task = server->accept(loop, std::move(far), peer);
  auto stream = co_await with_deadline<std::unique_ptr<Stream>>(loop, loop.now() + 10s, "handshake", std::move(task));
  co_return stream;
}

TEST_F(TlsHandshake, AClientThatStallsIsLeftAtTheDeadline) {
  Transports ends = transports();
  std::ignore = ends.near->try_write(as_bytes("\x16\x03\x01\x02"));
  TlsOutcome outcome = loop_.run(accept_for_a_while(loop_, ca_.tls_server({"server.example"}), std::move(ends.far)));
  EXPECT_EQ(outcome.error().code(), Code::timeout);
  std::byte byte[1];
  EXPECT_EQ(loop_.run(ends.near->read(byte)).error().code(), Code::reset);
}

// Passes on `limit` bytes and then breaks off both ways, with a reset or with an end.
Task<void> pass_on(Stream& from, Stream& to, std::size_t& limit, bool reset) {
  std::byte buffer[16];
  for (;;) {
    auto n = co_await from.read(std::span(buffer).first(std::min<std::size_t>(sizeof buffer, std::max<std::size_t>(limit, 1))));
    if (!n || *n == 0 || limit == 0) break;
    limit -= *n;
    auto written = co_await to.write(std::span(buffer).first(*n));
    if (!written) break;
  }
  if (reset) {
    from.reset();
    to.reset();
  } else {
    std::ignore = to.shut();
    std::ignore = from.shut();
  }
}
Task<TlsPair> cut_handshake(Loop& loop, std::shared_ptr<const TlsServer> server, std::shared_ptr<const TlsClient> client, sim::Host& edge,
                            sim::Host& cloud, std::size_t limit, bool reset) {
  auto near = co_await sim::connect_pair(edge, cloud);
  auto far = co_await sim::connect_pair(cloud, cloud);
  Scope relay(loop);
  relay.spawn(pass_on(*near.far, *far.near, limit, reset));
  relay.spawn(pass_on(*far.near, *near.far, limit, reset));
  auto pair = co_await tls_pair(loop, std::move(server), std::move(client), "server.example", std::move(near.near), std::move(far.far));
  co_return pair;
}

TEST_F(TlsHandshake, AConnectionThatIsCutAnywhereFailsOnBothSides) {
  const auto server = ca_.tls_server({"server.example"});
  std::size_t whole = 0;
  for (bool reset : {true, false}) {
    for (std::size_t limit = 0;; limit += limit < 40 ? 1 : 61) {
      // A client of its own each time: nothing is resumed.
      TlsPair pair = loop_.run(cut_handshake(loop_, server, ca_.tls_client(), edge_, cloud_, limit, reset));
      if (pair.dialled && pair.accepted) {
        whole = limit;
        break;
      }
      ASSERT_LT(limit, 10'000u);
      for (const TlsOutcome* outcome : {&pair.dialled, &pair.accepted})
        if (!*outcome) EXPECT_EQ(outcome->error().code(), Code::reset) << limit << " " << said(*outcome);
    }
    EXPECT_GT(whole, 1000u);
  }
}

}  // namespace
}  // namespace fairlead::net
