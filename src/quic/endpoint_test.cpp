#include "quic/endpoint.h"

#include <gtest/gtest.h>

#include "quic/endpoint_ground.h"

namespace fairlead::quic {
namespace {

TEST(Endpoint, BytesComeBack) {
  EndpointGround ground;
  auto server = ground.echoing();
  auto client = ground.endpoint(ground.edge);
  Mux connection = ground.run(dial(*client, ground.cloud_address()));
  ASSERT_TRUE(connection);
  EXPECT_TRUE(ground.run(echo(ground.loop, *connection, 100'000)));
}

}  // namespace
}  // namespace fairlead::quic
