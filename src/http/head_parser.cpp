#include "http/head_parser.h"

#include <algorithm>

#include "http/framing.h"
#include "http/grammar.h"
#include "http/target.h"

namespace fairlead::http {
namespace {

// METHOD SP, SP HTTP/1.1 beside the target.
constexpr std::size_t kBesideTarget = kLongestMethod + 10;

std::unexpected<Refusal> bad(std::string_view code, std::string_view text) { return std::unexpected(Refusal{400, code, text}); }
std::unexpected<Refusal> bad_request_line() {
  return bad("request-line", "the first line is not METHOD TARGET VERSION with one space between");
}
Refusal bad_target(std::string_view text) { return {400, "bad-target", text}; }

// HTTP/1.0 or 1.1; others are known and not spoken (505), or no version at all.
std::expected<unsigned, Refusal> parse_version(std::string_view text) {
  if (text == "HTTP/1.1") return 1u;
  if (text == "HTTP/1.0") return 0u;
  auto digit = [](char c) { return c >= '0' && c <= '9'; };
  if (text.size() == 8 && text.starts_with("HTTP/") && digit(text[5]) && text[6] == '.' && digit(text[7]))
    return std::unexpected(Refusal{505, "version", "HTTP/1.0 and HTTP/1.1 are spoken here"});
  return bad_request_line();
}

}  // namespace

void RequestParser::reset() {
  lines_.reset();
  line_.reset();
}

std::expected<std::optional<std::size_t>, Refusal> RequestParser::parse(std::string_view buffer) {
  // The first line is judged as soon as it is whole: a peer that speaks another protocol is told at once.
  if (!line_) {
    const auto whole = lines_.scan_first_line(buffer, limits_, limits_.target + kBesideTarget, true);
    if (!whole) return std::unexpected(whole.error());
    if (!*whole) return std::nullopt;
    const auto line = read_line(lines_.first_line(buffer), limits_);
    if (!line) return std::unexpected(line.error());
    line_ = *line;
  }
  const auto size = lines_.scan_fields(buffer, limits_, head_.request.fields);
  if (!size || !*size) return size;
  if (auto refusal = read_head(lines_.first_line(buffer))) return std::unexpected(*refusal);
  return size;
}

std::expected<RequestParser::Line, Refusal> RequestParser::read_line(std::string_view line, const HeadLimits& limits) {
  Line made;
  while (made.method < line.size() && is_token_char(line[made.method])) made.method++;
  if (made.method == line.size()) return bad_request_line();
  if (!is_blank(line[made.method])) return bad("bad-method", "the method is not a token");
  if (made.method == 0 || line[made.method] != ' ') return bad_request_line();
  if (made.method > kLongestMethod) return std::unexpected(Refusal{501, "unknown-method", "the method is longer than any that is known"});

  const char* const from = line.data() + made.method + 1;
  const char* const end = line.data() + line.size();
  const char* const to = skip_visible(from, end);
  const std::string_view target(from, static_cast<std::size_t>(to - from));
  if (to != end && !is_blank(*to)) return std::unexpected(bad_target("the target has characters that a URL does not"));
  if (target.empty() || to == end || *to != ' ') return bad_request_line();
  if (target.size() > limits.target) return std::unexpected(Refusal{414, "target-too-long", "the target is longer than allowed"});
  const auto minor = parse_version({to + 1, end});
  if (!minor) return std::unexpected(minor.error());
  made.minor = *minor;

  const std::string_view method = line.substr(0, made.method);
  if (method == "CONNECT") return std::unexpected(Refusal{501, "connect", "this is no proxy that opens tunnels"});
  if (method == "TRACE") return std::unexpected(Refusal{501, "trace", "TRACE would show what is not the client's to see"});
  if (target.find('#') != target.npos) return bad("fragment", "the target has a fragment");
  made.target = made.method + 1;
  made.target_size = target.size();
  if (target.front() == '/') return made;
  if (target == "*") {
    if (method != "OPTIONS") return std::unexpected(bad_target("only OPTIONS can be about *"));
    return made;
  }
  if (auto refusal = read_absolute(line, target, made)) return std::unexpected(*refusal);
  return made;
}

// scheme://authority, then a path that may be missing (RFC 9112, 3.2.2).
std::optional<Refusal> RequestParser::read_absolute(std::string_view line, std::string_view target, Line& into) {
  for (const std::string_view scheme : {"http", "https"}) {
    const std::size_t begin = scheme.size() + 3;
    if (target.size() <= begin || !equal_name(target.substr(0, scheme.size()), scheme) || target.substr(scheme.size(), 3) != "://")
      continue;
    const std::size_t end = std::min(target.find_first_of("/?", begin), target.size());
    const std::string_view authority = target.substr(begin, end - begin);
    if (authority.find('@') != authority.npos) return Refusal{400, "user-info", "the target's authority has user information"};
    if (!parse_authority(authority)) return bad_target("the target's authority is not a host name and a port");
    if (end < target.size() && target[end] == '?') return bad_target("the target has a query and no path");
    const auto offset = static_cast<std::size_t>(target.data() - line.data());
    into.scheme = scheme.size();
    into.authority = offset + begin;
    into.authority_size = authority.size();
    into.target = offset + end;
    into.target_size = target.size() - end;
    into.server = into.target_size == 0 && line.starts_with("OPTIONS ");
    into.root = into.target_size == 0 && !into.server;
    return std::nullopt;
  }
  return bad_target("the target is neither a path nor a URL");
}

std::optional<Refusal> RequestParser::read_head(std::string_view line) {
  Request& r = head_.request;
  const auto known = detail::KnownFields::find(r.fields);
  if (!known) return known.error();
  r.method = line.substr(0, line_->method);
  r.target = line_->root ? "/" : line_->server ? "*" : line.substr(line_->target, line_->target_size);
  r.scheme = line.substr(line_->method + 1, line_->scheme);
  head_.minor = line_->minor;
  head_.absolute = line_->scheme != 0;

  if (known->host == nullptr && head_.minor == 1) return Refusal{400, "no-host", "there is no Host field"};
  r.authority = known->host != nullptr ? known->host->value : std::string_view{};
  if (known->host != nullptr && !parse_authority(r.authority)) return Refusal{400, "bad-host", "the Host is not a host name and a port"};
  if (head_.absolute) {
    r.authority = line.substr(line_->authority, line_->authority_size);
    if (known->host != nullptr && !equal_name(known->host->value, r.authority))
      return Refusal{400, "host-mismatch", "Host is another than the target's authority"};
  }

  r.body = BodyLength::none();
  head_.chunked = known->coding != nullptr;
  if (known->coding != nullptr) {
    if (auto refusal = detail::check_coding(known->coding->value, head_.minor)) return refusal;
    r.body = BodyLength::unknown();
  } else if (known->length != nullptr) {
    const auto n = detail::parse_length(known->length->value);
    if (!n) return n.error();
    r.body = BodyLength::exact(*n);
  }

  const auto options = known->connection ? detail::ConnectionOptions::read(r.fields) : detail::ConnectionOptions{};
  head_.keep_alive = options.keeps(head_.minor);
  r.upgrade = known->upgrade && options.upgrade && head_.minor == 1 ? detail::read_upgrade(r.fields) : std::string_view{};
  head_.accepts_trailers = known->te && r.fields.has_token("te", "trailers");
  r.expect_continue = false;
  if (!known->expect || head_.minor == 0) return std::nullopt;
  for (const Field& f : r.fields) {
    if (!equal_name(f.name, "expect")) continue;
    if (!equal_name(f.value, "100-continue")) return Refusal{417, "expectation", "the only expectation that is known is 100-continue"};
  }
  r.expect_continue = r.body.kind != BodyLength::Kind::none;
  return std::nullopt;
}

void ResponseParser::reset() {
  lines_.reset();
  line_is_good_ = false;
}

namespace {

Refusal bad_answer(const Refusal& why) { return {502, why.code, why.text}; }

struct StatusLine {
  unsigned minor, status;
  std::string_view reason;
};

// HTTP/1.x SP 3DIGIT [SP reason]: the second space is missing in the answers of some (RFC 9112, 4).
std::expected<StatusLine, Refusal> read_status_line(std::string_view line) {
  auto refuse = [](std::string_view text) { return std::unexpected(Refusal{502, "status-line", text}); };
  auto digit = [](char c) { return c >= '0' && c <= '9'; };
  const auto minor = parse_version(line.substr(0, 8));
  if (!minor) return refuse("the first line does not begin with HTTP/1.0 or HTTP/1.1");
  if (line.size() < 12 || line[8] != ' ' || !digit(line[9]) || !digit(line[10]) || !digit(line[11]))
    return refuse("the first line has no status of three digits");
  if (line.size() > 12 && line[12] != ' ') return refuse("the status is not three digits and a space");
  const auto status = static_cast<unsigned>((line[9] - '0') * 100 + (line[10] - '0') * 10 + (line[11] - '0'));
  if (status < 100 || status > 599) return refuse("the status is not 100 to 599");
  return StatusLine{*minor, status, line.size() > 13 ? line.substr(13) : std::string_view{}};
}

}  // namespace

std::expected<std::optional<std::size_t>, Refusal> ResponseParser::parse(std::string_view buffer, std::string_view method) {
  if (!line_is_good_) {
    const auto whole = lines_.scan_first_line(buffer, limits_, limits_.size, false);
    if (!whole) return std::unexpected(bad_answer(whole.error()));
    if (!*whole) return std::nullopt;
    if (const auto line = read_status_line(lines_.first_line(buffer)); !line) return std::unexpected(line.error());
    line_is_good_ = true;
  }
  const auto size = lines_.scan_fields(buffer, limits_, head_.response.fields);
  if (!size) return std::unexpected(bad_answer(size.error()));
  if (!*size) return size;
  if (auto refusal = read_head(lines_.first_line(buffer), method)) return std::unexpected(bad_answer(*refusal));
  return size;
}

std::optional<Refusal> ResponseParser::read_head(std::string_view text, std::string_view method) {
  Response& r = head_.response;
  const auto line = read_status_line(text);
  const auto known = detail::KnownFields::find(r.fields);
  if (!known) return known.error();
  r.status = line->status;
  r.reason = line->reason;
  head_.minor = line->minor;
  head_.chunked = head_.until_close = false;
  r.body = BodyLength::none();
  r.content_length = known->length != nullptr ? known->length->value : std::string_view{};
  std::uint64_t length = 0;
  if (known->length != nullptr) {
    const auto n = detail::parse_length(known->length->value);
    if (!n) return n.error();
    length = *n;
  }
  if (known->coding != nullptr)
    if (auto refusal = detail::check_coding(known->coding->value, head_.minor)) return refusal;

  // RFC 9112, 6.3: what has no content, whatever its fields say.
  const bool never = r.status < 200 || r.status == 204;
  const bool says_content = known->coding != nullptr || length > 0;
  // What follows would be read as the next answer, and may be this one's content.
  if (r.status < 200 && says_content) return Refusal{502, "interim-content", "an interim answer says that it has content"};
  if (never || r.status == 304 || method == "HEAD") {
    // Nothing follows.
  } else if (known->coding != nullptr) {
    head_.chunked = true;
    r.body = BodyLength::unknown();
  } else if (known->length != nullptr) {
    r.body = BodyLength::exact(length);
  } else {
    head_.until_close = true;
    r.body = BodyLength::unknown();
  }

  const auto options = known->connection ? detail::ConnectionOptions::read(r.fields) : detail::ConnectionOptions{};
  r.upgrade = {};
  if (r.status == 101) {
    if (known->upgrade && head_.minor == 1) r.upgrade = detail::read_upgrade(r.fields);
    if (r.upgrade.empty()) return Refusal{502, "no-upgrade", "a 101 that does not say what it changes to"};
  }
  head_.keep_alive = !head_.until_close && !(never && says_content) && options.keeps(head_.minor);
  return std::nullopt;
}

}  // namespace fairlead::http
