"""The co_await lint finds what compilers get wrong and what hides a suspension, and accepts the forms that are right."""
import pytest
from tools.lint import findings


def found(tmp_path, body, path="src/link/a.cpp"):
    """Findings in a coroutine that consists of `body`, by line of the body."""
    result = findings("co_await", tmp_path, {path: "Task<void> f(Loop& loop) {\n" + body + "\n}\n"})
    return {line - 1: text for (_, line), text in result.items()}


@pytest.mark.parametrize("body", [
    "co_await g(x);",
    "auto r = co_await g(x);",
    "const Result<std::vector<int>>& r = co_await g(x);",
    "link::Flow* flow = co_await accept();",
    "r = co_await g(x);",
    "state->last = co_await g(x);",
    "co_return co_await g(x);",
    "if (x) co_await g(x);",
    "if constexpr (x) { co_await g(x); } else co_await h(x);",
    "while (!done) co_await queue.wait();",
    "for (;;) { auto n = co_await read(loop); if (n == 0) break; }",
    "switch (x) { case State::open: co_await g(x); break; default: co_await h(); }",
    "do co_await g(x); while (x);",
    "(void)co_await g(x);",
    "co_await g(std::move(x));",
    "co_await g(make(1, 2), 5s, kLimit);",
    "auto r = co_await g<std::pair<int, int>>(x);",
    "co_await *task;",
    "co_await g(std::string_view(x), std::span(x));",
    "co_await g([&] { return done; });",
    "loop.run([](Loop& l) -> Task<void> { co_await l.sleep(1ms); }(loop));",
    "auto later = [&] { fired++; }; co_await g(x);",
    'log::info("link", "co_await g(std::string(x))"); // if (co_await g())',
    'auto s = R"x(if (co_await g()))x"; co_await g(s);',
    "table[x] = 1; co_await g(x);",
    "Awaiter operator co_await() const noexcept;",
    "auto n = 1'000'000; co_await g(n);",
])
def test_a_co_await_that_stands_alone_is_clean(tmp_path, body):
    assert not found(tmp_path, body)


@pytest.mark.parametrize("body", [
    "if (co_await g(x)) return;",
    "if (auto r = co_await g(x); !r) co_return;",
    "while (co_await g(x)) {}",
    "switch (co_await g(x)) { default: break; }",
    "for (auto& x : co_await g(x)) use(x);",
    "CO_TRY(co_await g(x));",
    "h(co_await g(x));",
    "auto r = h(co_await g(x));",
    "auto r = (co_await g(x)).value();",
    "auto r = !co_await g(x);",
    "auto r = x ? co_await g(x) : co_await h(x);",
    "auto r = co_await g(x) ? 1 : 2;",
    "auto r = co_await g(x) + 1;",
    "co_return co_await g(x) && y;",
    "co_return std::move(co_await g(x));",
    "std::vector<int> v{co_await g(x), co_await h(x)};",
    "auto [a, b] = co_await g(x);",
    "table[x] = co_await g(x);",
    "at(x) = co_await g(x);",
    "total += co_await g(x);",
    "co_await g(co_await h(x));",
    'co_await g(std::string("x"));',
    "co_await g(std::vector<std::pair<int, int>>(x, y));",
    'co_await g(fmt::format("{}", x));',
    "co_await g(std::make_unique<T>(x));",
    "co_await g(Open{.name = x});",
    "co_await g({x, y});",
    "co_await Wait{queue};",
    "co_await Open{x}.with(y);",
    "co_await g([x] { use(x); });",
    "co_await g([=] { use(x); });",
    "auto t = [x]() -> Task<void> { co_await g(x); };",
    "auto t = [&](int n) -> Task<int> { co_return n; };",
    "scope.spawn([this]() -> Task<void> { co_await g(x_); }());",
    "#define WAIT(x) co_await g(x)",
])
@pytest.mark.parametrize("path", ["src/link/a.cpp", "tests/sim/a_test.cpp"])
def test_a_co_await_that_hides_is_found(tmp_path, body, path):
    assert 1 in found(tmp_path, body, path)


def test_only_the_lambda_that_is_the_coroutine_is_found(tmp_path):
    result = found(tmp_path, "auto t = [&] {\n  return [](Loop& l) -> Task<void> { co_await l.turn(); };\n};\n"
                             "auto u = [] {\n  return [x]() -> Task<void> { co_await g(x); };\n};")
    assert set(result) == {5}


def test_the_compiler_test_may_hold_the_wrong_forms(tmp_path):
    assert not found(tmp_path, "if (co_await g(x)) co_return;", "tests/compiler/a_test.cpp")
