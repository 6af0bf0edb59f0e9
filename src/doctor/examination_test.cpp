#include "doctor/examination.h"

#include <gmock/gmock.h>

#include "doctor/probe_world.h"

namespace fairlead::doctor {
namespace {

using testing::HasSubstr;
using testing::Not;

TEST(Examination, OfAGoodPathFindsNothingWrong) {
  ProbeWorld world;
  const Report report = world.examine();
  EXPECT_EQ(report.status(), Status::ok) << report_text(report);
  ASSERT_EQ(report.findings.size(), std::size(kChecks));
  for (std::string_view check : kChecks) EXPECT_EQ(finding(report, check).status, Status::ok) << report_text(report);
  EXPECT_NEAR(number(finding(report, "rtt"), "median_ms"), 40, 2);
  EXPECT_EQ(number(finding(report, "loss"), "loss_up"), 0);
  EXPECT_EQ(number(finding(report, "path-mtu"), "mtu_up"), 1500);
  EXPECT_EQ(number(finding(report, "path-mtu"), "mtu_down"), 1500);
  EXPECT_EQ(number(finding(report, "nat"), "remembers_s"), 30);
  EXPECT_LT(report.took, 90s);
}

TEST(Examination, FindsLossInBothDirections) {
  for (std::uint64_t seed = 1; seed <= 5; seed++) {
    ProbeWorld world({.seed = seed, .rtt = 40ms, .loss = 0.05});
    const Report report = world.examine({"rtt", "loss"});
    const Finding& loss = finding(report, "loss");
    EXPECT_EQ(loss.status, Status::warning) << loss.summary;
    EXPECT_NEAR(number(loss, "loss_up"), 0.05, 0.045) << seed;
    EXPECT_NEAR(number(loss, "loss_down"), 0.05, 0.045) << seed;
    EXPECT_THAT(loss.advice, Not(HasSubstr("link first"))) << seed;  // neither is the worse one
  }
}

TEST(Examination, TellsWhichDirectionLoses) {
  ProbeWorld world;
  world.net.path(world.edge_host, world.cloud_host).options().loss = 0.2;
  const Report report = world.examine({"loss"});
  const Finding& loss = finding(report, "loss");
  EXPECT_EQ(loss.status, Status::problem);
  EXPECT_NEAR(number(loss, "loss_up"), 0.2, 0.09);
  EXPECT_EQ(number(loss, "loss_down"), 0);
  EXPECT_THAT(loss.advice, HasSubstr("uplink"));
}

TEST(Examination, FindsTheNarrowestPacketThatPasses) {
  ProbeWorld world({.rtt = 40ms, .mtu = 1337});
  const Report report = world.examine({"path-mtu"});
  const Finding& mtu = finding(report, "path-mtu");
  EXPECT_EQ(mtu.status, Status::warning) << mtu.summary;
  EXPECT_LE(number(mtu, "mtu_up"), 1337);
  EXPECT_GE(number(mtu, "mtu_up"), 1337 - 4);
  EXPECT_GE(number(mtu, "mtu_down"), 1228);
  EXPECT_LE(number(mtu, "mtu_down"), 1337);
}

TEST(Examination, TellsAPathThatIsTooNarrowFromOneThatIsBlocked) {
  ProbeWorld world({.rtt = 40ms, .mtu = 1000});
  const Report report = world.examine({"udp", "path-mtu"});
  const Finding& udp = finding(report, "udp");
  EXPECT_EQ(udp.status, Status::problem);
  EXPECT_THAT(udp.summary, HasSubstr("small packets are answered"));
  EXPECT_EQ(finding(report, "path-mtu").status, Status::unknown);
}

TEST(Examination, TellsThatUdpIsBlockedWhileTcpWorks) {
  ProbeWorld world;
  const auto listener = world.cloud_host.listen({net::IpAddress(), ProbeWorld::kPort}).value();
  world.net.path(world.edge_host, world.cloud_host).options().loss = 1;
  const Report report = world.examine();
  const Finding& udp = finding(report, "udp");
  EXPECT_EQ(udp.status, Status::problem);
  EXPECT_THAT(udp.summary, HasSubstr("silence"));
  EXPECT_THAT(udp.meaning, HasSubstr("UDP is dropped on the way"));
  EXPECT_EQ(finding(report, "tcp").status, Status::ok);
  for (const char* check : {"identity", "clock", "rtt", "loss", "path-mtu", "nat", "throughput"})
    EXPECT_EQ(finding(report, check).status, Status::unknown) << check;
  EXPECT_EQ(report.status(), Status::problem);
}

TEST(Examination, TellsThatNothingListens) {
  ProbeWorld world;
  Order order = world.order();
  order.cloud.port = 9999;
  const Finding udp = finding(world.examine(std::move(order)), "udp");
  EXPECT_EQ(udp.status, Status::problem);
  EXPECT_THAT(udp.summary, HasSubstr("refused"));
  EXPECT_THAT(udp.advice, HasSubstr("9999"));
}

TEST(Examination, TellsThatNobodyIsThere) {
  ProbeWorld world;
  world.net.set_up(world.edge_host, world.cloud_host, false);
  const Report report = world.examine();
  EXPECT_THAT(finding(report, "udp").meaning, HasSubstr("Neither UDP nor TCP"));
  EXPECT_EQ(finding(report, "tcp").status, Status::warning);
}

TEST(Examination, TellsThatTheNameIsUnknown) {
  ProbeWorld world;
  Order order = world.order();
  order.cloud.host = "nobody.example";
  const Report report = world.examine(std::move(order));
  EXPECT_EQ(finding(report, "name-resolution").status, Status::problem);
  EXPECT_EQ(finding(report, "udp").status, Status::unknown);
}

TEST(Examination, FindsHowLongANatRemembers) {
  ProbeWorld world;
  world.edge_host.set_nat(world.net.nat(ip("198.51.100.9"), 12s));
  const Report report = world.examine({"nat"});
  const Finding& nat = finding(report, "nat");
  EXPECT_EQ(nat.status, Status::ok) << nat.summary;
  EXPECT_EQ(number(nat, "remembers_s"), 10);
  EXPECT_EQ(number(nat, "forgets_after_s"), 15);
  EXPECT_THAT(nat.summary, HasSubstr("10.0.0.5 is seen as 198.51.100.9"));
  EXPECT_THAT(nat.summary, HasSubstr("comes from another port"));
}

TEST(Examination, TellsThatTheSignOfLifeIsTooSeldom) {
  ProbeWorld world;
  world.edge_host.set_nat(world.net.nat(ip("198.51.100.9"), 12s));
  Order order = world.order({"nat"});
  order.keep_alive = 20s;
  Finding nat = finding(world.examine(std::move(order)), "nat");
  EXPECT_EQ(nat.status, Status::problem) << nat.summary;
  EXPECT_THAT(nat.advice, HasSubstr("link.keepAlive"));
  order = world.order({"nat"});
  order.keep_alive = 8s;
  nat = finding(world.examine(std::move(order)), "nat");
  EXPECT_EQ(nat.status, Status::warning) << nat.summary;
}

TEST(Examination, OfALossyPathDoesNotBlameTheNat) {
  for (std::uint64_t seed = 1; seed <= 5; seed++) {
    ProbeWorld world({.seed = seed, .rtt = 40ms, .loss = 0.1});
    world.edge_host.set_nat(world.net.nat(ip("198.51.100.9"), 120s));
    const Finding nat = finding(world.examine({"nat"}), "nat");
    EXPECT_EQ(nat.status, Status::ok) << seed << ": " << nat.summary;
    EXPECT_EQ(number(nat, "remembers_s"), 30) << seed;
  }
}

TEST(Examination, FindsTheRateOfThePathBothWays) {
  ProbeWorld world({.rtt = 40ms, .rate = 20'000'000, .queue = 100});
  world.net.path(world.edge_host, world.cloud_host).options().rate = 5'000'000;
  const Report report = world.examine({"throughput"});
  const Finding& f = finding(report, "throughput");
  EXPECT_NEAR(number(f, "udp_down_mbit"), 18, 4) << f.summary;
  EXPECT_NEAR(number(f, "udp_up_mbit"), 4.5, 1) << f.summary;
  EXPECT_THAT(f.summary, HasSubstr("not compared with TCP: the cloud takes no connections over TCP"));
}

TEST(Examination, ComparesUdpWithTcp) {
  ProbeWorld world({.rtt = 40ms, .rate = 20'000'000, .queue = 100});
  world.serve_tcp();
  const Report report = world.examine({"throughput"});
  const Finding& f = finding(report, "throughput");
  EXPECT_EQ(f.status, Status::ok) << f.summary;
  for (const char* way : {"udp_up_mbit", "udp_down_mbit", "tcp_up_mbit", "tcp_down_mbit"}) EXPECT_NEAR(number(f, way), 18, 4) << f.summary;
  EXPECT_EQ(f.meaning, "");
}

// Datagrams from the cloud beyond so many bits a second are dropped.
void throttle(ProbeWorld& world, double rate) {
  world.net.path(world.cloud_host, world.edge_host)
      .set_filter([&world, rate, left = 30'000.0, at = world.loop.now()](const net::Datagram& d) mutable {
        const TimePoint now = world.loop.now();
        left = std::min(30'000.0, left + std::chrono::duration<double>(now - at).count() * rate / 8);
        at = now;
        const auto size = static_cast<double>(d.payload.size());
        if (size > left) return false;
        left -= size;
        return true;
      });
}

TEST(Examination, TellsThatUdpIsHeldBack) {
  ProbeWorld world({.rtt = 40ms, .rate = 20'000'000, .queue = 100});
  world.serve_tcp();
  throttle(world, 3e6);
  const Report report = world.examine({"throughput"});
  const Finding& f = finding(report, "throughput");
  EXPECT_EQ(f.status, Status::problem) << f.summary;
  EXPECT_LT(number(f, "udp_down_mbit"), 3.2);
  EXPECT_NEAR(number(f, "tcp_down_mbit"), 18, 4);
  EXPECT_THAT(f.meaning, HasSubstr("from the cloud"));
  EXPECT_NE(f.advice, "");
}

TEST(Examination, TellsThatTheCloudRefusesThisEdge) {
  ProbeWorld world;
  const pki::TestPki other(pki::KeyKind::ed25519, world.loop.wall_now());
  const pki::PrivateKey key = pki::PrivateKey::generate(pki::KeyKind::ed25519);
  auto foreign = other.ca.issue_edge(NodeName::parse("edge-a").value(), key.public_key(), world.loop.wall_now()).value();
  Order order = world.order({"certificate", "identity"});
  order.credentials = pki::Credentials::make({foreign}, key, world.pki.trust()).value();
  const Report report = world.examine(std::move(order));
  const Finding& f = finding(report, "identity");
  EXPECT_EQ(f.status, Status::problem);
  EXPECT_THAT(f.summary, HasSubstr("the cloud refuses this edge"));
  EXPECT_EQ(finding(report, "certificate").status, Status::problem);
  EXPECT_EQ(world.server->counters().refused, 1u);
}

TEST(Examination, TellsThatTheCloudIsAnother) {
  ProbeWorld world;
  world.net.add_name("other.example", {ip("192.0.2.1")});
  Order order = world.order();
  order.cloud.host = "other.example";
  const Report report = world.examine(std::move(order));
  const Finding& f = finding(report, "identity");
  EXPECT_EQ(f.status, Status::problem);
  EXPECT_THAT(f.summary, HasSubstr("this edge refuses the cloud"));
  EXPECT_EQ(finding(report, "loss").status, Status::unknown);
  EXPECT_EQ(finding(report, "path-mtu").status, Status::ok);  // needs no certificate
}

TEST(Examination, AsksForTheClockAlsoWhereItMakesTheCloudsCertificateWrong) {
  ProbeWorld world;
  world.trust.replace(world.pki.cloud("cloud.example", 1h));
  world.endpoint->serve({world.trust.credentials(), {std::string(kProbeAlpn)}});
  world.loop.run_for(2h);
  const Report report = world.examine({"identity", "clock"});
  EXPECT_EQ(finding(report, "identity").status, Status::problem);
  EXPECT_EQ(finding(report, "clock").status, Status::ok);
}

TEST(Examination, SaysWhatItDoesAndOnlyWhatWasAsked) {
  ProbeWorld world;
  std::vector<std::string> said;
  Order order = world.order({"certificate"});
  order.progress = [&](std::string_view what) { said.emplace_back(what); };
  Report report = world.examine(std::move(order));
  EXPECT_EQ(report.findings.size(), 1u);
  EXPECT_TRUE(said.empty());
  EXPECT_EQ(world.server->counters().served, 0u);
  order = world.order({"loss"});
  order.progress = [&](std::string_view what) { said.emplace_back(what); };
  report = world.examine(std::move(order));
  EXPECT_EQ(report.findings.size(), 1u);
  EXPECT_FALSE(said.empty());
}

}  // namespace
}  // namespace fairlead::doctor
