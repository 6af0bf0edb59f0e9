#include "runtime/resolver.h"

#include <gtest/gtest.h>

#include <atomic>
#include <semaphore>
#include <thread>

#include "runtime/asio_loop.h"
#include "runtime/scope.h"

namespace fairlead {
namespace {

// A name server for tests: those who ask for names that begin with "dead" wait for let_go().
std::counting_semaphore<64> dead_answers{0};
std::atomic<int> asked{0}, came_back{0};

Resolver::Addresses look_up(const std::string& host) {
  asked++;
  if (host.starts_with("dead")) dead_answers.acquire();
  came_back++;
  return std::vector<std::string>{host + "'s address"};
}
// Lets `dead` look-ups come back and waits until `all` have, so that none is left for the next test.
void let_go(int dead, int all) {
  dead_answers.release(dead);
  while (came_back < all) std::this_thread::yield();
}
constexpr int kAll = static_cast<int>(Resolver::kThreads);

class ResolverTest : public testing::Test {
 protected:
  void SetUp() override { asked = came_back = 0; }
};

Task<void> find(Resolver& resolver, std::string host, Resolver::Addresses& into) {
  auto found = co_await resolver.resolve(std::move(host));
  into = std::move(found);
}

TEST_F(ResolverTest, DeadNamesDoNotDelayALivingOne) {
  AsioLoop loop;
  Resolver resolver(loop, look_up);
  Scope scope(loop);
  Resolver::Addresses ignored, found;
  for (int i = 0; i < kAll - 1; i++) scope.spawn(find(resolver, "dead", ignored));
  loop.run(find(resolver, "alive", found));
  ASSERT_TRUE(found);
  EXPECT_EQ(found->front(), "alive's address");
  scope.cancel_now();
  let_go(kAll - 1, kAll);
}

TEST_F(ResolverTest, TheEndOfTheLoopDoesNotWait) {
  {
    AsioLoop loop;
    Resolver resolver(loop, look_up);
    Scope scope(loop);
    Resolver::Addresses ignored, found;
    scope.spawn(find(resolver, "dead", ignored));
    loop.run(find(resolver, "alive", found));
  }
  EXPECT_EQ(came_back, 1);
  let_go(1, 2);
}

Task<void> let_others_begin(Loop& loop) { co_await loop.yield(); }

TEST_F(ResolverTest, WhatNobodyWantsAnyMoreIsNotAsked) {
  AsioLoop loop;
  Resolver resolver(loop, look_up);
  Resolver::Addresses ignored, found;
  Scope dead(loop), unwanted(loop);
  for (int i = 0; i < kAll; i++) dead.spawn(find(resolver, "dead", ignored));
  for (int i = 0; i < 10; i++) unwanted.spawn(find(resolver, "unwanted", ignored));
  loop.run(let_others_begin(loop));
  unwanted.cancel_now();
  dead_answers.release(1);
  loop.run(find(resolver, "alive", found));
  EXPECT_EQ(found->front(), "alive's address");
  dead.cancel_now();
  let_go(kAll - 1, kAll + 1);
  EXPECT_EQ(asked, kAll + 1);
}

TEST_F(ResolverTest, ManyAreAllAnswered) {
  AsioLoop loop;
  Resolver resolver(loop, look_up);
  std::vector<Resolver::Addresses> found(500);
  Scope scope(loop);
  for (std::size_t i = 0; i < found.size(); i++) scope.spawn(find(resolver, std::to_string(i), found[i]));
  loop.run(scope.done());
  for (std::size_t i = 0; i < found.size(); i++) {
    ASSERT_TRUE(found[i]);
    ASSERT_EQ(found[i]->size(), 1u) << i;
    EXPECT_EQ(found[i]->front(), std::to_string(i) + "'s address");
  }
}

TEST_F(ResolverTest, TheSystemKnowsLocalhostAndSaysWhatItDoesNotKnow) {
  const auto found = Resolver::ask_system("localhost");
  ASSERT_TRUE(found);
  EXPECT_FALSE(found->empty());
  const auto unknown = Resolver::ask_system("no such name");
  ASSERT_FALSE(unknown);
  EXPECT_EQ(unknown.error().code(), Code::unreachable);
}

}  // namespace
}  // namespace fairlead
