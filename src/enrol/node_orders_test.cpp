#include "enrol/node_orders.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "pki/files.h"
#include "pki/folder.h"
#include "pki/test_certificates.h"

namespace fairlead::enrol {
namespace {

using testing::HasSubstr;
using testing::Not;

const Actor kBy{"operator test", "cli"};
constexpr WallTime kNow{std::chrono::sys_days{std::chrono::year{2026} / 11 / 25}};

NodeName node(std::string_view name) { return NodeName::parse(name).value(); }

struct NodeOrders : testing::Test {
  pki::TestFolder outer;
  std::filesystem::path dir = outer / "cloud";
  std::optional<Registry> registry;
  std::optional<pki::Certificate> certificate;

  void SetUp() override {
    ASSERT_TRUE(pki::init_cloud_folder(dir, pki::HostName::parse_all({"cloud.example"}).value(), kNow));
    registry.emplace(Registry::open(dir).value());
    certificate = issue(pki::PrivateKey::generate());
    ASSERT_TRUE(registry->record_issue(node("a"), *certificate, Registry::Rebind::refuse, "test", kBy, kNow));
  }
  pki::Certificate issue(const pki::PrivateKey& key) {
    return pki::load_authority(dir).value().issue_edge(node("a"), key.public_key(), kNow).value();
  }
  bool is_out(const pki::Certificate& c) {
    const NodeName name = node("a");
    return pki::load_cloud(dir).value().revoked.find(c.fingerprint(), c.serial(), &name) != nullptr;
  }
};

TEST_F(NodeOrders, ARevokedNodeIsOutWithAnyKeyUntilItIsReadmitted) {
  ASSERT_TRUE(pki::add_revocation(dir, node("a2"), "another"));
  ASSERT_TRUE(revoke_node(dir, *registry, node("a"), "left on a train", kBy, kNow));
  ASSERT_TRUE(revoke_node(dir, *registry, node("a"), "twice", kBy, kNow));
  EXPECT_TRUE(is_out(*certificate));
  EXPECT_TRUE(is_out(issue(pki::PrivateKey::generate())));
  EXPECT_EQ(registry->node(node("a")).value()->revoked, kNow);
  EXPECT_EQ(registry->audit(1).value().front().what, "node.revoke");

  ASSERT_TRUE(readmit_node(dir, *registry, node("a"), "found", kBy, kNow));
  EXPECT_FALSE(is_out(*certificate));
  EXPECT_FALSE(registry->node(node("a")).value()->revoked);
  const std::string list = pki::read_file(dir / "revoked", 1_MiB).value();
  EXPECT_THAT(list, HasSubstr("node a2  # another"));
  EXPECT_THAT(list, HasSubstr("#   node NAME")) << "the explanation stays";
  EXPECT_THAT(list, Not(HasSubstr("train")));
}

TEST_F(NodeOrders, AForgottenNamesKeyIsOutAndTheNameIsFree) {
  ASSERT_TRUE(forget_node(dir, *registry, node("a"), "", kBy, kNow));
  EXPECT_TRUE(is_out(*certificate));
  const pki::Certificate other = issue(pki::PrivateKey::generate());
  EXPECT_FALSE(is_out(other));
  EXPECT_TRUE(registry->record_issue(node("a"), other, Registry::Rebind::allow, "test", kBy, kNow));
  EXPECT_TRUE(readmit_node(dir, *registry, node("a"), "", kBy, kNow));
  EXPECT_TRUE(is_out(*certificate)) << "a key that was put out by itself stays out";
}

TEST_F(NodeOrders, ARenewalUnderWayDoesNotTakeAForgottenNameBack) {
  ASSERT_TRUE(forget_node(dir, *registry, node("a"), "", kBy, kNow));
  const auto renewed = registry->record_issue(node("a"), *certificate, Registry::Rebind::refuse, "node.renew", kBy, kNow);
  ASSERT_FALSE(renewed);
  EXPECT_EQ(renewed.error().code(), Code::forbidden);
  EXPECT_FALSE(registry->node(node("a")).value()->key) << "still free";
}

TEST_F(NodeOrders, ARenewalUnderWayIsNotForANodeThatWasRevokedMeanwhile) {
  ASSERT_TRUE(revoke_node(dir, *registry, node("a"), "", kBy, kNow));
  EXPECT_EQ(registry->record_issue(node("a"), *certificate, Registry::Rebind::refuse, "node.renew", kBy, kNow).error().code(),
            Code::forbidden);
}

TEST_F(NodeOrders, AnOrderToRenewLateIsForTheKeyThatHasTheName) {
  const auto until = [&] { return registry->node(node("a")).value()->late_until; };
  const auto order = [&] { return registry->set_late_until(node("a"), kNow + 1h, "was at sea", kBy, kNow); };
  ASSERT_TRUE(order());
  EXPECT_EQ(until(), kNow + 1h);
  EXPECT_TRUE(registry->any_late(kNow + 1h - 1ms).value());
  EXPECT_FALSE(registry->any_late(kNow + 1h).value());
  EXPECT_EQ(registry->audit(1).value().front().what, "node.renew-grace");
  EXPECT_THAT(registry->audit(1).value().front().detail, HasSubstr("was at sea"));
  ASSERT_TRUE(registry->set_late_until(node("a"), std::nullopt, "", kBy, kNow)) << "taken back";
  EXPECT_FALSE(until());

  ASSERT_TRUE(order());
  ASSERT_TRUE(registry->record_issue(node("a"), *certificate, Registry::Rebind::refuse, "node.renew-late", kBy, kNow));
  EXPECT_TRUE(until()) << "the answer may be lost: the same again";
  ASSERT_TRUE(registry->record_issue(node("a"), issue(pki::PrivateKey::generate()), Registry::Rebind::allow, "test", kBy, kNow));
  EXPECT_FALSE(until()) << "another machine";

  ASSERT_TRUE(order());
  ASSERT_TRUE(revoke_node(dir, *registry, node("a"), "", kBy, kNow));
  EXPECT_EQ(order().error().code(), Code::forbidden);
  ASSERT_TRUE(readmit_node(dir, *registry, node("a"), "", kBy, kNow));
  ASSERT_TRUE(forget_node(dir, *registry, node("a"), "", kBy, kNow));
  EXPECT_FALSE(until());
  EXPECT_EQ(order().error().code(), Code::forbidden);
  EXPECT_EQ(registry->set_late_until(node("b"), kNow, "", kBy, kNow).error().code(), Code::not_found);
}

TEST_F(NodeOrders, ANameThatWasNeverHereIsAMistake) {
  for (const auto order : {revoke_node, readmit_node, forget_node})
    EXPECT_EQ(order(dir, *registry, node("b"), "", kBy, kNow).error().code(), Code::not_found);
  EXPECT_EQ(pki::load_cloud(dir).value().revoked.size(), 0u);
}

TEST_F(NodeOrders, LabelsHaveALimit) {
  Registry::LabelChanges labels;
  for (std::size_t i = 0; i < Registry::kMaxLabels; i++) labels["k" + std::to_string(i)] = "v";
  ASSERT_TRUE(registry->change_labels(node("a"), labels, kBy, kNow));
  EXPECT_EQ(registry->labels().value().at(node("a")).size(), Registry::kMaxLabels);
  EXPECT_EQ(registry->change_labels(node("a"), {{"one-more", "v"}}, kBy, kNow).error().code(), Code::too_large);
  EXPECT_FALSE(registry->labels().value().at(node("a")).contains("one-more"));
  EXPECT_TRUE(registry->change_labels(node("a"), {{"one-more", "v"}, {"k0", std::nullopt}}, kBy, kNow)) << "one for another";
  for (auto& [key, value] : labels) value.reset();
  EXPECT_EQ(registry->change_labels(node("a"), labels, kBy, kNow).value(), (std::map<std::string, std::string>{{"one-more", "v"}}));
  EXPECT_EQ(registry->audit(1).value().front().what, "node.label");
}

TEST_F(NodeOrders, AnotherConnectionSeesThatSomethingChanged) {
  Registry reader = Registry::open(dir).value();
  const auto before = reader.seen_version().value();
  EXPECT_EQ(reader.seen_version().value(), before);
  ASSERT_TRUE(registry->change_labels(node("a"), {{"site", "berlin"}}, kBy, kNow));
  EXPECT_NE(reader.seen_version().value(), before);
}

}  // namespace
}  // namespace fairlead::enrol
