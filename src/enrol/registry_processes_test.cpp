// The running cloud has the state open more than once, and commands open and close it meanwhile.
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include "enrol/registry.h"
#include "pki/test_certificates.h"

namespace fairlead::enrol {
namespace {

const Actor kBy{"operator test", "cli"};
constexpr WallTime kNow{std::chrono::sys_days{std::chrono::year{2026} / 11 / 25}};

// What a command of another process does with the state; true if it saw so many tokens.
bool another_process_sees(const std::filesystem::path& dir, std::size_t tokens) {
  const pid_t child = ::fork();
  if (child == 0) {
    bool seen = false;
    {
      auto registry = Registry::open(dir);
      if (registry) {
        const auto all = registry->tokens();
        seen = all && all->size() == tokens;
      }
    }
    ::_exit(seen ? 0 : 1);
  }
  int status = 0;
  return ::waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

TEST(RegistryProcesses, ASecondConnectionOfAProcessDoesNotGiveUpTheLocksOfTheFirst) {
  const pki::TestFolder folder;
  Registry first = Registry::open(folder.path()).value();
  Registry second = Registry::open(folder.path()).value();
  ASSERT_TRUE(first.create_token({}, kBy, kNow));
  EXPECT_TRUE(another_process_sees(folder.path(), 1));
  EXPECT_TRUE(std::filesystem::exists(folder / "state.db-wal")) << "the other process took itself for the last one";
  ASSERT_TRUE(first.create_token({}, kBy, kNow));
  EXPECT_TRUE(another_process_sees(folder.path(), 2)) << "what was acknowledged is in a file without a name";
  EXPECT_EQ(second.tokens().value().size(), 2u);
}

TEST(RegistryProcesses, ConnectionsOfOneProcessThatEndLeaveTheOthersLocks) {
  const pki::TestFolder folder;
  Registry first = Registry::open(folder.path()).value();
  for (int i = 0; i < 3; i++) static_cast<void>(Registry::open(folder.path()).value().tokens().value());
  ASSERT_TRUE(first.create_token({}, kBy, kNow));
  EXPECT_TRUE(another_process_sees(folder.path(), 1));
  ASSERT_TRUE(first.create_token({}, kBy, kNow));
  EXPECT_TRUE(another_process_sees(folder.path(), 2));
}

}  // namespace
}  // namespace fairlead::enrol
