#include "quic/path_probe.h"

#include "quic/endpoint_ground.h"

namespace fairlead::quic {
namespace {

class PathProbe : public testing::Test {
 protected:
  std::vector<ProbeId> answers_to(Bytes packet) {
    auto socket = ground_.socket(ground_.edge);
    EXPECT_EQ(socket->send({.to = ground_.cloud_address(), .from = {}, .data = packet, .segment = packet.size()}), net::SendOutcome::sent);
    ground_.loop.run_for(200ms);
    std::vector<ProbeId> answers;
    socket->receive(10, [&](const net::Datagram& datagram) {
      EXPECT_LT(datagram.payload.size(), 60u);
      if (const auto id = read_probe_answer(datagram.payload)) answers.push_back(*id);
    });
    return answers;
  }
  EndpointGround ground_;
};

TEST_F(PathProbe, AServerAnswersItWithItsId) {
  auto server = ground_.echoing();
  const ProbeId id = new_probe_id();
  EXPECT_EQ(answers_to(make_probe(id)), std::vector{id});
  EXPECT_EQ(server->connections(), 0u);
  EXPECT_EQ(server->counters().version_negotiations, 1u);
}

TEST_F(PathProbe, WhoServesNobodyIsSilent) {
  auto server = ground_.endpoint(ground_.cloud, EndpointGround::kPort);
  EXPECT_TRUE(answers_to(make_probe(new_probe_id())).empty());
}

TEST_F(PathProbe, WhatIsNoAnswerIsNone) {
  EXPECT_FALSE(read_probe_answer({}));
  const std::vector<std::byte> probe = make_probe(new_probe_id());
  EXPECT_FALSE(read_probe_answer(probe));
  std::vector<std::byte> short_header(100, std::byte{0x40});
  EXPECT_FALSE(read_probe_answer(short_header));
}

}  // namespace
}  // namespace fairlead::quic
