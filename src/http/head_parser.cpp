#include "http/head_parser.h"

#include <algorithm>
#include <charconv>
#include <cstring>

#include "http/grammar.h"
#include "http/head_lines.h"
#include "http/target.h"

namespace fairlead::http {
namespace {

std::unexpected<Refusal> refuse(unsigned status, std::string_view code, std::string_view text) {
  return std::unexpected(Refusal{status, code, text});
}
std::unexpected<Refusal> malformed(std::string_view code, std::string_view text) { return refuse(400, code, text); }

// Takes what is before the first space from `rest`; nullopt if there is none.
std::optional<std::string_view> take_word(std::string_view& rest) {
  const std::size_t at = rest.find(' ');
  if (at == rest.npos) return std::nullopt;
  const std::string_view word = rest.substr(0, at);
  rest.remove_prefix(at + 1);
  return word;
}

// HTTP/1.0 or 1.1; others are known and not spoken (505), or no version at all.
std::expected<unsigned, Refusal> parse_version(std::string_view text) {
  if (text == "HTTP/1.1") return 1u;
  if (text == "HTTP/1.0") return 0u;
  const bool form = text.size() == 8 && text.starts_with("HTTP/") && text[5] >= '0' && text[5] <= '9' && text[6] == '.' && text[7] >= '0' &&
                    text[7] <= '9';
  if (form) return refuse(505, "version", "HTTP/1.0 and HTTP/1.1 are spoken here");
  return malformed("request-line", "the first line does not end with a version of HTTP");
}

struct Framing {
  const Field* length = nullptr;
  const Field* coding = nullptr;
};

// One Content-Length and one Transfer-Encoding at most: two of a kind can be read in two ways (RFC 9112, 6.3).
std::expected<Framing, Refusal> find_framing(const Fields& fields) {
  Framing f;
  for (const Field& field : fields) {
    if (equal_name(field.name, "content-length")) {
      if (f.length != nullptr) return malformed("two-lengths", "there are two Content-Length fields");
      f.length = &field;
    } else if (equal_name(field.name, "transfer-encoding")) {
      if (f.coding != nullptr) return malformed("two-codings", "there are two Transfer-Encoding fields");
      f.coding = &field;
    }
  }
  if (f.length != nullptr && f.coding != nullptr)
    return malformed("length-and-coding", "there are both Content-Length and Transfer-Encoding");
  return f;
}

std::expected<std::uint64_t, Refusal> parse_length(std::string_view digits) {
  std::uint64_t n = 0;
  const bool all_digits = !digits.empty() && std::ranges::all_of(digits, [](char c) { return c >= '0' && c <= '9'; });
  if (!all_digits) return malformed("bad-length", "the Content-Length is not a number");
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), n);
  // Half the range, so that sums of lengths cannot overflow.
  if (error != std::errc{} || n > UINT64_MAX / 2) return malformed("bad-length", "the Content-Length is too large to be true");
  return n;
}

bool wants(const Fields& fields, std::string_view option) { return fields.has_token("connection", option); }

}  // namespace

