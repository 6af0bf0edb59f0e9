// ConnectionPolicy: what it says, and for which TCPRoute it is in force.
#include "route/connection_policy.h"

#include <gtest/gtest.h>

#include "route/test_manifests.h"

namespace fairlead::route {
namespace {

using namespace testing;

constexpr std::string_view kTarget = "{group: gateway.networking.k8s.io, kind: TCPRoute, name: r}";

std::string connection_policy(std::string_view spec, std::string_view target = kTarget, std::string_view metadata = "name: p") {
  return policy("ConnectionPolicy", metadata, fmt::format("targetRefs: [{}]{}{}", target, spec.empty() ? "" : ", ", spec));
}
std::string problems_of(std::string_view text) {
  Problems problems("f");
  decode_manifests(text, Format::yaml, problems);
  return to_text(problems.take());
}

const std::string kRules = gateway("name: g", "{name: db, port: 5432, protocol: TCP}, {name: dns, port: 53, protocol: UDP}") +
                           tcp_route("name: r", "{name: g}", backend_ref("name: b")) + backend("name: b", "nodeSelector: {}");

TEST(ConnectionPolicy, HoldsForItsRoute) {
  EXPECT_EQ(built(kRules)->tcp_listeners().at(0).policy, ConnectionPolicy());
  auto s = built(kRules + connection_policy("class: Bulk, onLinkDown: Wait, waitTimeout: 3s"));
  const ConnectionPolicy wanted{.traffic_class = wire::TrafficClass::bulk, .wait_for_link = true, .wait = 3s};
  EXPECT_EQ(s->tcp_listeners().at(0).policy, wanted);
  EXPECT_EQ(to_text(s->warnings()), "");
}

TEST(ConnectionPolicy, TheFirstByNameIsInForceAndTheOtherIsTold) {
  auto s =
      built(kRules + connection_policy("class: Bulk", kTarget, "name: z") + connection_policy("class: Background", kTarget, "name: a"));
  EXPECT_EQ(s->tcp_listeners().at(0).policy.traffic_class, wire::TrafficClass::background);
  EXPECT_NE(to_text(s->warnings()).find("not in force for TCPRoute default/r: ConnectionPolicy default/a comes before it"),
            std::string::npos)
      << to_text(s->warnings());
}

TEST(ConnectionPolicy, ATargetThatIsNoneIsTold) {
  const auto told = [&](std::string_view target, std::string_view what) {
    const std::string warnings = to_text(built(kRules + connection_policy("", target))->warnings());
    EXPECT_NE(warnings.find(what), std::string::npos) << warnings;
  };
  told("{group: gateway.networking.k8s.io, kind: UDPRoute, name: r}", "is no TCPRoute: ignored");
  told("{group: gateway.networking.k8s.io, kind: TCPRoute, name: x}", "TCPRoute default/x is not there");
  told("{group: gateway.networking.k8s.io, kind: TCPRoute, name: r, sectionName: s}", "has one rule and no sections");
}

TEST(ConnectionPolicy, IsCheckedAtTheLimitsAndOnePastThem) {
  for (const char* good : {"waitTimeout: 100ms", "waitTimeout: 24h", "onLinkDown: Fail", "class: Management"})
    EXPECT_EQ(problems_of(connection_policy(good)), "") << good;
  for (const char* bad : {"waitTimeout: 99ms", "waitTimeout: 25h", "onLinkDown: wait", "class: Urgent", "timeout: 5s"})
    EXPECT_NE(problems_of(connection_policy(bad)), "") << bad;
  EXPECT_EQ(find_duplicates(decoded(connection_policy("") + connection_policy(""))).size(), 1u);
}

}  // namespace
}  // namespace fairlead::route
