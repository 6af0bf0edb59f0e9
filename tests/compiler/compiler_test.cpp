// What compilers have been seen to get wrong in coroutines, silently: temporaries destroyed twice or never, a wrong branch taken, a stack
// that grows with each transfer. Each pattern runs three times: the awaited coroutine is ready at once, suspends, or is destroyed while it
// is suspended. A compiler that fails here must not build Fairlead, whose own code avoids most of these (tools/lint/co_await).
#include <gtest/gtest.h>

#include <array>
#include <functional>
#include <initializer_list>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "task.h"

namespace compiler {
namespace {

// Owns memory, counts its instances, and knows where it was made: a bitwise copy does not pass for a value.
class Counted {
 public:
  explicit Counted(int n) : number_(std::make_unique<int>(n)) { alive++; }
  Counted(const Counted& other) : Counted(other.value()) {}
  Counted(Counted&& other) noexcept : number_(std::move(other.number_)) { alive++; }
  Counted& operator=(const Counted&) = delete;
  ~Counted() {
    if (self_ != this) broken++;
    self_ = nullptr;
    alive--;
  }
  int value() const {
    if (self_ != this || !number_) broken++;
    return number_ ? *number_ : -1;
  }

  static inline int alive = 0;
  static inline int broken = 0;

 private:
  Counted* self_ = this;
  std::unique_ptr<int> number_;
};

struct Aggregate {
  Counted first;
  std::string text;
  Aggregate with(int more) && { return {Counted(first.value() + more), std::move(text)}; }
};

const std::string kLong(100, 'x');  // beyond what a string stores in itself

Task<int> number(int n) {
  co_await Turn{};
  co_return n;
}
Task<bool> truth(bool b) {
  co_await Turn{};
  co_return b;
}
Task<Counted> counted(int n) {
  co_await Turn{};
  co_return Counted(n);
}
Task<int> by_value(Aggregate a) {
  co_await Turn{};
  co_return a.first.value() + static_cast<int>(a.text.size());
}
Task<int> by_reference(const Aggregate& a) {
  co_await Turn{};
  co_return a.first.value() + static_cast<int>(a.text.size());
}
Task<int> maybe(std::optional<Aggregate> a) {
  co_await Turn{};
  co_return a ? a->first.value() : 0;
}
Task<int> call(std::function<int()> f) {
  co_await Turn{};
  co_return f();
}
template <class F>
Task<int> call_any(F f) {
  co_await Turn{};
  co_return f();
}
Task<int> sum(std::vector<Counted> list) {
  co_await Turn{};
  int total = 0;
  for (const Counted& c : list) total += c.value();
  co_return total;
}
Task<std::pair<Counted, Counted>> two(int a, int b) {
  co_await Turn{};
  co_return std::pair<Counted, Counted>(a, b);
}
Task<int> throws(Counted c) {
  co_await Turn{};
  if (c.value() >= 0) throw std::runtime_error("thrown");
  co_return 0;
}

class Compiler : public testing::Test {
 protected:
  // Runs `coroutine` in all ways; its value must be `expected` each time, and nothing may be left.
  void check(int expected, Task<int> (*coroutine)()) {
    for (bool suspend : {false, true}) {
      SCOPED_TRACE(suspend ? "suspends" : "is ready");
      suspending = suspend;
      EXPECT_EQ(run(coroutine()), expected);
      expect_nothing_left();
    }
    SCOPED_TRACE("is destroyed");
    run_and_drop(coroutine());
    expect_nothing_left();
  }
  static void expect_nothing_left() {
    EXPECT_EQ(Counted::alive, 0);
    EXPECT_EQ(Counted::broken, 0);
    EXPECT_EQ(frames_alive, 0);
    Counted::alive = Counted::broken = frames_alive = 0;
  }
};

TEST_F(Compiler, AnAggregateTemporaryByValueDiesOnce) {
  check(107, []() -> Task<int> { co_return co_await by_value(Aggregate{Counted(7), kLong}); });
  check(107, []() -> Task<int> { co_return co_await by_value({.first = Counted(7), .text = kLong}); });
  check(109, []() -> Task<int> { co_return co_await by_value(Aggregate{Counted(7), kLong}.with(2)); });
}

TEST_F(Compiler, AnAggregateTemporaryByReferenceLivesUntilTheResultIsThere) {
  check(107, []() -> Task<int> { co_return co_await by_reference(Aggregate{Counted(7), kLong}); });
  check(107, []() -> Task<int> {
    int r = co_await by_reference({Counted(7), kLong});
    co_return r;
  });
}

TEST_F(Compiler, AnAggregateTemporaryInAnOptionalDiesOnce) {
  check(7, []() -> Task<int> { co_return co_await maybe(Aggregate{Counted(7), kLong}); });
}

TEST_F(Compiler, ALambdaThatOwnsDiesOnce) {
  check(7, []() -> Task<int> {
    Counted seven(7);
    co_return co_await call([seven] { return seven.value(); });
  });
  check(7, []() -> Task<int> {
    Counted seven(7);
    co_return co_await call_any([seven, text = kLong] { return text == kLong ? seven.value() : 0; });
  });
}

TEST_F(Compiler, OnlyTheChosenTemporaryOfAConditionalIsMade) {
  check(7, []() -> Task<int> {
    Counted chosen = co_await truth(true) ? Counted(7) : Counted(8);
    co_return chosen.value();
  });
  check(8, []() -> Task<int> { co_return (co_await truth(false) ? Counted(7) : Counted(8)).value(); });
  check(100, []() -> Task<int> {
    std::string text = co_await truth(true) ? std::string(kLong) : std::string();
    co_return static_cast<int>(text.size());
  });
  check(8, []() -> Task<int> {
    int r = co_await truth(false) ? co_await by_value(Aggregate{Counted(1), kLong}) : co_await number(8);
    co_return r;
  });
}

// A coroutine without any local variable, neither parameters nor captures: only a function is one.
int went = 0;
Task<int> if_only() {
  if (co_await truth(true)) co_return 1;
  co_return 2;
}
Task<int> if_else() {
  if (co_await truth(false))
    co_return 1;
  else
    co_return co_await number(2);
}
Task<> loop_only() {
  while (co_await truth(went < 3)) went++;
}
Task<> do_loop_only() {
  do went++;
  while (co_await truth(went < 3));
}
Task<> switch_only() {
  switch (co_await number(2)) {
    case 1: went = 10; break;
    case 2: went = 20; break;
    default: went = 30;
  }
}
template <Task<> (*coroutine)()>
Task<int> where_it_went() {
  went = 0;
  co_await coroutine();
  co_return went;
}

TEST_F(Compiler, ABranchWithoutLocalsTakesTheRightWay) {
  check(1, if_only);
  check(2, if_else);
}

TEST_F(Compiler, ALoopWithoutLocalsEndsWhenItShould) {
  check(3, where_it_went<loop_only>);
  check(3, where_it_went<do_loop_only>);
}

TEST_F(Compiler, ASwitchWithoutLocalsTakesTheRightCase) { check(20, where_it_went<switch_only>); }

TEST_F(Compiler, OperandsAreEvaluatedAsWritten) {
  check(5, []() -> Task<int> { co_return co_await number(2) + co_await number(3); });
  check(2, []() -> Task<int> {
    if (co_await truth(false) && co_await truth(true)) co_return 1;
    co_return 2;
  });
  check(12, []() -> Task<int> {
    std::array<int, 2> a{co_await number(1), co_await number(2)};
    co_return a[0] * 10 + a[1];
  });
}

TEST_F(Compiler, AnInitializerListLivesThroughTheAwait) {
  check(6, []() -> Task<int> { co_return co_await sum({Counted(1), Counted(2), Counted(3)}); });
}

TEST_F(Compiler, StructuredBindingOfAResultLeavesNothing) {
  check(12, []() -> Task<int> {
    auto [a, b] = co_await two(1, 2);
    co_return a.value() * 10 + b.value();
  });
  check(12, []() -> Task<int> {
    auto result = co_await two(1, 2);
    auto& [a, b] = result;
    co_return a.value() * 10 + b.value();
  });
}

TEST_F(Compiler, AResultThatIsATemporaryDiesOnce) {
  check(7, []() -> Task<int> { co_return (co_await counted(7)).value(); });
  check(7, []() -> Task<int> {
    const Counted& kept = co_await counted(7);
    co_return kept.value();
  });
  check(0, []() -> Task<int> {
    co_await counted(7);
    co_return 0;
  });
}

TEST_F(Compiler, AParameterDiesOnceWhenTheCallThrows) {
  check(1, []() -> Task<int> {
    try {
      co_await throws(Counted(7));
    } catch (const std::runtime_error&) {
      co_return 1;
    }
    co_return 2;
  });
}

TEST_F(Compiler, LocalsOfALoopDieInEachTurn) {
  check(45, []() -> Task<int> {
    int total = 0;
    for (int i = 0; i < 10; i++) {
      Counted c = co_await counted(i);
      if (i % 2 == 0) {
        total += c.value();
        continue;
      }
      total += co_await by_value(Aggregate{std::move(c), ""});
    }
    co_return total;
  });
}

TEST_F(Compiler, AMillionTransfersNeedNoStack) {
  check(1'000'000, []() -> Task<int> {
    int total = 0;
    suspending = false;  // each await completes at once: without symmetric transfer the stack grows by a frame each time
    for (int i = 0; i < 1'000'000; i++) total += co_await number(1);
    co_return total;
  });
}

}  // namespace
}  // namespace compiler