namespace detail {

void HeadLines::reset() {
  at_ = scanned_ = 0;
  has_first_ = skipped_ = false;
  first_ = {};
  fields_.clear();
}

// Looks at the lines that are whole. The head is whole with the empty line.
std::expected<std::optional<std::size_t>, Refusal> HeadLines::scan(std::string_view buffer, const HeadLimits& limits,
                                                                   bool skip_empty_first) {
  for (;;) {
    const char* const from = buffer.data() + std::max(at_, scanned_);
    const std::size_t left = buffer.size() - std::max(at_, scanned_);
    const char* const lf = static_cast<const char*>(left == 0 ? nullptr : std::memchr(from, '\n', left));
    const std::size_t end = lf == nullptr ? buffer.size() : static_cast<std::size_t>(lf - buffer.data());
    if (lf == nullptr) {
      scanned_ = buffer.size();
      if (buffer.size() >= limits.size) return too_large(limits);
      // What cannot become good is refused before its line is whole.
      const std::string_view part = buffer.substr(at_);
      if (auto bad = check_part(part)) return std::unexpected(*bad);
      return std::nullopt;
    }
    if (end + 1 > limits.size) return too_large(limits);
    if (end == at_ || buffer[end - 1] != '\r') return malformed("bare-lf", "a line ends with LF and no CR");
    const std::string_view line = buffer.substr(at_, end - 1 - at_);
    const std::size_t begin = at_;
    if (line.empty()) {
      if (!has_first_) {
        if (!skip_empty_first || skipped_) return malformed("empty-line", "an empty line where a head begins");
        skipped_ = true;
        at_ = scanned_ = end + 1;
        continue;
      }
      at_ = end + 1;
      return at_;
    }
    at_ = scanned_ = end + 1;
    if (!has_first_) {
      has_first_ = true;
      first_ = {begin, line.size()};
      if (line.find('\r') != line.npos) return malformed("bare-cr", "there is a CR without LF in the first line");
      continue;
    }
    if (auto bad = add_field(line, begin, limits)) return std::unexpected(*bad);
  }
}

std::unexpected<Refusal> HeadLines::too_large(const HeadLimits&) const {
  if (!has_first_) return refuse(414, "target-too-long", "the first line is longer than allowed");
  return refuse(431, "head-too-large", "the head is larger than allowed");
}

std::optional<Refusal> HeadLines::check_part(std::string_view part) const {
  if (part.empty()) return std::nullopt;
  if (part.find('\0') != part.npos) return Refusal{400, "control-character", "there is a control character in the head"};
  const std::size_t cr = part.find('\r');
  if (cr != part.npos && cr + 1 < part.size()) return Refusal{400, "bare-cr", "there is a CR without LF in the head"};
  if (has_first_ && (part.front() == ' ' || part.front() == '\t'))
    return Refusal{400, "folded-line", "a line of the head is folded (begins with white space)"};
  return std::nullopt;
}

std::optional<Refusal> HeadLines::add_field(std::string_view line, std::size_t begin, const HeadLimits& limits) {
  if (fields_.size() >= limits.fields) return Refusal{431, "too-many-fields", "the head has more fields than allowed"};
  if (line.front() == ' ' || line.front() == '\t')
    return Refusal{400, "folded-line", "a line of the head is folded (begins with white space)"};
  const std::size_t colon = line.find(':');
  if (colon == line.npos) return Refusal{400, "no-colon", "a line of the head has no colon"};
  if (!is_token(line.substr(0, colon))) return Refusal{400, "bad-field-name", "the name of a field is not a token"};
  std::size_t from = colon + 1, to = line.size();
  while (from < to && (line[from] == ' ' || line[from] == '\t')) from++;
  while (to > from && (line[to - 1] == ' ' || line[to - 1] == '\t')) to--;
  const std::string_view value = line.substr(from, to - from);
  if (!is_value(value)) {
    if (value.find('\r') != value.npos) return Refusal{400, "bare-cr", "there is a CR without LF in the head"};
    return Refusal{400, "control-character", "there is a control character in the head"};
  }
  fields_.push_back({{begin, colon}, {begin + from, to - from}});
  return std::nullopt;
}

void HeadLines::fields(std::string_view buffer, Fields& into) const {
  into.clear();
  for (const auto& [name, value] : fields_) into.add(buffer.substr(name.at, name.size), buffer.substr(value.at, value.size));
}

}  // namespace detail

