#include "observe/trace.h"

#include <algorithm>
#include <span>

#include "base/bytes.h"

namespace fairlead::observe {

namespace {

// Lower case only, as the text demands.
std::optional<std::uint8_t> digit(char c) {
  if (c >= '0' && c <= '9') return static_cast<std::uint8_t>(c - '0');
  if (c >= 'a' && c <= 'f') return static_cast<std::uint8_t>(c - 'a' + 10);
  return std::nullopt;
}
bool read_hex(std::string_view text, std::span<std::uint8_t> into) {
  for (std::size_t i = 0; i < into.size(); i++) {
    const auto high = digit(text[2 * i]);
    const auto low = digit(text[2 * i + 1]);
    if (!high || !low) return false;
    into[i] = static_cast<std::uint8_t>(*high << 4 | *low);
  }
  return true;
}
std::string hex(std::span<const std::uint8_t> bytes) { return to_hex(from_u8(bytes.data(), bytes.size())); }
bool all_zero(std::span<const std::uint8_t> bytes) {
  return std::ranges::all_of(bytes, [](std::uint8_t b) { return b == 0; });
}
void fill(std::span<std::uint8_t> bytes, Random& random) {
  do {
    for (std::uint8_t& b : bytes) b = static_cast<std::uint8_t>(random.next());
  } while (all_zero(bytes));
}

}  // namespace

std::optional<TraceContext> TraceContext::parse(std::string_view text) {
  constexpr std::size_t kSize = 55;  // 00-<32>-<16>-<2>; a later version may go on after another dash
  if (text.size() < kSize || text[2] != '-' || text[35] != '-' || text[52] != '-') return std::nullopt;
  std::array<std::uint8_t, 1> version{}, flags{};
  TraceId trace{};
  SpanId span{};
  if (!read_hex(text, version) || !read_hex(text.substr(3), trace) || !read_hex(text.substr(36), span) || !read_hex(text.substr(53), flags))
    return std::nullopt;
  if (version[0] == 0xff || (text.size() > kSize && (version[0] == 0 || text[kSize] != '-'))) return std::nullopt;
  return from_ids(trace, span, flags[0]);
}

std::optional<TraceContext> TraceContext::from_ids(const TraceId& trace, const SpanId& span, std::uint8_t flags) {
  if (all_zero(trace) || all_zero(span)) return std::nullopt;
  return TraceContext(trace, span, flags & (kSampled | kRandom));  // unknown flags are not passed on
}

TraceContext TraceContext::begin(Random& random, bool sampled) {
  TraceId trace{};
  fill(trace, random);
  SpanId span{};
  fill(span, random);
  return {trace, span, static_cast<std::uint8_t>(kRandom | (sampled ? kSampled : 0))};
}

TraceContext TraceContext::child(Random& random) const {
  TraceContext context = *this;
  fill(context.span_, random);
  return context;
}

std::string TraceContext::to_text() const {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string text = "00-00000000000000000000000000000000-0000000000000000-00";
  auto put = [&](std::size_t begin, std::span<const std::uint8_t> bytes) {
    char* at = text.data() + begin;
    for (const std::uint8_t b : bytes) {
      *at++ = kDigits[b >> 4];
      *at++ = kDigits[b & 15];
    }
  };
  put(3, trace_);
  put(36, span_);
  put(53, {&flags_, 1});
  return text;
}
std::string TraceContext::trace_text() const { return hex(trace_); }

}  // namespace fairlead::observe
