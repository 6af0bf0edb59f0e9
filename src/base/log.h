// log.h: one line for people about what happened, on standard error; the access log is another thing (observe/access_log.h).
//
// Thread-safe. A line that is below the level costs one load. What looks like a secret (a private key, a bearer token) is masked
// before it is written, as a last line of defence: pass secrets as Secret, whose text never reaches a formatter.
#pragma once
#include <fmt/core.h>

#include <atomic>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/error.h"

namespace fairlead {

// A value that must not be shown. Wiped when destroyed; formats as "[secret]".
class Secret {
 public:
  Secret() = default;
  explicit Secret(std::string text) : text_(std::move(text)) {}
  Secret(Secret&&) noexcept = default;
  Secret& operator=(Secret&&) noexcept = default;
  Secret(const Secret&) = default;
  Secret& operator=(const Secret&) = default;
  ~Secret();
  const std::string& reveal() const { return text_; }
  bool empty() const { return text_.empty(); }

 private:
  std::string text_;
};

}  // namespace fairlead

namespace fairlead::log {

enum class Level : std::uint8_t { debug, info, warn, error, off };
enum class Format : std::uint8_t { text, json };

Result<Level> parse_level(std::string_view text);
void configure(Level level, Format format);

// Replaces private keys and tokens in `line` by "[secret]".
std::string mask_secrets(std::string_view line);

// Receives each finished line instead of standard error; for tests. Pass nullptr to go back.
using Capture = void (*)(Level, std::string_view component, std::string_view text);
void capture(Capture to);

namespace detail {
extern std::atomic<Level> threshold;
void write(Level level, std::string_view component, fmt::string_view text, fmt::format_args args);
}  // namespace detail

inline bool enabled(Level level) { return level >= detail::threshold.load(std::memory_order_relaxed); }

// log::info("link", "node {} is connected from {}", node, address);   component: the layer or plug-in
template <class... Args>
void debug(std::string_view component, fmt::format_string<Args...> text, Args&&... args) {
  if (enabled(Level::debug)) detail::write(Level::debug, component, text, fmt::make_format_args(args...));
}
template <class... Args>
void info(std::string_view component, fmt::format_string<Args...> text, Args&&... args) {
  if (enabled(Level::info)) detail::write(Level::info, component, text, fmt::make_format_args(args...));
}
template <class... Args>
void warn(std::string_view component, fmt::format_string<Args...> text, Args&&... args) {
  if (enabled(Level::warn)) detail::write(Level::warn, component, text, fmt::make_format_args(args...));
}
template <class... Args>
void error(std::string_view component, fmt::format_string<Args...> text, Args&&... args) {
  if (enabled(Level::error)) detail::write(Level::error, component, text, fmt::make_format_args(args...));
}

}  // namespace fairlead::log

template <>
struct fmt::formatter<fairlead::Secret> : fairlead::TextFormatter {
  auto format(const fairlead::Secret&, fmt::format_context& ctx) const { return text("[secret]", ctx); }
};