namespace {

// What follows the head of a request, from its fields.
std::optional<Refusal> read_request_framing(RequestHead& head) {
  Request& r = head.request;
  const auto framing = find_framing(r.fields);
  if (!framing) return framing.error();
  r.body = BodyLength::none();
  head.chunked = false;
  if (framing->coding != nullptr) {
    if (head.minor == 0) return Refusal{400, "coding-in-1.0", "HTTP/1.0 has no Transfer-Encoding"};
    if (!equal_name(framing->coding->value, "chunked"))
      return Refusal{framing->coding->value.empty() ? 400u : 501u, "transfer-coding",
                     "the only Transfer-Encoding that is taken is chunked"};
    head.chunked = true;
    r.body = BodyLength::unknown();
  } else if (framing->length != nullptr) {
    const auto n = parse_length(framing->length->value);
    if (!n) return n.error();
    r.body = BodyLength::exact(*n);
  }
  return std::nullopt;
}

// The form of the target (RFC 9112, 3.2) gives scheme and authority; Host gives the authority of the others.
std::optional<Refusal> read_target(RequestHead& head, std::string_view target) {
  Request& r = head.request;
  const Field* host = nullptr;
  for (const Field& f : r.fields) {
    if (!equal_name(f.name, "host")) continue;
    if (host != nullptr) return Refusal{400, "two-hosts", "there are two Host fields"};
    host = &f;
  }
  if (host == nullptr && head.minor == 1) return Refusal{400, "no-host", "there is no Host field"};
  r.scheme = {};
  r.authority = host != nullptr ? host->value : std::string_view{};
  head.absolute = false;
  if (!r.authority.empty() && !parse_authority(r.authority)) return Refusal{400, "bad-host", "the Host is not a host name and a port"};

  if (target.find('#') != target.npos) return Refusal{400, "fragment", "the target has a fragment"};
  if (r.method == "CONNECT") return Refusal{501, "connect", "this is no proxy that opens tunnels"};
  if (target == "*") {
    if (r.method != "OPTIONS") return Refusal{400, "bad-target", "only OPTIONS can be about *"};
    r.target = target;
    return std::nullopt;
  }
  if (target.front() == '/') {
    r.target = target;
    return std::nullopt;
  }
  for (std::string_view scheme : {"http://", "https://"}) {
    if (target.size() <= scheme.size() || !equal_name(target.substr(0, scheme.size()), scheme)) continue;
    std::string_view rest = target.substr(scheme.size());
    const std::size_t end = std::min(rest.find('/'), rest.find('?'));
    const std::string_view authority = rest.substr(0, end);
    if (!parse_authority(authority)) return Refusal{400, "bad-target", "the target's authority is not a host name and a port"};
    if (end != rest.npos && rest[end] == '?') return Refusal{400, "bad-target", "the target has no path"};
    if (host != nullptr && !equal_name(host->value, authority))
      return Refusal{400, "host-mismatch", "Host is another than the target's authority"};
    head.absolute = true;
    r.scheme = scheme.substr(0, scheme.size() - 3);
    r.authority = authority;
    r.target = end == rest.npos ? std::string_view("/") : rest.substr(end);
    return std::nullopt;
  }
  return Refusal{400, "bad-target", "the target is neither a path nor a URL"};
}

// Upgrade counts only in HTTP/1.1 and if Connection names it (RFC 9110, 7.8). h2c is not offered: it is passed over.
std::string_view read_upgrade(const Fields& fields, unsigned minor) {
  if (minor == 0 || !wants(fields, "upgrade")) return {};
  const Field* upgrade = fields.find("upgrade");
  if (upgrade == nullptr || upgrade->value.empty() || upgrade->value.find(',') != std::string_view::npos) return {};
  return equal_name(upgrade->value, "h2c") ? std::string_view{} : upgrade->value;
}

}  // namespace

void RequestParser::reset() {
  lines_.reset();
  checked_first_ = false;
}

