// trace.h: trace context of the W3C (https://www.w3.org/TR/trace-context/, header `traceparent`): which request this is a part of.
#pragma once
#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/random.h"

namespace fairlead::observe {

// A value that exists is valid: neither id is all zero.
class TraceContext {
 public:
  using TraceId = std::array<std::uint8_t, 16>;
  using SpanId = std::array<std::uint8_t, 8>;

  // Nothing for what is not a valid traceparent: the request then begins a trace of its own (section 4.3 of the text).
  static std::optional<TraceContext> parse(std::string_view traceparent);
  // The same from the wire.
  static std::optional<TraceContext> from_ids(const TraceId& trace, const SpanId& span, std::uint8_t flags);
  static TraceContext begin(Random& random, bool sampled);

  // The same trace, a span of our own.
  TraceContext child(Random& random) const;

  const TraceId& trace() const { return trace_; }
  const SpanId& span() const { return span_; }
  std::uint8_t flags() const { return flags_; }
  bool sampled() const { return (flags_ & kSampled) != 0; }
  std::string to_text() const;     // version 00
  std::string trace_text() const;  // 32 hex digits, for logs
  friend bool operator==(const TraceContext&, const TraceContext&) = default;

 private:
  static constexpr std::uint8_t kSampled = 1;
  static constexpr std::uint8_t kRandom = 2;  // level 2: the trace id is random
  TraceContext(const TraceId& trace, const SpanId& span, std::uint8_t flags) : trace_(trace), span_(span), flags_(flags) {}

  TraceId trace_;
  SpanId span_;
  std::uint8_t flags_;
};

}  // namespace fairlead::observe
