#include <gtest/gtest.h>

#include "quic/engine_test_pair.h"

namespace fairlead::quic::test {
namespace {

using stateless::TokenCheck;

std::string_view leaf(const Engine& engine) {
  static std::string kept;
  const auto chain = engine.peer_chain();
  kept = chain.empty() ? "" : std::string(as_text(chain[0]));
  return kept;
}

// A connection whose ticket and token the next one may use.
Resumption first_connection(Scenario scenario = {}) {
  Pair pair(scenario);
  EXPECT_TRUE(pair.connect());
  EXPECT_TRUE(pair.run(1s, [&] { return pair.client.resumption && !pair.client.resumption->address_token.empty(); }));
  return pair.client.resumption.value_or(Resumption{});
}

}  // namespace

TEST(EngineHandshake, BothSidesShowTheirCertificates) {
  Pair pair;
  ASSERT_TRUE(pair.connect());
  EXPECT_EQ(leaf(*pair.client.engine), as_text(pair.scenario.server_credentials->certificate()->der()));
  EXPECT_EQ(leaf(*pair.server.engine), as_text(pair.scenario.client_credentials->certificate()->der()));
  EXPECT_EQ(pair.client.engine->alpn(), "fairlead/1");
  EXPECT_EQ(pair.server.engine->alpn(), "fairlead/1");
  EXPECT_FALSE(pair.client.engine->resumed());
  EXPECT_TRUE(pair.client.engine->established() && pair.server.engine->established());
  pair.run_for(1s);
  EXPECT_EQ(pair.client.handshakes, 1);
  EXPECT_EQ(pair.server.handshakes, 1);
  EXPECT_GE(pair.client.streams_allowed, 1);
}

TEST(EngineHandshake, EcdsaCertificatesDoAsWell) {
  const pki::TestPki pki(pki::KeyKind::p256);
  Scenario scenario;
  scenario.client_credentials = pki.edge();
  scenario.server_credentials = pki.cloud();
  Pair pair(scenario);
  ASSERT_TRUE(pair.connect());
  EXPECT_EQ(leaf(*pair.server.engine), as_text(scenario.client_credentials->certificate()->der()));
}

// Judging the certificate is for those above, after the handshake: they can say why in words.
TEST(EngineHandshake, AClientWithoutACertificateIsLetInToBeToldSo) {
  Scenario scenario;
  scenario.client_credentials = pki::Credentials::anonymous(test_pki().trust());
  Pair pair(scenario);
  ASSERT_TRUE(pair.connect());
  EXPECT_TRUE(pair.server.engine->peer_chain().empty());
}

TEST(EngineHandshake, TheServerTakesTheProtocolThatTheClientAsksFor) {
  Scenario scenario;
  scenario.client_alpn = "fairlead-join/1";
  Pair pair(scenario);
  ASSERT_TRUE(pair.connect());
  EXPECT_EQ(pair.server.engine->alpn(), "fairlead-join/1");
}

TEST(EngineHandshake, AnUnknownProtocolEndsItOnBothSidesWithTheSameAlert) {
  Scenario scenario;
  scenario.client_alpn = "fairlead/2";
  Pair pair(scenario);
  ASSERT_TRUE(pair.run(5s, [&] { return pair.client.how && pair.server.how; }));
  EXPECT_EQ(pair.client.handshakes + pair.server.handshakes, 0);
  for (const Side* side : {&pair.client, &pair.server}) {
    EXPECT_EQ(side->how->code, 0x100u + 120);  // no_application_protocol
    EXPECT_FALSE(side->how->application);
    EXPECT_NE(side->how->reason.find("TLS alert 120"), std::string::npos) << side->how->reason;
  }
  EXPECT_TRUE(pair.client.how->by_peer);
}

TEST(EngineHandshake, RetryProvesTheAddressAndTheConnectionComesUp) {
  Scenario scenario;
  scenario.retry = true;
  Pair pair(scenario);
  ASSERT_TRUE(pair.connect());
  EXPECT_EQ(pair.retries, 1);
  EXPECT_EQ(pair.last_token, TokenCheck::retried);
}

TEST(EngineHandshake, ATokenOfTheLastConnectionSavesTheRetry) {
  Scenario scenario;
  scenario.retry = true;
  scenario.resumption = first_connection(scenario);
  Pair pair(scenario);
  ASSERT_TRUE(pair.connect());
  EXPECT_EQ(pair.retries, 0);
  EXPECT_EQ(pair.last_token, TokenCheck::proved);
}

TEST(EngineHandshake, AResumedConnectionStillShowsBothCertificates) {
  Scenario scenario;
  scenario.resumption = first_connection(scenario);
  Pair pair(scenario);
  ASSERT_TRUE(pair.connect());
  EXPECT_TRUE(pair.client.engine->resumed());
  EXPECT_TRUE(pair.server.engine->resumed());
  EXPECT_EQ(leaf(*pair.client.engine), as_text(scenario.server_credentials->certificate()->der()));
  EXPECT_EQ(leaf(*pair.server.engine), as_text(scenario.client_credentials->certificate()->der()));
  ASSERT_TRUE(pair.run(1s, [&] { return pair.client.resumption.has_value(); }));  // and there is a ticket for the next time
}

TEST(EngineHandshake, ATicketOfAnotherServerMeansAFullHandshake) {
  Scenario scenario;
  scenario.resumption = first_connection(scenario);
  scenario.tickets = false;
  Pair pair(scenario);
  ASSERT_TRUE(pair.connect());
  EXPECT_FALSE(pair.client.engine->resumed());
  EXPECT_EQ(leaf(*pair.client.engine), as_text(scenario.server_credentials->certificate()->der()));
  pair.run_for(1s);
  EXPECT_FALSE(pair.client.resumption.has_value());
}

TEST(EngineHandshake, AGarbledTicketMeansAFullHandshake) {
  Scenario scenario;
  scenario.resumption = first_connection(scenario);
  for (std::size_t i = 20; i < scenario.resumption->ticket.size(); i += 7) scenario.resumption->ticket[i] ^= std::byte{0x55};
  Pair pair(scenario);
  ASSERT_TRUE(pair.connect());
  EXPECT_FALSE(pair.client.engine->resumed());
}

TEST(EngineHandshake, NobodyAnswersAndTheClientGivesUpInTime) {
  Scenario scenario;
  Pair pair(scenario);
  pair.cut = true;
  EXPECT_FALSE(pair.run(scenario.client.handshake_timeout - 100ms, [&] { return pair.client.how.has_value(); }));
  ASSERT_TRUE(pair.run(200ms, [&] { return pair.client.how.has_value(); }));
  EXPECT_FALSE(pair.client.how->orderly);
  EXPECT_NE(pair.client.how->reason.find("did not answer"), std::string::npos) << pair.client.how->reason;
  EXPECT_TRUE(pair.client.engine->finished());
  EXPECT_FALSE(pair.client.engine->alive());
}

TEST(EngineHandshake, AServerOfAnotherVersionIsGivenUpAtOnce) {
  Pair pair;
  std::vector<std::byte> first;
  pair.drop = [&](bool from_client, Bytes packet) {
    if (from_client) first.assign(packet.begin(), packet.end());
    return true;
  };
  ASSERT_TRUE(pair.run(5s, [&] { return !first.empty(); }));  // the first one is sent again
  const auto head = stateless::read_head(first);
  ASSERT_TRUE(head.has_value());
  // RFC 9000 17.2.1: the ids swapped, then the versions.
  std::vector<std::byte> answer(5, std::byte{0});
  answer[0] = std::byte{0xc0};
  for (const Bytes id : {head->scid, head->dcid}) {
    answer.push_back(static_cast<std::byte>(id.size()));
    answer.insert(answer.end(), id.begin(), id.end());
  }
  answer.insert(answer.end(), {std::byte{0x6b}, std::byte{0x33}, std::byte{0x43}, std::byte{0xcf}});
  pair.client.engine->feed({pair.client.engine->peer(), pair.client.engine->local(), net::Ecn::not_ect, answer}, pair.now);
  ASSERT_TRUE(pair.client.how.has_value());
  EXPECT_NE(pair.client.how->reason.find("version"), std::string::npos) << pair.client.how->reason;
  EXPECT_TRUE(pair.client.engine->finished());
}

TEST(EngineHandshake, APeerThatDiesInTheMiddleIsGivenUpToo) {
  Pair pair;
  pair.run(10s, [&] { return pair.server.engine != nullptr; });
  pair.cut = true;
  ASSERT_TRUE(pair.run(pair.scenario.server.handshake_timeout + 100ms, [&] { return pair.server.how.has_value(); }));
  EXPECT_FALSE(pair.server.how->orderly);
  EXPECT_TRUE(pair.server.engine->finished());
}

// Each packet of the handshake in turn, and each pair of neighbours.
TEST(EngineHandshake, SurvivesTheLossOfAnyOfItsPackets) {
  for (int first = 0; first < 14; first++) {
    for (int burst = 1; burst <= 2; burst++) {
      SCOPED_TRACE(testing::Message() << first << "+" << burst);
      int count = 0;
      Pair pair;
      // The client's first datagram left before anybody could drop it: counting begins with what follows.
      pair.drop = [&](bool, Bytes) {
        const int n = count++;
        return n >= first && n < first + burst;
      };
      ASSERT_TRUE(pair.connect(9s));
    }
  }
}

TEST(EngineHandshake, IdsAreAnnouncedAndTheirResetTokensToo) {
  Pair pair;
  ASSERT_TRUE(pair.connect());
  pair.run_for(1s);
  // Those that the peer may use: the spare ones, and for the server the one that the client made up.
  EXPECT_EQ(pair.client.ids.size(), 8u);
  EXPECT_EQ(pair.server.ids.size(), 9u);
  ASSERT_FALSE(pair.client.tokens.empty());
  for (const StatelessResetToken& token : pair.client.tokens) {
    bool known = false;
    for (const std::string& id : pair.server.ids)
      known = known || pair.server.cids.reset_token(ConnectionId::from(as_u8(as_bytes(id)), id.size())) == token;
    EXPECT_TRUE(known);
  }
}

TEST(EngineHandshake, NothingCanBeOpenedOrSentBeforeIt) {
  Pair pair;
  EXPECT_EQ(pair.client.engine->open_stream(net::Priority::interactive), nullptr);
  EXPECT_FALSE(pair.client.engine->send_datagram(as_bytes("early"), net::Priority::interactive));
  EXPECT_EQ(pair.client.engine->max_datagram(), 0u);
}

}  // namespace fairlead::quic::test
