#include "admin/http.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

namespace fairlead::admin {
namespace {

bool is_token(std::string_view text) {
  static constexpr std::string_view kAlsoToken = "!#$%&'*+-.^_`|~";
  return !text.empty() && std::ranges::all_of(text, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || kAlsoToken.find(c) != std::string_view::npos;
  });
}
bool is_visible(char c) { return c > 0x20 && c < 0x7f; }

bool equal_fold(std::string_view a, std::string_view b) {
  auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
  return std::ranges::equal(a, b, {}, lower, lower);
}

std::string_view trim(std::string_view text) {
  const auto begin = text.find_first_not_of(" \t");
  return begin == std::string_view::npos ? std::string_view{} : text.substr(begin, text.find_last_not_of(" \t") - begin + 1);
}

// Takes the text up to `separator` from the front of `rest`; nullopt if there is none.
std::optional<std::string_view> take(std::string_view& rest, std::string_view separator) {
  const auto at = rest.find(separator);
  if (at == std::string_view::npos) return std::nullopt;
  const std::string_view part = rest.substr(0, at);
  rest.remove_prefix(at + separator.size());
  return part;
}

std::optional<std::size_t> number(std::string_view digits) {
  std::size_t value = 0;
  const auto [stopped, error] = std::from_chars(digits.begin(), digits.end(), value);
  if (error != std::errc{} || stopped != digits.end()) return std::nullopt;
  return value;
}

std::unexpected<BadRequest> bad(int status, std::string message) { return std::unexpected(BadRequest{status, std::move(message)}); }

struct Field {
  std::string_view name, value;
};
std::optional<Field> parse_field(std::string_view line) {
  const auto name = take(line, ":");
  if (!name || !is_token(*name)) return std::nullopt;
  const std::string_view value = trim(line);
  if (std::ranges::any_of(value, [](char c) { return (c >= 0 && c < 0x20 && c != '\t') || c == 0x7f; })) return std::nullopt;
  return Field{*name, value};
}

std::expected<Request, BadRequest> parse_request_line(std::string_view line, bool& http_1_0) {
  const auto method = take(line, " ");
  const auto target = take(line, " ");
  if (!method || !target || !is_token(*method)) return bad(400, "the request line is not METHOD SP TARGET SP VERSION");
  if (line == "HTTP/1.0")
    http_1_0 = true;
  else if (line.size() != 8 || !line.starts_with("HTTP/"))
    return bad(400, "the request line does not end with a version of HTTP");
  else if (line != "HTTP/1.1")
    return bad(505, "HTTP/1.1 is spoken here");
  if (*method != "GET" && *method != "HEAD") return bad(405, "only GET and HEAD are served here");
  if (!target->starts_with('/') || !std::ranges::all_of(*target, is_visible)) return bad(400, "the target is not a path");
  std::string_view query = *target;
  const auto path = take(query, "?");
  Request request;
  request.path = path ? *path : *target;
  if (path) request.query = query;
  request.head = *method == "HEAD";
  request.keep_alive = !http_1_0;
  return request;
}

std::string_view reason(int status) {
  switch (status) {
    case 200: return "OK";
    case 400: return "Bad Request";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 408: return "Request Timeout";
    case 413: return "Content Too Large";
    case 431: return "Request Header Fields Too Large";
    case 503: return "Service Unavailable";
    case 505: return "HTTP Version Not Supported";
    default: return "Error";
  }
}

}  // namespace

std::expected<std::optional<ParsedRequest>, BadRequest> parse_request(std::string_view bytes) {
  const auto end = bytes.substr(0, kMaxHead).find("\r\n\r\n");
  std::string_view head = bytes.substr(0, end == std::string_view::npos ? std::min(bytes.size(), kMaxHead) : end);
  // Looked for before the head is whole: who never sends a CR would else wait for an answer until the time-out.
  for (std::size_t i = 0; i < head.size(); i++) {
    if (head[i] == '\n' && (i == 0 || head[i - 1] != '\r')) return bad(400, "a line ends with a bare LF");
    if (head[i] == '\r' && i + 1 < head.size() && head[i + 1] != '\n') return bad(400, "a bare CR");
    if (head[i] == '\0') return bad(400, "a NUL");
  }
  if (end == std::string_view::npos) {
    if (bytes.size() >= kMaxHead) return bad(431, fmt::format("the head is longer than {} bytes", kMaxHead));
    return std::nullopt;
  }

  const std::size_t size = end + 4;
  std::string_view rest = bytes.substr(0, end + 2);
  bool http_1_0 = false;
  auto request = parse_request_line(*take(rest, "\r\n"), http_1_0);
  if (!request) return std::unexpected(std::move(request).error());

  std::size_t fields = 0, hosts = 0;
  while (const auto line = take(rest, "\r\n")) {
    if (++fields > kMaxFields) return bad(431, fmt::format("more than {} header fields", kMaxFields));
    const auto field = parse_field(*line);
    if (!field) return bad(400, "a header field is not NAME: VALUE");
    if (equal_fold(field->name, "host")) hosts++;
    if (equal_fold(field->name, "transfer-encoding") || (equal_fold(field->name, "content-length") && field->value != "0"))
      return bad(413, "requests have no body here");
    if (equal_fold(field->name, "connection") && !equal_fold(field->value, "keep-alive")) request->keep_alive = false;
  }
  if (hosts != 1 && !(http_1_0 && hosts == 0)) return bad(400, "exactly one Host is due");
  return ParsedRequest{*std::move(request), size};
}

std::string format_response(const Response& response, bool head, bool keep_alive) {
  return fmt::format("HTTP/1.1 {} {}\r\nContent-Type: {}\r\nContent-Length: {}\r\nCache-Control: no-store\r\n{}{}\r\n{}", response.status,
                     reason(response.status), response.content_type, response.body.size(),
                     response.status == 405 ? "Allow: GET, HEAD\r\n" : "", keep_alive ? "" : "Connection: close\r\n",
                     head ? "" : response.body);
}

Result<Response> parse_response(std::string_view bytes) {
  const auto cannot = [] { return fail(Code::invalid, "the answer is not one of Fairlead's admin endpoint"); };
  Response response;
  const auto version = take(bytes, " ");
  const auto status = take(bytes, " ");
  const auto code = status && status->size() == 3 ? number(*status) : std::nullopt;
  if (version != "HTTP/1.1" || !code || !take(bytes, "\r\n")) return cannot();
  response.status = static_cast<int>(*code);
  std::optional<std::size_t> length;
  for (;;) {
    const auto line = take(bytes, "\r\n");
    if (!line) return cannot();
    if (line->empty()) break;
    const auto field = parse_field(*line);
    if (!field) return cannot();
    if (equal_fold(field->name, "content-type")) response.content_type = field->value;
    if (equal_fold(field->name, "content-length")) {
      length = number(field->value);
      if (!length) return cannot();
    }
  }
  if (!length) return cannot();
  if (bytes.size() < *length) return fail(Code::closed, "the answer broke off after {} of {} bytes", bytes.size(), *length);
  response.body = bytes.substr(0, *length);
  return response;
}

}  // namespace fairlead::admin
