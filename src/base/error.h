// error.h: what went wrong, for a program (code) and for a person (message), with its cause.
//
// An Error is cheap to move and to copy (two words). Nobody compares message text: branch on code().
// Exceptions are for broken invariants only; everything that can fail in use returns Result<T>.
#pragma once
#include <fmt/core.h>

#include <cstdint>
#include <expected>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "base/format.h"

namespace fairlead {

enum class Code : std::uint8_t {
  invalid,          // input that cannot be accepted as it is: a malformed frame, a bad manifest, a wrong argument
  not_found,        // what was named does not exist
  exists,           // what was to be made is there already
  forbidden,        // known, and not allowed
  unauthenticated,  // identity missing, wrong, expired or revoked
  unreachable,      // no way to the other side: no route, no session, name not resolved
  refused,          // the other side was reached and said no
  reset,            // the other side broke off
  closed,           // ended in an orderly way, by either side
  timeout,          // the deadline passed
  overloaded,       // a named limit was reached; may succeed later
  too_large,        // more than a named limit; will not succeed later
  unsupported,      // a version, feature or kind that this side does not know
  cancelled,        // given up by our own side
  io,               // the operating system failed
  internal,         // a defect of Fairlead
};

std::string_view name(Code code);

class [[nodiscard]] Error {
 public:
  Error(Code code, std::string message) : body_(std::make_shared<const Body>(code, std::move(message), nullptr)) {}

  // What the caller was doing when `cause` happened. The code is the cause's own unless another is given.
  static Error wrap(std::string doing, Error cause) { return Error{cause.code(), std::move(doing), std::move(cause)}; }
  static Error wrap(Code code, std::string doing, Error cause) { return Error{code, std::move(doing), std::move(cause)}; }

  // From errno of the failed call.
  static Error from_errno(int err, std::string doing);

  Code code() const { return body_->code; }
  const std::string& message() const { return body_->message; }  // this step alone
  const Error* cause() const { return body_->cause ? body_->cause.get() : nullptr; }
  std::string describe() const;  // "message: cause: cause of the cause"

 private:
  struct Body {
    Body(Code c, std::string m, std::shared_ptr<const Error> e) : code(c), message(std::move(m)), cause(std::move(e)) {}
    Code code;
    std::string message;
    std::shared_ptr<const Error> cause;
  };
  Error(Code code, std::string message, Error cause)
      : body_(std::make_shared<const Body>(code, std::move(message), std::make_shared<const Error>(std::move(cause)))) {}

  std::shared_ptr<const Body> body_;  // shared: an Error is handed to every flow that a dead session ends
};

template <class T = void>
using Result = std::expected<T, Error>;

// return fail(Code::invalid, "port {} is out of range", port);
template <class... Args>
std::unexpected<Error> fail(Code code, fmt::format_string<Args...> text, Args&&... args) {
  return std::unexpected(Error(code, fmt::vformat(text, fmt::make_format_args(args...))));
}
inline std::unexpected<Error> fail(Error error) { return std::unexpected(std::move(error)); }

}  // namespace fairlead

template <>
struct fmt::formatter<fairlead::Error> : fairlead::TextFormatter {
  auto format(const fairlead::Error& e, fmt::format_context& ctx) const { return text(e.describe(), ctx); }
};

// TRY(expr): return its error, if it has one. TRY_ASSIGN(auto x, expr): x is its value. CO_* are the same inside a coroutine;
// what they are given must not itself contain a co_await (name the result first; tools/lint checks it).
#define FAIRLEAD_CONCAT_(a, b) a##b
#define FAIRLEAD_CONCAT(a, b) FAIRLEAD_CONCAT_(a, b)
#define FAIRLEAD_TRY_(ret, tmp, expr) \
  if (auto tmp = (expr); !tmp) ret std::unexpected(std::move(tmp).error())
#define FAIRLEAD_TRY_ASSIGN_(ret, tmp, decl, expr)       \
  auto tmp = (expr);                                     \
  if (!tmp) ret std::unexpected(std::move(tmp).error()); \
  decl = *std::move(tmp)
#define TRY(expr) FAIRLEAD_TRY_(return, FAIRLEAD_CONCAT(try_, __LINE__), expr)
#define TRY_ASSIGN(decl, expr) FAIRLEAD_TRY_ASSIGN_(return, FAIRLEAD_CONCAT(try_, __LINE__), decl, expr)
#define CO_TRY(expr) FAIRLEAD_TRY_(co_return, FAIRLEAD_CONCAT(try_, __LINE__), expr)
#define CO_TRY_ASSIGN(decl, expr) FAIRLEAD_TRY_ASSIGN_(co_return, FAIRLEAD_CONCAT(try_, __LINE__), decl, expr)
