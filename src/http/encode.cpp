#include "http/encode.h"

#include <charconv>
#include <cstdlib>

#include "http/grammar.h"

namespace fairlead::http {
namespace {

void put_checked(std::string& out, std::string_view text) {
  if (!is_value(text)) std::abort();  // a head of somebody else's making
  out += text;
}
void put_field(std::string& out, std::string_view name, std::string_view value) {
  if (!is_token(name)) std::abort();
  out += name;
  out += ": ";
  put_checked(out, value);
  out += "\r\n";
}
void put_fields(std::string& out, const Fields& fields) {
  for (const Field& f : fields) put_field(out, f.name, f.value);
}
void put_length(std::string& out, std::uint64_t size) {
  char digits[20];
  const auto end = std::to_chars(digits, digits + sizeof digits, size);
  put_field(out, "Content-Length", {digits, end.ptr});
}

}  // namespace

void put_request_head(std::string& out, const Request& r, bool keep_alive, const Fields& extra) {
  put_checked(out, r.method);
  out += ' ';
  put_checked(out, r.target);
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
  char digits[3] = {static_cast<char>('0' + r.status / 100 % 10), static_cast<char>('0' + r.status / 10 % 10),
                    static_cast<char>('0' + r.status % 10)};
  out += "HTTP/1.1 ";
  out.append(digits, 3);
  out += ' ';
  put_checked(out, r.reason.empty() ? reason_phrase(r.status) : r.reason);
  out += "\r\n";
  put_fields(out, r.fields);
  put_fields(out, extra);
  if (r.body.kind == BodyLength::Kind::exact)
    put_length(out, r.body.size);
  else if (framing.chunked)
    put_field(out, "Transfer-Encoding", "chunked");
  else if (!r.content_length.empty())
    put_field(out, "Content-Length", r.content_length);
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
                                     {103, "Early Hints"},
                                     {200, "OK"},
                                     {201, "Created"},
                                     {202, "Accepted"},
                                     {204, "No Content"},
                                     {206, "Partial Content"},
                                     {301, "Moved Permanently"},
                                     {302, "Found"},
                                     {303, "See Other"},
                                     {304, "Not Modified"},
                                     {307, "Temporary Redirect"},
                                     {308, "Permanent Redirect"},
                                     {400, "Bad Request"},
                                     {401, "Unauthorized"},
                                     {403, "Forbidden"},
                                     {404, "Not Found"},
                                     {405, "Method Not Allowed"},
                                     {408, "Request Timeout"},
                                     {409, "Conflict"},
                                     {411, "Length Required"},
                                     {413, "Content Too Large"},
                                     {414, "URI Too Long"},
                                     {417, "Expectation Failed"},
                                     {421, "Misdirected Request"},
                                     {426, "Upgrade Required"},
                                     {429, "Too Many Requests"},
                                     {431, "Request Header Fields Too Large"},
                                     {500, "Internal Server Error"},
                                     {501, "Not Implemented"},
                                     {502, "Bad Gateway"},
                                     {503, "Service Unavailable"},
                                     {504, "Gateway Timeout"},
                                     {505, "HTTP Version Not Supported"}};
  for (const Known& k : kKnown)
    if (k.status == status) return k.phrase;
  return {};
}

}  // namespace fairlead::http
