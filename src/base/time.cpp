#include "base/time.h"

#include <fmt/format.h>

#include <algorithm>

namespace fairlead {

std::string to_rfc3339(WallTime at) {
  // By hand: each line of the access log has one.
  const auto ms = std::chrono::floor<std::chrono::milliseconds>(at);
  const auto day = std::chrono::floor<std::chrono::days>(ms);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss time(ms - day);
  std::string text = "0000-00-00T00:00:00.000Z";
  auto put = [&](std::size_t begin, std::size_t digits, std::int64_t value) {
    for (std::size_t i = begin + digits; i-- > begin; value /= 10) text[i] = static_cast<char>('0' + value % 10);
  };
  put(0, 4, std::clamp(static_cast<int>(date.year()), 0, 9999));
  put(5, 2, static_cast<unsigned>(date.month()));
  put(8, 2, static_cast<unsigned>(date.day()));
  put(11, 2, time.hours().count());
  put(14, 2, time.minutes().count());
  put(17, 2, time.seconds().count());
  put(20, 3, time.subseconds().count());
  return text;
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
