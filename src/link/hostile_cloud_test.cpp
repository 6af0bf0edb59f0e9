// A cloud whose certificate is good and whose answers are not: the edge says why it has no session, and tries again.
#include <gtest/gtest.h>

#include "link/link_world.h"

namespace fairlead::link {
namespace {

class HostileCloud : public ::testing::Test {
 protected:
  HostileCloud() {
    world.cloud_tasks.reset();
    world.cloud_link.reset();
    tasks.spawn(serve());
  }
  ~HostileCloud() override {
    tasks.cancel_now();
    connections.clear();
  }

  // Answers each Hello with `answer`; keeps the connection open.
  Task<void> serve() {
    for (;;) {
      auto connection = co_await world.endpoint->accept();
      if (!connection) co_return;
      connections.push_back(*std::move(connection));
      tasks.spawn(greet(*connections.back()));
    }
  }
  Task<void> greet(net::MuxConnection& connection) {
    auto control = co_await connection.accept();
    if (!control) co_return;
    auto hello = co_await read_frame(**control);
    if (!hello) co_return;
    hellos++;
    if (close_with) connection.close(static_cast<std::uint64_t>(*close_with), "not today");
    if (!answer.empty()) {
      auto written = co_await (*control)->write(answer);
      static_cast<void>(written);
    }
    auto until_the_end = co_await connection.closed();
    static_cast<void>(until_the_end);
  }

  void expect_no_session(std::string_view why) {
    TestEdge& edge = world.edge("edge-a");
    world.loop.run_for(world.session.hello_timeout + 5s);
    EXPECT_EQ(edge.link->session(), nullptr);
    EXPECT_NE(edge.link->status().last_error.find(why), std::string::npos) << edge.link->status().last_error;
    EXPECT_GT(hellos, 1) << "it does not try again";
    EXPECT_LT(hellos, 40) << "it tries too often";
  }

  CapturedLog log;
  LinkWorld world{sim::LinkOptions{.rtt = 20ms}};
  std::vector<std::byte> answer;
  std::optional<wire::SessionCode> close_with;
  int hellos = 0;
  std::vector<std::unique_ptr<net::MuxConnection>> connections;
  Scope tasks{world.loop};
};

TEST_F(HostileCloud, ThatNeverAnswersIsGivenUpInTime) { expect_no_session("wait for HelloReply: no answer in time"); }

TEST_F(HostileCloud, ThatAnswersGarbageIsNotBelieved) {
  answer = {std::byte{3}, std::byte{0xff}, std::byte{0xff}, std::byte{0xff}};
  expect_no_session("malformed HelloReply");
}

TEST_F(HostileCloud, ThatAnswersWithoutEndIsCutOff) {
  answer.assign(16, std::byte{0xff});
  expect_no_session("at most 65536 are allowed");
}

TEST_F(HostileCloud, ThatChoosesAVersionNobodyOfferedIsRefused) {
  answer = wire::encode(wire::HelloReply{.version = wire::kVersionMax + 1});
  expect_no_session("chose version 2");
}

TEST_F(HostileCloud, ThatClosesIsQuoted) {
  close_with = wire::SessionCode::overloaded;
  expect_no_session("not today");
}

TEST_F(HostileCloud, ThatRefusesIsQuoted) {
  answer = wire::encode(wire::HelloReply{.code = wire::SessionCode::revoked, .message = "you were sold"});
  expect_no_session("the cloud refused the session (REVOKED): you were sold");
}

TEST_F(HostileCloud, ThatSpeaksGarbageOnceThereIsASessionEndsIt) {
  answer = wire::encode(wire::HelloReply{.version = 1});
  const std::vector<std::byte> garbage = {std::byte{2}, std::byte{0x0a}, std::byte{0xff}};
  answer.insert(answer.end(), garbage.begin(), garbage.end());
  expect_no_session("malformed Control");
}

}  // namespace
}  // namespace fairlead::link
