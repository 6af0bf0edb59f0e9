#include "net/mux_contract.h"

#include "quic/endpoint_ground.h"

namespace fairlead::net {
namespace {

class QuicPair final : public MuxGround {
 public:
  QuicPair() {
    server_ = ground_.endpoint(ground_.cloud, quic::EndpointGround::kPort);
    server_->serve(quic::test_server());
    client_ = ground_.endpoint(ground_.edge);
    edge_ = ground_.run(quic::dial(*client_, ground_.cloud_address()));
    cloud_ = ground_.run(server_->accept()).value();
  }
  ~QuicPair() override {
    edge_.reset();
    cloud_.reset();
  }
  SimLoop& loop() override { return ground_.loop; }

 private:
  quic::EndpointGround ground_{{.seed = 1, .rtt = 50ms, .rate = 100'000'000}};
  std::unique_ptr<quic::Endpoint> server_, client_;
};

INSTANTIATE_TEST_SUITE_P(Quic, MuxContract,
                         testing::Values(MuxGroundKind{"Quic",
                                                       []() -> std::unique_ptr<MuxGround> { return std::make_unique<QuicPair>(); }}),
                         [](const auto& info) { return std::string(info.param.name); });

}  // namespace
}  // namespace fairlead::net
