#include "route/values.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>

namespace fairlead::route {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_small_alnum(char c) { return is_digit(c) || (c >= 'a' && c <= 'z'); }
bool is_alnum(char c) { return is_small_alnum(c) || (c >= 'A' && c <= 'Z'); }

// `digits` has nothing else in it; false if the number is too large.
template <class T>
bool parse_digits(std::string_view digits, T& out) {
  return std::from_chars(digits.data(), digits.data() + digits.size(), out).ec == std::errc();
}

struct Unit {
  std::string_view name;
  Duration length;
  bool config_only;
};
// A unit whose name begins another's comes after it.
constexpr std::array<Unit, 6> kUnits = {
    {{"d", 24h, true}, {"h", 1h, false}, {"ms", 1ms, false}, {"m", 1min, false}, {"s", 1s, false}, {"us", 1us, true}}};
constexpr std::size_t kMaxParts = 4;   // GEP-2257
constexpr std::size_t kMaxDigits = 5;  // GEP-2257

struct SizeUnit {
  std::string_view name;
  std::uint64_t bytes;
};
constexpr std::array<SizeUnit, 5> kSizeUnits = {
    {{"TiB", 1ull << 40}, {"GiB", 1ull << 30}, {"MiB", 1ull << 20}, {"KiB", 1ull << 10}, {"B", 1}}};

}  // namespace

Result<Duration> parse_duration(std::string_view text, Durations which) {
  const bool config = which == Durations::config;
  auto bad = [&] {
    return fail(Code::invalid, "{} is not a duration like 1h30m, 10s or 500ms (units {})", shown(text),
                config ? "d, h, m, s, ms, us" : "h, m, s, ms");
  };
  if (text.empty()) return bad();
  Duration sum{};
  std::string_view rest = text;
  for (std::size_t part = 0; !rest.empty(); part++) {
    const std::size_t digits = std::min(rest.find_first_not_of("0123456789"), rest.size());
    if (part == kMaxParts || digits == 0 || digits > kMaxDigits) return bad();
    int n = 0;
    static_cast<void>(parse_digits(rest.substr(0, digits), n));
    rest.remove_prefix(digits);
    auto unit =
        std::find_if(kUnits.begin(), kUnits.end(), [&](const Unit& u) { return rest.starts_with(u.name) && (config || !u.config_only); });
    if (unit == kUnits.end()) return bad();
    rest.remove_prefix(unit->name.size());
    if (unit->length * n > Duration::max() - sum) return fail(Code::invalid, "{} is too long", shown(text));
    sum += unit->length * n;
  }
  return sum;
}

Result<ByteSize> parse_byte_size(std::string_view text) {
  const std::size_t digits = std::min(text.find_first_not_of("0123456789"), text.size());
  const std::string_view name = text.substr(digits);
  auto unit = std::find_if(kSizeUnits.begin(), kSizeUnits.end(), [&](const SizeUnit& u) { return name == u.name; });
  if (digits == 0 || (!name.empty() && unit == kSizeUnits.end()))
    return fail(Code::invalid, "{} is not a size like 512B, 64KiB, 10MiB or 1GiB (1 KiB is 1024 bytes)", shown(text));
  const std::uint64_t factor = name.empty() ? 1 : unit->bytes;
  std::uint64_t n = 0;
  if (!parse_digits(text.substr(0, digits), n) || n > UINT64_MAX / factor) return fail(Code::invalid, "{} is too large", shown(text));
  return ByteSize(n * factor);
}

std::string to_manifest_text(Duration d) {
  if (d == 0s) return "0s";
  std::string text;
  for (const Unit& unit : {kUnits[1], kUnits[3], kUnits[4], kUnits[2], kUnits[5]}) {
    if (d < unit.length) continue;
    text += fmt::format("{}{}", d / unit.length, unit.name);
    d %= unit.length;
  }
  return text;
}

std::string to_manifest_text(ByteSize size) {
  for (const SizeUnit& unit : kSizeUnits)
    if (size.value() >= unit.bytes && size.value() % unit.bytes == 0) return fmt::format("{}{}", size.value() / unit.bytes, unit.name);
  return "0B";
}

Result<void> check_dns_label(std::string_view text) {
  const bool ok = !text.empty() && text.size() <= 63 && is_small_alnum(text.front()) && is_small_alnum(text.back()) &&
                  std::all_of(text.begin(), text.end(), [](char c) { return is_small_alnum(c) || c == '-'; });
  if (!ok)
    return fail(Code::invalid, "{} is not a name (at most 63 of a-z, 0-9 and '-', with a letter or digit at both ends)", shown(text));
  return {};
}

