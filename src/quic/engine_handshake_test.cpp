#include "quic/engine_test_pair.h"

namespace fairlead::quic::test {

TEST(EngineHandshake, BothSidesShowTheirCertificates) {
  Pair pair;
  ASSERT_TRUE(pair.connect());
  const auto shown_by_server = pair.client.engine->peer_chain(), shown_by_client = pair.server.engine->peer_chain();
  ASSERT_EQ(shown_by_server.size(), 1u);
  ASSERT_EQ(shown_by_client.size(), 1u);
  EXPECT_EQ(as_text(shown_by_server[0]), as_text(pair.scenario.server_credentials->certificate()->der()));
  EXPECT_EQ(as_text(shown_by_client[0]), as_text(pair.scenario.client_credentials->certificate()->der()));
  EXPECT_EQ(pair.client.engine->alpn(), "fairlead/1");
  EXPECT_EQ(pair.server.engine->alpn(), "fairlead/1");
  EXPECT_FALSE(pair.client.engine->resumed());
}

}  // namespace fairlead::quic::test
