#include <gtest/gtest.h>
#include <unistd.h>

#include <fcntl.h>

#include <deque>
#include <memory>
#include <thread>

#include "runtime/asio_loop.h"
#include "runtime/sim_loop.h"
#include "runtime/timer.h"

namespace fairlead {
namespace {

Task<int> answer() { co_return 42; }
Task<int> add_one(Task<int> from) {
  int n = co_await from;
  co_return n + 1;
}

TEST(Task, HandsItsValueToTheOneWhoAwaits) {
  SimLoop loop(1);
  EXPECT_EQ(loop.run(add_one(answer())), 43);
}

Task<int> sum_of_many(int count) {
  int sum = 0;
  for (int i = 0; i < count; i++) {
    int n = co_await answer();
    sum += n - 41;
  }
  co_return sum;
}

TEST(Task, AMillionAwaitsThatCompleteAtOnceNeedNoStack) {
  SimLoop loop(1);
  EXPECT_EQ(loop.run(sum_of_many(1'000'000)), 1'000'000);
}

struct Alive {
  explicit Alive(int& c) : count(c) { count++; }
  ~Alive() { count--; }
  Alive(const Alive&) = delete;
  Alive& operator=(const Alive&) = delete;
  int& count;
};

Task<void> sleep_inside(Loop& loop, int& alive) {
  Alive here(alive);
  co_await loop.sleep(1h);
}
Task<void> sleep_below(Loop& loop, int& alive) {
  Alive here(alive);
  co_await sleep_inside(loop, alive);
}

TEST(Scope, DestroysWhatStillRunsFrameByFrame) {
  SimLoop loop(1);
  int alive = 0;
  {
    Scope scope(loop);
    for (int i = 0; i < 10; i++) scope.spawn(sleep_below(loop, alive));
    loop.run_for(1s);
    EXPECT_EQ(alive, 20);
    EXPECT_EQ(scope.size(), 10u);
  }
  EXPECT_EQ(alive, 0);
  loop.run_for(2h);
}

TEST(Scope, ATaskThatNeverStartedIsDestroyedToo) {
  SimLoop loop(1);
  int alive = 0;
  {
    Scope scope(loop);
    scope.spawn(sleep_below(loop, alive));
  }
  loop.run_for(1s);
  EXPECT_EQ(alive, 0);
}

Task<void> cancel_own_scope(Scope& scope, int& alive) {
  Alive here(alive);
  scope.cancel();
  co_await scope.loop().sleep(1h);
}

TEST(Scope, MayBeCancelledByItsOwnTask) {
  SimLoop loop(1);
  int alive = 0;
  Scope scope(loop);
  scope.spawn(cancel_own_scope(scope, alive));
  scope.spawn(sleep_below(loop, alive));
  loop.run_for(1ms);
  EXPECT_EQ(alive, 0);
  EXPECT_EQ(scope.size(), 0u);
}

Task<void> nap(Loop& loop, Duration d, std::vector<int>& order, int name) {
  co_await loop.sleep(d);
  order.push_back(name);
}

TEST(SimLoop, TimersFireInOrderOfTimeThenOfArming) {
  SimLoop loop(1);
  std::vector<int> order;
  Scope scope(loop);
  scope.spawn(nap(loop, 2ms, order, 3));
  scope.spawn(nap(loop, 1ms, order, 1));
  scope.spawn(nap(loop, 1ms, order, 2));
  loop.run(scope.done());
  EXPECT_EQ(order, (std::vector<int>{1, 2, 3}));
  EXPECT_EQ(loop.now(), TimePoint(2ms));
}

Task<void> wait_forever(WaitQueue& queue) { co_await queue.wait(); }

struct Counting : Ready {
  explicit Counting(int& c) : Ready(&run), count(c) {}
  static void run(Ready& self) { static_cast<Counting&>(self).count++; }
  int& count;
};

struct EndHook : Ready {
  explicit EndHook(const int& c) : Ready(&run), count(c) {}
  static void run(Ready& self) {
    auto& hook = static_cast<EndHook&>(self);
    hook.seen.push_back(hook.count);
  }
  const int& count;
  std::vector<int> seen;
};

Task<void> ask_for_the_end(Loop& loop, EndHook& hook) {
  loop.at_turn_end(hook);
  co_return;
}

// The far side begins with the first of many while the rest is still being done here.
TEST(SimLoop, TheTurnsEndIsNotHeldUpByAllThatIsReady) {
  SimLoop loop(1);
  int ran = 0;
  EndHook hook(ran);
  std::deque<Counting> many;
  Scope scope(loop);
  scope.spawn(ask_for_the_end(loop, hook));
  for (int i = 0; i < 100; i++) loop.make_ready(many.emplace_back(ran));
  loop.run_for(1ms);
  ASSERT_EQ(hook.seen.size(), 1u) << "once for each time it was asked for";
  EXPECT_GT(hook.seen.front(), 0);
  EXPECT_LE(hook.seen.front(), 16);
  EXPECT_EQ(ran, 100);
}

TEST(SimLoop, ADeadlockIsToldNotWaitedFor) {
  SimLoop loop(1);
  WaitQueue never(loop);
  EXPECT_THROW(loop.run(wait_forever(never)), std::logic_error);
}

Task<Result<int>> late(Loop& loop, Duration d, int& alive) {
  Alive here(alive);
  co_await loop.sleep(d);
  co_return 7;
}

TEST(Deadline, InTimeGivesTheValueLateGivesTimeoutAndCancels) {
  SimLoop loop(1);
  int alive = 0;
  auto in_time = loop.run(with_deadline<int>(loop, loop.now() + 20ms, "ask", late(loop, 10ms, alive)));
  EXPECT_EQ(in_time.value(), 7);
  TimePoint before = loop.now();
  auto too_late = loop.run(with_deadline<int>(loop, loop.now() + 20ms, "ask", late(loop, 1h, alive)));
  EXPECT_EQ(too_late.error().code(), Code::timeout);
  EXPECT_EQ(loop.now() - before, 20ms);
  EXPECT_EQ(alive, 0);
}

TEST(Timer, RearmedFiresOnceAtTheLastTime) {
  SimLoop loop(1);
  int fired = 0;
  Timer timer(loop, [&] { fired++; });
  timer.arm(loop.now() + 1ms);
  timer.arm(loop.now() + 5ms);
  loop.run_for(3ms);
  EXPECT_EQ(fired, 0);
  loop.run_for(3ms);
  EXPECT_EQ(fired, 1);
}

TEST(Timers, ManyArmedAndDisarmedAtRandomFireInOrder) {
  SimLoop loop(3);
  Random random(3);
  std::vector<TimePoint> fired;
  std::vector<std::unique_ptr<Timer>> timers;
  for (int i = 0; i < 500; i++) timers.push_back(std::make_unique<Timer>(loop, [&] { fired.push_back(loop.now()); }));
  for (int round = 0; round < 5000; round++) {
    Timer& timer = *timers[random.below(timers.size())];
    if (random.chance(0.3))
      timer.disarm();
    else
      timer.arm(loop.now() + std::chrono::microseconds(random.below(1000)));
  }
  std::size_t armed = 0;
  for (auto& timer : timers) armed += timer->armed() ? 1 : 0;
  loop.run_for(1s);
  EXPECT_EQ(fired.size(), armed);
  EXPECT_TRUE(std::is_sorted(fired.begin(), fired.end()));
}

Task<void> read_one(FdEvents& events, int fd, char& into) {
  while (::read(fd, &into, 1) < 0) co_await events.readable();
}

TEST(AsioLoop, WakesTheReaderWhenAByteArrives) {
  int pipe_fds[2];
  ASSERT_EQ(pipe2(pipe_fds, O_NONBLOCK | O_CLOEXEC), 0);
  char got = 0;
  {
    AsioLoop loop;
    FdEvents events(loop, pipe_fds[0]);
    std::thread writer([&] { ASSERT_EQ(::write(pipe_fds[1], "x", 1), 1); });
    loop.run(read_one(events, pipe_fds[0], got));
    writer.join();
  }
  EXPECT_EQ(got, 'x');
  ::close(pipe_fds[0]);
  ::close(pipe_fds[1]);
}

TEST(AsioLoop, AWaiterThatIsDestroyedIsForgotten) {
  int pipe_fds[2];
  ASSERT_EQ(pipe2(pipe_fds, O_NONBLOCK | O_CLOEXEC), 0);
  {
    AsioLoop loop;
    FdEvents events(loop, pipe_fds[0]);
    char got = 0;
    {
      Scope scope(loop);
      scope.spawn(read_one(events, pipe_fds[0], got));
      loop.run([](Loop& l) -> Task<void> { co_await l.sleep(1ms); }(loop));
    }
    ASSERT_EQ(::write(pipe_fds[1], "x", 1), 1);
    loop.run([](Loop& l) -> Task<void> { co_await l.sleep(1ms); }(loop));
    EXPECT_EQ(got, 0);
  }
  ::close(pipe_fds[0]);
  ::close(pipe_fds[1]);
}

TEST(AsioLoop, PostsFromOtherThreadsArriveInOrder) {
  AsioLoop loop;
  std::vector<int> got;
  std::thread other([&] {
    for (int i = 0; i < 1000; i++) loop.post([&got, i] { got.push_back(i); });
    loop.stop();
  });
  loop.run();
  other.join();
  loop.post([&loop] { loop.stop(); });
  loop.run();
  ASSERT_EQ(got.size(), 1000u);
  EXPECT_TRUE(std::is_sorted(got.begin(), got.end()));
}

Task<void> look_up(AsioLoop& loop, Result<std::vector<std::string>>& into) { into = co_await resolve_host(loop, "localhost"); }

TEST(AsioLoop, ResolvesNames) {
  AsioLoop loop;
  Result<std::vector<std::string>> found;
  loop.run(look_up(loop, found));
  ASSERT_TRUE(found);
  EXPECT_FALSE(found->empty());
}

}  // namespace
}  // namespace fairlead
