#include "http/framing.h"

#include <algorithm>

#include "http/grammar.h"

namespace fairlead::http::detail {
namespace {

std::unexpected<Refusal> bad(std::string_view code, std::string_view text) { return std::unexpected(Refusal{400, code, text}); }

// A service that maps names to variables reads Content_Length as Content-Length.
bool is_disguised(std::string_view name, std::string_view known) {
  return std::ranges::equal(name, known, {}, [](char c) { return c == '_' ? '-' : lower(c); });
}

}  // namespace

std::expected<KnownFields, Refusal> KnownFields::find(const Fields& fields) {
  KnownFields known;
  for (const Field& f : fields) {
    switch (f.name.size()) {
      case 2:
        if (equal_name(f.name, "te")) known.te = true;
        break;
      case 4:
        if (!equal_name(f.name, "host")) break;
        if (known.host != nullptr) return bad("two-hosts", "there are two Host fields");
        known.host = &f;
        break;
      case 6:
        if (equal_name(f.name, "expect")) known.expect = true;
        break;
      case 7:
        if (equal_name(f.name, "upgrade")) known.upgrade = true;
        break;
      case 10:
        if (equal_name(f.name, "connection")) known.connection = true;
        break;
      case 14:
        if (!is_disguised(f.name, "content-length")) break;
        if (f.name[7] == '_') return bad("bad-field-name", "a name looks like Content-Length and is not");
        if (known.length != nullptr) return bad("two-lengths", "there are two Content-Length fields");
        known.length = &f;
        break;
      case 17:
        if (!is_disguised(f.name, "transfer-encoding")) break;
        if (f.name[8] == '_') return bad("bad-field-name", "a name looks like Transfer-Encoding and is not");
        if (known.coding != nullptr) return bad("two-codings", "there are two Transfer-Encoding fields");
        known.coding = &f;
        break;
      default: break;
    }
  }
  if (known.length != nullptr && known.coding != nullptr)
    return bad("length-and-coding", "there are both Content-Length and Transfer-Encoding");
  return known;
}

std::expected<std::uint64_t, Refusal> parse_length(std::string_view digits) {
  // 18 digits: sums of lengths cannot overflow, in no reader.
  constexpr std::size_t kMaxDigits = 18;
  if (digits.empty() || !std::ranges::all_of(digits, [](char c) { return c >= '0' && c <= '9'; }))
    return bad("bad-length", "the Content-Length is not a number");
  if (digits.size() > kMaxDigits) return bad("bad-length", "the Content-Length is too large to be true");
  std::uint64_t n = 0;
  for (const char c : digits) n = n * 10 + static_cast<std::uint64_t>(c - '0');
  return n;
}

std::optional<Refusal> check_coding(std::string_view value, unsigned minor) {
  if (minor == 0) return Refusal{400, "coding-in-1.0", "HTTP/1.0 has no Transfer-Encoding"};
  if (equal_name(value, "chunked")) return std::nullopt;
  // What has an end that can be found by others is "not implemented"; what has none, or `chunked` out of place, is malformed.
  std::size_t items = 0, chunked = 0;
  bool last_chunked = false, tokens = true;
  for (ListItems list(value); auto item = list.next(); items++) {
    last_chunked = equal_name(*item, "chunked");
    chunked += last_chunked;
    tokens = tokens && is_token(*item);
  }
  const bool chunked_out_of_place = chunked > 1 || (chunked == 1 && (!last_chunked || items == 1));
  if (items == 0 || !tokens || chunked_out_of_place) return Refusal{400, "bad-coding", "the Transfer-Encoding cannot be understood"};
  return Refusal{501, "transfer-coding", "the only Transfer-Encoding that is taken is chunked"};
}

ConnectionOptions ConnectionOptions::read(const Fields& fields) {
  ConnectionOptions options;
  for (const Field& f : fields) {
    if (f.name.size() != 10 || !equal_name(f.name, "connection")) continue;
    for (ListItems items(f.value); auto item = items.next();) {
      if (equal_name(*item, "close")) options.close = true;
      if (equal_name(*item, "keep-alive")) options.keep_alive = true;
      if (equal_name(*item, "upgrade")) options.upgrade = true;
    }
  }
  return options;
}

std::string_view read_upgrade(const Fields& fields) {
  for (const Field& f : fields) {
    if (!equal_name(f.name, "upgrade")) continue;
    for (ListItems items(f.value); auto item = items.next();) {
      // protocol = name ["/" version]
      const std::size_t slash = item->find('/');
      const std::string_view name = item->substr(0, slash);
      if (!is_token(name) || (slash != item->npos && !is_token(item->substr(slash + 1)))) continue;
      if (!equal_name(name, "h2c") && !equal_name(name, "h2") && !equal_name(name, "http")) return *item;
    }
  }
  return {};
}

}  // namespace fairlead::http::detail