Result<void> check_dns_subdomain(std::string_view text) {
  bool ok = !text.empty() && text.size() <= 253;
  for (std::string_view rest = text; ok;) {
    const std::size_t dot = rest.find('.');
    const std::string_view label = rest.substr(0, dot);
    // Kubernetes lets a label of a subdomain be longer than 63.
    ok = !label.empty() && is_small_alnum(label.front()) && is_small_alnum(label.back()) &&
         std::all_of(label.begin(), label.end(), [](char c) { return is_small_alnum(c) || c == '-'; });
    if (dot == rest.npos) break;
    rest.remove_prefix(dot + 1);
  }
  if (!ok)
    return fail(Code::invalid, "{} is not a name (at most 253 of a-z, 0-9, '-' and '.', with a letter or digit at both ends of each part)",
                shown(text));
  return {};
}

namespace {
bool is_qualified_part(std::string_view text) {
  return !text.empty() && text.size() <= 63 && is_alnum(text.front()) && is_alnum(text.back()) &&
         std::all_of(text.begin(), text.end(), [](char c) { return is_alnum(c) || c == '-' || c == '_' || c == '.'; });
}
}  // namespace

Result<void> check_label_key(std::string_view text) {
  const std::size_t slash = text.find('/');
  const bool prefix_ok = slash == text.npos || check_dns_subdomain(text.substr(0, slash)).has_value();
  if (!prefix_ok || !is_qualified_part(text.substr(slash == text.npos ? 0 : slash + 1)))
    return fail(Code::invalid,
                "{} is not a label's key (at most 63 of letters, digits, '-', '_' and '.'; a DNS name and '/' may stand before)",
                shown(text));
  return {};
}

Result<void> check_label_value(std::string_view text) {
  if (!text.empty() && !is_qualified_part(text))
    return fail(Code::invalid, "{} is not a label's value (at most 63 of letters, digits, '-', '_' and '.')", shown(text));
  return {};
}

bool matches(const Labels& selector, const Labels& labels) {
  return std::all_of(selector.begin(), selector.end(), [&](const auto& wanted) {
    auto found = labels.find(wanted.first);
    return found != labels.end() && found->second == wanted.second;
  });
}

void decode(const Field& f, Port& out) {
  const std::optional<std::int64_t> n = f.whole_number();
  if (!n) return;
  if (*n < 1 || *n > 65535) return f.error("{} is not a port (1-65535)", *n);
  out = Port(static_cast<std::uint16_t>(*n));
}

void decode(const Field& f, Duration& out) {
  if (f.node().kind == Node::Kind::number)
    return f.error("{} has no unit: write {}s, or {}ms", f.node().text, f.node().text, f.node().text);
  const std::optional<std::string_view> text = f.string();
  if (!text) return;
  Result<Duration> d = parse_duration(*text, f.decoding().durations);
  if (!d) return f.error("{}", d.error().message());
  out = *d;
}

void decode(const Field& f, ByteSize& out) {
  std::string_view text = f.node().text;
  if (f.node().kind != Node::Kind::number) {
    const std::optional<std::string_view> s = f.string();
    if (!s) return;
    text = *s;
  }
  Result<ByteSize> size = parse_byte_size(text);
  if (!size) return f.error("{}", size.error().message());
  out = *size;
}

void decode(const Field& f, Labels& out) {
  out.clear();
  f.entries([&](const Member& m, const Field& value) {
    if (Result<void> r = check_label_key(m.name); !r) f.report(Severity::error, m.at, r.error().message());
    checked(out[m.name], check_label_value)(value);
  });
}

namespace {
template <class T, class Out>
void decode_parsed(const Field& f, Out& out) {
  const std::optional<std::string_view> text = f.string();
  if (!text) return;
  auto parsed = T::parse(*text);
  if (!parsed) return f.error("{}", parsed.error().describe());
  out = *std::move(parsed);
}
}  // namespace

void decode(const Field& f, std::optional<NodeName>& out) { decode_parsed<NodeName>(f, out); }
void decode(const Field& f, net::IpAddress& out) { decode_parsed<net::IpAddress>(f, out); }
void decode(const Field& f, net::SocketAddress& out) { decode_parsed<net::SocketAddress>(f, out); }
void decode(const Field& f, net::Cidr& out) { decode_parsed<net::Cidr>(f, out); }
void decode(const Field& f, net::HostPort& out) { decode_parsed<net::HostPort>(f, out); }

}  // namespace fairlead::route
