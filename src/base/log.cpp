#include "base/log.h"

#include <fmt/format.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <array>
#include <cstring>
#include <string>

namespace fairlead {

Secret::~Secret() {
  // A plain memset of a dying object may be optimised away.
  volatile char* p = text_.data();
  for (std::size_t i = 0; i < text_.size(); i++) p[i] = 0;
}

}  // namespace fairlead

namespace fairlead::log {
namespace {

std::atomic<Capture> captured{nullptr};
std::atomic<Format> line_format{Format::text};

spdlog::logger& sink() {
  static spdlog::logger logger = [] {
    spdlog::logger made("fairlead", std::make_shared<spdlog::sinks::stderr_sink_mt>());
    made.set_level(spdlog::level::trace);
    made.set_pattern("%v");
    made.flush_on(spdlog::level::trace);
    return made;
  }();
  return logger;
}

std::string_view label(Level level) {
  switch (level) {
    case Level::debug: return "debug";
    case Level::info: return "info";
    case Level::warn: return "warn";
    case Level::error: return "error";
    case Level::off: return "off";
  }
  return "error";
}

std::string json_string(std::string_view text) {
  std::string out = "\"";
  for (char c : text) {
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (static_cast<unsigned char>(c) < 0x20) {
      out += fmt::format("\\u{:04x}", static_cast<unsigned>(c));
    } else {
      out += c;
    }
  }
  return out += '"';
}

std::string timestamp() {
  timespec ts{};
  clock_gettime(CLOCK_REALTIME, &ts);
  std::tm tm{};
  gmtime_r(&ts.tv_sec, &tm);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z", tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min,
                     tm.tm_sec, ts.tv_nsec / 1'000'000);
}

// Text from outside must not be able to write a second line or steer a terminal.
std::string one_line(std::string text) {
  for (char& c : text)
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = ' ';
  return text;
}

bool token_char(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || strchr("-._~+/=", c) != nullptr;
}

}  // namespace

Result<Level> parse_level(std::string_view text) {
  for (Level level : {Level::debug, Level::info, Level::warn, Level::error, Level::off})
    if (text == label(level)) return level;
  return fail(Code::invalid, "log level \"{}\" is none of debug, info, warn, error, off", text);
}

void configure(Level level, Format format) {
  detail::threshold.store(level, std::memory_order_relaxed);
  line_format.store(format, std::memory_order_relaxed);
}

void capture(Capture to) { captured.store(to); }

std::string mask_secrets(std::string_view line) {
  std::string out(line);
  constexpr std::string_view kMask = "[secret]";
  // A PEM private key: from its BEGIN line to its END line, or to the end of the text.
  for (std::size_t at = 0; (at = out.find("-----BEGIN ", at)) != std::string::npos;) {
    std::size_t head = out.find("-----", at + 11);
    if (head == std::string::npos || out.substr(at, head - at).find("PRIVATE KEY") == std::string::npos) {
      at += 11;
      continue;
    }
    std::size_t end = out.find("-----END ", head);
    end = end == std::string::npos ? out.size() : out.find("-----", end + 9);
    end = end == std::string::npos ? out.size() : std::min(out.size(), end + 5);
    out.replace(at, end - at, kMask);
    at += kMask.size();
  }
  // What follows one of these words is a credential.
  static constexpr std::array<std::string_view, 6> kMarks = {"Bearer ", "Basic ", "token=", "token: ", "password=", "fl1."};
  for (std::string_view mark : kMarks) {
    for (std::size_t at = 0; (at = out.find(mark, at)) != std::string::npos;) {
      at += mark.size();
      std::size_t end = at;
      while (end < out.size() && token_char(out[end])) end++;
      if (end == at) continue;
      out.replace(at, end - at, kMask);
      at += kMask.size();
    }
  }
  return out;
}

namespace detail {

std::atomic<Level> threshold{Level::info};

void write(Level level, std::string_view component, fmt::string_view text, fmt::format_args args) {
  std::string line = one_line(mask_secrets(fmt::vformat(text, args)));
  if (Capture to = captured.load()) {
    to(level, component, line);
    return;
  }
  if (line_format.load(std::memory_order_relaxed) == Format::json)
    line = fmt::format(R"({{"time":"{}","level":"{}","component":{},"message":{}}})", timestamp(), label(level), json_string(component),
                       json_string(line));
  else
    line = fmt::format("{} {:5} {}: {}", timestamp(), label(level), component, line);
  sink().log(spdlog::level::info, "{}", line);
}

}  // namespace detail
}  // namespace fairlead::log
