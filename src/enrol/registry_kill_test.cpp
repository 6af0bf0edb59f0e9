// The process that takes joins is killed (kill -9) at random moments: what it had acknowledged is there, no token was spent twice, no name
// went to another key.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <map>
#include <set>

#include "base/random.h"
#include "enrol/admission.h"
#include "pki/request.h"
#include "pki/test_certificates.h"
#include "pki/test_pki.h"

namespace fairlead::enrol {
namespace {

constexpr int kKills = 200;
constexpr std::uint32_t kUses = 3;
constexpr int kKeys = 8, kNames = 128, kForgotten = 16;
const Actor kBy{"operator test", "cli"};

struct Acknowledged {
  std::uint32_t token, name, key;
};

constexpr Acknowledged kReady{};  // what comes first

// What the cloud does with each request, the network apart; tells the parent of each answer after it was given.
[[noreturn]] void take_joins(const std::filesystem::path& dir, const pki::TestPki& pki, const std::vector<JoinToken>& tokens,
                             const std::vector<pki::PrivateKey>& keys, std::uint64_t seed, int acknowledge) {
  Random random(seed);
  auto registry = Registry::open(dir);
  if (!registry || ::write(acknowledge, &kReady, sizeof kReady) != sizeof kReady) ::_exit(1);
  const AdmissionDesk desk{std::make_shared<const Issuing>(Issuing{pki.ca, pki.ca.certificate().to_pem()}),
                           std::make_shared<const pki::RevocationList>(), nullptr};
  for (;;) {
    const Acknowledged ask{static_cast<std::uint32_t>(random.below(tokens.size())), static_cast<std::uint32_t>(random.below(kNames)),
                           static_cast<std::uint32_t>(random.below(keys.size()))};
    Nonce nonce{};
    nonce[0] = static_cast<std::byte>(random.below(256));
    const auto node = NodeName::parse(fmt::format("edge-{}", ask.name)).value();
    const pki::CertificateRequest csr = pki::CertificateRequest::make(keys[ask.key], node, to_hex(nonce));
    const JoinRequest request{.token = tokens[ask.token].text(), .request = std::string(as_text(csr.der()))};
    const auto admitted = admit(*registry, desk, request, nonce, {"edge", "test"}, pki.now);
    if (admitted && ::write(acknowledge, &ask, sizeof ask) != sizeof ask) ::_exit(1);
  }
}

TEST(RegistryKill, NothingAcknowledgedIsLostAndNothingIsSpentTwice) {
  pki::TestFolder folder;
  const pki::TestPki pki(pki::KeyKind::ed25519);
  std::vector<pki::PrivateKey> keys;
  for (int i = 0; i < kKeys; i++) keys.push_back(pki::PrivateKey::generate(pki.kind));
  Random random(7);
  std::map<std::string, pki::Fingerprint> owners;
  std::size_t acknowledged = 0, rounds_with_joins = 0;
  for (int round = 0; round < kKills; round++) {
    SCOPED_TRACE(round);
    std::vector<JoinToken> tokens;
    {
      Registry registry = Registry::open(folder.path()).value();
      for (int i = 0; i < 4; i++) tokens.push_back(registry.create_token({.uses = kUses}, kBy, pki.now).value());
      // Names become free again, so that there is always something to win.
      for (int i = 0; i < kForgotten; i++) {
        const auto name = NodeName::parse(fmt::format("edge-{}", random.below(kNames))).value();
        if (registry.forget_node(name, "test", kBy, pki.now)) owners.erase(name.value());
      }
    }
    int pipe[2];
    ASSERT_EQ(::pipe(pipe), 0);
    const std::uint64_t seed = random.next();
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      ::close(pipe[0]);
      take_joins(folder.path(), pki, tokens, keys, seed, pipe[1]);
    }
    ::close(pipe[1]);
    Acknowledged one{};
    // Most die among their joins, however slow the disk is; some at their first, some while they open the file.
    std::vector<Acknowledged> told;
    const bool opened = random.chance(0.9);
    if (opened) ASSERT_EQ(::read(pipe[0], &one, sizeof one), static_cast<ssize_t>(sizeof one));
    if (opened && random.chance(0.8)) {
      ASSERT_EQ(::read(pipe[0], &one, sizeof one), static_cast<ssize_t>(sizeof one));
      told.push_back(one);
    }
    ::usleep(static_cast<useconds_t>(random.below(8'000)));
    ::kill(child, SIGKILL);
    int status = 0;
    ::waitpid(child, &status, 0);
    ASSERT_TRUE(WIFSIGNALED(status)) << "it ended by itself";

    Registry registry = Registry::open(folder.path()).value();
    std::map<std::uint32_t, std::set<std::pair<std::uint32_t, std::uint32_t>>> by_token;
    if (!opened) static_cast<void>(::read(pipe[0], &one, sizeof one));
    while (::read(pipe[0], &one, sizeof one) == sizeof one) told.push_back(one);
    for (const Acknowledged& join : told) {
      acknowledged++;
      by_token[join.token].emplace(join.name, join.key);
      const auto node = registry.node(NodeName::parse(fmt::format("edge-{}", join.name)).value()).value();
      ASSERT_TRUE(node && node->key) << "an acknowledged node is gone";
      EXPECT_EQ(*node->key, keys[join.key].public_key().fingerprint()) << "its name went to another key";
    }
    ::close(pipe[0]);
    if (!by_token.empty()) rounds_with_joins++;
    for (const TokenRecord& record : registry.tokens().value())
      for (std::uint32_t i = 0; i < tokens.size(); i++) {
        if (record.id != tokens[i].id()) continue;
        const std::size_t used = record.uses - record.uses_left;
        EXPECT_GE(used, by_token[i].size()) << "an acknowledged join did not spend";
        EXPECT_LE(used, by_token[i].size() + 1) << "more was spent than the one join that was under way";
      }
    for (const NodeRecord& node : registry.nodes().value()) {
      if (!node.key) continue;
      const auto [owner, fresh] = owners.emplace(node.name.value(), *node.key);
      EXPECT_EQ(owner->second, *node.key) << node.name.value() << " changed hands";
    }
  }
  EXPECT_GT(rounds_with_joins, static_cast<std::size_t>(kKills / 2)) << "the kills came too early to show anything";
  RecordProperty("acknowledged", static_cast<int>(acknowledged));
}

}  // namespace
}  // namespace fairlead::enrol
