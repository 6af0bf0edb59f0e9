#include "enrol/registry_thread.h"

#include <gtest/gtest.h>

#include <atomic>
#include <latch>
#include <thread>

#include "pki/test_certificates.h"
#include "pki/test_pki.h"
#include "runtime/asio_loop.h"

namespace fairlead::enrol {
namespace {

const Actor kBy{"operator test", "cli"};

AuditLine line(std::string what) {
  return {.at = pki::TestPki::kNow, .who = "edge", .from = "x", .what = std::move(what), .subject = "", .detail = ""};
}

Task<void> create(Loop& loop, RegistryDesk& desk, int times, std::atomic<int>& made) {
  for (int i = 0; i < times; i++) {
    const std::thread::id here = std::this_thread::get_id();
    std::move_only_function<Result<JoinToken>(Registry&)> work = [](Registry& registry) {
      return registry.create_token({}, kBy, pki::TestPki::kNow);
    };
    auto token = co_await call<Result<JoinToken>>(loop, desk, std::move(work));
    EXPECT_EQ(std::this_thread::get_id(), here);
    if (token) made++;
  }
}

TEST(RegistryThread, CallsOfManyLoopsComeBackToThem) {
  pki::TestFolder folder;
  std::atomic<int> made = 0;
  {
    AsioLoop a, b;
    RegistryThread desk(Registry::open(folder.path()).value());
    std::thread other([&] { b.run(create(b, desk, 50, made)); });
    a.run(create(a, desk, 50, made));
    other.join();
  }
  EXPECT_EQ(made, 100);
  EXPECT_EQ(Registry::open(folder.path())->tokens()->size(), 100u);
}

TEST(RegistryThread, WhoGivesUpWaitingIsNotWokenAndTheCallIsMade) {
  pki::TestFolder folder;
  std::atomic<int> made = 0;
  std::latch hold(1), done(1);
  AsioLoop loop;
  RegistryThread desk(Registry::open(folder.path()).value());
  {
    desk.post([&hold](Registry&) { hold.wait(); });
    Scope scope(loop);
    scope.spawn(create(loop, desk, 1, made));
    loop.post([&] { loop.stop(); });
    loop.run();
    scope.cancel_now();
    hold.count_down();
  }
  desk.post([&done](Registry&) { done.count_down(); });
  done.wait();
  loop.post([&] { loop.stop(); });
  loop.run();
  EXPECT_EQ(made, 0);
  EXPECT_EQ(Registry::open(folder.path())->tokens()->size(), 1u);
}

TEST(RegistryThread, WhatWasGivenBeforeTheEndIsWrittenAndMoreThanItsLimitIsCounted) {
  pki::TestFolder folder;
  {
    std::latch hold(1);
    RegistryThread desk(Registry::open(folder.path()).value());
    desk.post([&hold](Registry&) { hold.wait(); });
    for (std::size_t i = 0; i < RegistryThread::kMaxNotes + 7; i++) desk.note(line("join.refused"));
    hold.count_down();
  }
  const auto lines = Registry::open(folder.path())->audit(10 * RegistryThread::kMaxNotes).value();
  ASSERT_EQ(lines.size(), RegistryThread::kMaxNotes + 1);
  EXPECT_EQ(lines.back().what, "audit.dropped");
  EXPECT_EQ(lines.back().detail.substr(0, 2), "7 ");
}

}  // namespace
}  // namespace fairlead::enrol
