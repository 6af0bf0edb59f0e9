#include "http/encode.h"

#include <charconv>
#include <cstdlib>

#include "http/grammar.h"

namespace fairlead::http {
namespace {

// What holds a line apart from the next one would be a head of somebody else's making.
void check(bool good) {
  if (!good) std::abort();
}
void put_value(std::string& out, std::string_view text) {
  check(is_value(text));
  out += text;
}
void put_field(std::string& out, std::string_view name, std::string_view value) {
  check(is_token(name));
  out += name;
  out += ": ";
  put_value(out, value);
  out += "\r\n";
}
void put_length(std::string& out, std::uint64_t size) {
  char digits[20];
  const auto end = std::to_chars(digits, digits + sizeof digits, size);
  put_field(out, "Content-Length", {digits, end.ptr});
}
std::size_t size_of(const Fields& fields) {
  std::size_t n = 0;
  for (const Field& f : fields) n += f.name.size() + f.value.size() + 4;
  return n;
}
// Of the lines that are made here.
constexpr std::size_t kOwnLines = 192;

}  // namespace

void put_fields(std::string& out, const Fields& fields) {
  for (const Field& f : fields) put_field(out, f.name, f.value);
}

void put_request_head(std::string& out, const Request& r, bool keep_alive, const Fields& extra) {
  out.reserve(out.size() + r.method.size() + r.target.size() + r.authority.size() + size_of(r.fields) + size_of(extra) + kOwnLines);
  check(is_token(r.method));
  out += r.method;
  out += ' ';
  check(!r.target.empty() && is_visible(r.target));
  out += r.target;
  out += " HTTP/1.1\r\n";
  put_field(out, "Host", r.authority);
  put_fields(out, r.fields);
  put_fields(out, extra);
  if (r.body.kind == BodyLength::Kind::exact) put_length(out, r.body.size);
  if (r.body.kind == BodyLength::Kind::unknown) put_field(out, "Transfer-Encoding", "chunked");
  if (r.expect_continue) put_field(out, "Expect", "100-continue");
  if (!r.upgrade.empty()) {
    put_field(out, "Connection", "Upgrade");
    put_field(out, "Upgrade", r.upgrade);
  } else if (!keep_alive) {
    put_field(out, "Connection", "close");
  }
  out += "\r\n";
}

void put_response_head(std::string& out, const Response& r, ResponseFraming framing, unsigned minor, const Fields& extra) {
  check(r.status >= 100 && r.status <= 999);
  out.reserve(out.size() + r.reason.size() + size_of(r.fields) + size_of(extra) + kOwnLines);
  const char digits[3] = {static_cast<char>('0' + r.status / 100 % 10), static_cast<char>('0' + r.status / 10 % 10),
                          static_cast<char>('0' + r.status % 10)};
  out += "HTTP/1.1 ";
  out.append(digits, 3);
  out += ' ';
  put_value(out, r.reason.empty() ? reason_phrase(r.status) : r.reason);
  out += "\r\n";
  put_fields(out, r.fields);
  put_fields(out, extra);
  if (r.status >= 200 && r.status != 204) {  // others have no content and may not speak of it (RFC 9110, 8.6)
    if (r.body.kind == BodyLength::Kind::exact)
      put_length(out, r.body.size);
    else if (framing.chunked)
      put_field(out, "Transfer-Encoding", "chunked");
    else if (!r.content_length.empty())
      put_field(out, "Content-Length", r.content_length);
  }
  if (r.status == 101) {
    put_field(out, "Connection", "Upgrade");
    put_field(out, "Upgrade", r.upgrade);
  } else if (r.status >= 200 && !framing.keep_alive) {
    put_field(out, "Connection", "close");
  } else if (r.status >= 200 && minor == 0) {
    put_field(out, "Connection", "keep-alive");
  }
  out += "\r\n";
}

std::string_view reason_phrase(unsigned status) {
  struct Known {
    unsigned status;
    std::string_view phrase;
  };
  static constexpr Known kKnown[] = {{100, "Continue"},
                                     {101, "Switching Protocols"},
                                     {102, "Processing"},
                                     {103, "Early Hints"},
                                     {200, "OK"},
                                     {201, "Created"},
                                     {202, "Accepted"},
                                     {203, "Non-Authoritative Information"},
                                     {204, "No Content"},
                                     {205, "Reset Content"},
                                     {206, "Partial Content"},
                                     {207, "Multi-Status"},
                                     {300, "Multiple Choices"},
                                     {301, "Moved Permanently"},
                                     {302, "Found"},
                                     {303, "See Other"},
                                     {304, "Not Modified"},
                                     {307, "Temporary Redirect"},
                                     {308, "Permanent Redirect"},
                                     {400, "Bad Request"},
                                     {401, "Unauthorized"},
                                     {402, "Payment Required"},
                                     {403, "Forbidden"},
                                     {404, "Not Found"},
                                     {405, "Method Not Allowed"},
                                     {406, "Not Acceptable"},
                                     {407, "Proxy Authentication Required"},
                                     {408, "Request Timeout"},
                                     {409, "Conflict"},
                                     {410, "Gone"},
                                     {411, "Length Required"},
                                     {412, "Precondition Failed"},
                                     {413, "Content Too Large"},
                                     {414, "URI Too Long"},
                                     {415, "Unsupported Media Type"},
                                     {416, "Range Not Satisfiable"},
                                     {417, "Expectation Failed"},
                                     {421, "Misdirected Request"},
                                     {422, "Unprocessable Content"},
                                     {423, "Locked"},
                                     {424, "Failed Dependency"},
                                     {425, "Too Early"},
                                     {426, "Upgrade Required"},
                                     {428, "Precondition Required"},
                                     {429, "Too Many Requests"},
                                     {431, "Request Header Fields Too Large"},
                                     {451, "Unavailable For Legal Reasons"},
                                     {500, "Internal Server Error"},
                                     {501, "Not Implemented"},
                                     {502, "Bad Gateway"},
                                     {503, "Service Unavailable"},
                                     {504, "Gateway Timeout"},
                                     {505, "HTTP Version Not Supported"},
                                     {507, "Insufficient Storage"},
                                     {511, "Network Authentication Required"}};
  for (const Known& k : kKnown)
    if (k.status == status) return k.phrase;
  return {};
}

}  // namespace fairlead::http
