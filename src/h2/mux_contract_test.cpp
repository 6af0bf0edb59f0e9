#include "h2/endpoint_ground.h"

namespace fairlead::net {
namespace {

INSTANTIATE_TEST_SUITE_P(H2, MuxContract,
                         testing::Values(MuxGroundKind{"H2", []() -> std::unique_ptr<MuxGround> { return std::make_unique<h2::Pair>(); }}),
                         [](const auto& info) { return std::string(info.param.name); });

}  // namespace
}  // namespace fairlead::net