std::expected<std::optional<std::size_t>, Refusal> RequestParser::parse(std::string_view buffer) {
  auto size = lines_.scan(buffer, limits_, true);
  if (!size) return size;
  // The first line is judged as soon as it is whole: a peer that speaks another protocol is told at once.
  if (lines_.has_first_line() && (!checked_first_ || *size)) {
    std::string_view rest = lines_.first_line(buffer);
    const auto method = take_word(rest);
    const auto target = method ? take_word(rest) : std::nullopt;
    if (!target || !is_token(*method))
      return malformed("request-line", "the first line is not METHOD TARGET VERSION with one space between");
    if (target->size() > limits_.target) return refuse(414, "target-too-long", "the target is longer than allowed");
    if (!detail::all<detail::kTargetBit>(*target) || target->empty())
      return malformed("bad-target", "the target has characters that a URL does not");
    const auto minor = parse_version(rest);
    if (!minor) return std::unexpected(minor.error());
    checked_first_ = true;
    head_.request.method = *method;
    head_.request.target = *target;
    head_.minor = *minor;
  }
  if (!*size) return size;

  lines_.fields(buffer, head_.request.fields);
  const Fields& fields = head_.request.fields;
  if (auto bad = read_request_framing(head_)) return std::unexpected(*bad);
  if (auto bad = read_target(head_, head_.request.target)) return std::unexpected(*bad);
  head_.request.upgrade = read_upgrade(fields, head_.minor);
  head_.request.expect_continue = false;
  if (const Field* expect = fields.find("expect"); expect != nullptr && head_.minor == 1) {
    if (!equal_name(expect->value, "100-continue")) return refuse(417, "expectation", "the only expectation that is known is 100-continue");
    head_.request.expect_continue = head_.request.body.kind != BodyLength::Kind::none;
  }
  head_.keep_alive = head_.minor == 1 ? !wants(fields, "close") : wants(fields, "keep-alive");
  head_.accepts_trailers = fields.has_token("te", "trailers");
  return size;
}

void ResponseParser::reset() { lines_.reset(); }

std::expected<std::optional<std::size_t>, Refusal> ResponseParser::parse(std::string_view buffer, std::string_view method) {
  auto size = lines_.scan(buffer, limits_, false);
  if (!size) return std::unexpected(Refusal{502, size.error().code, size.error().text});
  if (!*size) return size;
  auto bad = [](std::string_view code, std::string_view text) { return refuse(502, code, text); };
  const std::string_view line = lines_.first_line(buffer);
  if (line.size() < 12 || line[8] != ' ') return bad("status-line", "the first line is not VERSION STATUS REASON");
  const auto minor = parse_version(line.substr(0, 8));
  if (!minor) return bad("status-line", "the first line does not begin with HTTP/1.0 or HTTP/1.1");
  unsigned status = 0;
  const auto [end, error] = std::from_chars(line.data() + 9, line.data() + 12, status);
  if (error != std::errc{} || end != line.data() + 12 || status < 100 || status > 599)
    return bad("status-line", "the status is not 100 to 599");
  if (line.size() > 12 && line[12] != ' ') return bad("status-line", "the status is not three digits");
  Response& r = head_.response;
  r.status = status;
  r.reason = line.size() > 13 ? line.substr(13) : std::string_view{};
  if (!is_value(r.reason)) return bad("status-line", "there is a control character in the reason");
  head_.minor = *minor;
  lines_.fields(buffer, r.fields);

  const auto framing = find_framing(r.fields);
  if (!framing) return bad(framing.error().code, framing.error().text);
  head_.chunked = head_.until_close = false;
  r.body = BodyLength::none();
  r.content_length = framing->length != nullptr ? framing->length->value : std::string_view{};
  if (framing->length != nullptr && !parse_length(framing->length->value)) return bad("bad-length", "the Content-Length is not a number");
  const bool bodiless = method == "HEAD" || status < 200 || status == 204 || status == 304;
  if (framing->coding != nullptr && !bodiless) {
    if (*minor == 0 || !equal_name(framing->coding->value, "chunked"))
      return bad("transfer-coding", "the answer has a Transfer-Encoding other than chunked");
    head_.chunked = true;
    r.body = BodyLength::unknown();
  } else if (!bodiless && framing->length != nullptr) {
    r.body = BodyLength::exact(*parse_length(framing->length->value));
  } else if (!bodiless) {
    head_.until_close = true;
    r.body = BodyLength::unknown();
  }
  r.upgrade = {};
  if (status == 101) {
    const Field* upgrade = r.fields.find("upgrade");
    if (upgrade == nullptr) return bad("no-upgrade", "a 101 that does not say what it changes to");
    r.upgrade = upgrade->value;
  }
  head_.keep_alive = !head_.until_close && (*minor == 1 ? !wants(r.fields, "close") : wants(r.fields, "keep-alive"));
  return size;
}

}  // namespace fairlead::http
