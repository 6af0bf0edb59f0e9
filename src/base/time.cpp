#include "base/time.h"

#include <fmt/format.h>

#include <ctime>

namespace fairlead {

std::string to_rfc3339(WallTime at) {
  auto ms = std::chrono::floor<std::chrono::milliseconds>(at);
  auto seconds = std::chrono::floor<std::chrono::seconds>(ms);
  std::time_t t = std::chrono::system_clock::to_time_t(seconds);
  std::tm tm{};
  gmtime_r(&t, &tm);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z", tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min,
                     tm.tm_sec, (ms - seconds).count());
}

std::string to_text(Duration d) {
  const double ns = static_cast<double>(d.count());
  if (d < 0ns) return "-" + to_text(-d);
  if (d >= 24h) return fmt::format("{}d{}h", d / 24h, (d % 24h) / 1h);
  if (d >= 1h) return fmt::format("{}h{}m", d / 1h, (d % 1h) / 1min);
  if (d >= 1min) return fmt::format("{}m{}s", d / 1min, (d % 1min) / 1s);
  if (d >= 1s) return fmt::format("{:.3g}s", ns / 1e9);
  if (d >= 1ms) return fmt::format("{:.3g}ms", ns / 1e6);
  if (d >= 1us) return fmt::format("{:.3g}us", ns / 1e3);
  return fmt::format("{}ns", d.count());
}

}  // namespace fairlead
