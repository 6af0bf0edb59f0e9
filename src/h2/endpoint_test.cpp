#include "h2/endpoint_ground.h"

namespace fairlead::h2 {
namespace {

Task<std::unique_ptr<net::MuxStream>> accept_one(net::MuxConnection& by) {
  auto stream = co_await by.accept();
  co_return stream ? *std::move(stream) : nullptr;
}

TEST(Endpoint, AnIdleConnectionIsQuiet) {
  Pair pair;
  pair.loop().run_for(5s);
  const std::uint64_t before = pair.edge().stats().bytes_sent;
  EXPECT_EQ(pair.edge().stats().bytes_in_flight, 0u);
  pair.loop().run_for(60s);
  const std::uint64_t sent = pair.edge().stats().bytes_sent - before;
  EXPECT_GE(sent, 5u * 2 * 17) << "its own PINGs each 10 s, and answers to the other side's";
  EXPECT_LE(sent, 7u * 2 * 17);
}

TEST(Endpoint, AFlowCountsUntilThePeerHasAllOfIt) {
  Pair pair({.seed = 1, .rtt = 50ms, .rate = 1'000'000});
  Scope tasks(pair.loop());
  auto stream = pair.ground.run(net::mux_open(pair.edge()));
  tasks.spawn(net::mux_send(*stream, 200'000));
  auto far = pair.ground.run(accept_one(pair.cloud()));
  ASSERT_TRUE(far->shut());
  auto got = pair.ground.run(net::mux_read(*far));
  ASSERT_EQ(got.value(), 200'000u);
  EXPECT_GE(pair.edge().stats().streams, 1u) << "the edge has not heard that it came";
  stream.reset();
  far.reset();
  pair.loop().run_for(2s);
  EXPECT_EQ(pair.edge().stats().streams, 0u);
  EXPECT_EQ(pair.cloud().stats().streams, 0u);
}

TEST(Endpoint, OneThatStopsServingRefusesWhoDials) {
  EndpointGround ground;
  ground.server->stop_serving();
  const TimePoint before = ground.loop.now();
  auto refused = ground.run(ground.dial());
  ASSERT_FALSE(refused);
  EXPECT_LT(ground.loop.now() - before, 1s);
}

}  // namespace
}  // namespace fairlead::h2

namespace fairlead::net {
namespace {

INSTANTIATE_TEST_SUITE_P(H2, MuxContract,
                         testing::Values(MuxGroundKind{"H2", []() -> std::unique_ptr<MuxGround> { return std::make_unique<h2::Pair>(); }}),
                         [](const auto& info) { return std::string(info.param.name); });

}  // namespace
}  // namespace fairlead::net
