// What Boost.Beast refuses and we take is a finding, and so is what both take and read differently. Beast is here for that alone.
//
// Known differences, where Beast refuses and we do not:
//   - a CRLF before a request is passed over, once (RFC 9112, 2.2)
//   - "HTTP/1.1 200" without the space behind it (RFC 9112, 4 asks for it; many services leave it out)
//   - a Connection whose items are no tokens: its options are not found in it, and it is not passed on
//   - a Proxy-Connection of odd form, likewise
// Known differences in what is read where both take it:
//   - Beast takes Proxy-Connection for Connection; it is no field of HTTP, and nothing is read from it here
// Where Beast takes and we do not there is a list in docs/HTTP.md; that is no finding.
#include <boost/beast/core/error.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>

#include <optional>

#include "http/chunked.h"
#include "http/framing.h"
#include "http/fuzz_support.h"
#include "http/head_parser.h"

namespace fairlead::http {
namespace {

namespace beast = boost::beast;
using Error = beast::http::error;

std::string_view view(beast::string_view s) { return {s.data(), s.size()}; }

// The size of the head, 0 if there is more to come, nullopt if it was refused.
template <class Parser>
std::optional<std::size_t> put_head(Parser& parser, std::string_view text, beast::error_code& why) {
  parser.header_limit(1 << 20);
  parser.body_limit(boost::none);
  const std::size_t size = parser.put(boost::asio::buffer(text.data(), text.size()), why);
  if (why == Error::need_more) return 0;
  if (why) return std::nullopt;
  return parser.is_header_done() ? size : 0;
}

bool has_odd_connection(const Fields& fields) {
  for (const Field& f : fields) {
    if (!equal_name(f.name, "connection") && !equal_name(f.name, "proxy-connection")) continue;
    for (ListItems items(f.value); auto item = items.next();)
      if (!is_token(*item)) return true;
  }
  return false;
}

// The same framing and the same wish for the connection.
template <class Parser>
void compare_framing(const Parser& theirs, const Fields& fields, BodyLength body, bool chunked) {
  must(theirs.chunked() == chunked);
  if (body.kind == BodyLength::Kind::exact) must(theirs.content_length() && *theirs.content_length() == body.size);
  std::size_t n = 0;
  for (const auto& field : theirs.get()) {
    n++;
    must(fields.contains(view(field.name_string())));
  }
  must(n == fields.size());
}

void request(std::string_view text) {
  RequestParser ours;
  const auto size = ours.parse(text);
  if (!size || !*size) return;
  const RequestHead& head = ours.head();
  if (has_odd_connection(head.request.fields)) return;
  std::size_t expected = **size;
  if (text.starts_with("\r\n")) {
    text.remove_prefix(2);
    expected -= 2;
  }
  beast::http::request_parser<beast::http::empty_body> theirs;
  beast::error_code why;
  const auto their_size = put_head(theirs, text, why);
  must(their_size && *their_size == expected);
  must(view(theirs.get().method_string()) == head.request.method);
  must(theirs.get().version() == 10 + head.minor);
  if (!head.absolute) must(view(theirs.get().target()) == head.request.target);
  if (!head.request.fields.contains("proxy-connection")) {
    must(theirs.keep_alive() == head.keep_alive);
    must(theirs.upgrade() == detail::ConnectionOptions::read(head.request.fields).upgrade);
  }
  compare_framing(theirs, head.request.fields, head.request.body, head.chunked);
}

void response(std::string text) {
  ResponseParser ours;
  const auto size = ours.parse(text, "GET");
  if (!size || !*size) return;
  const ResponseHead& head = ours.head();
  if (has_odd_connection(head.response.fields)) return;
  std::size_t expected = **size;
  std::string with_space = text;
  if (text[12] == '\r') {
    with_space.insert(12, " ");
    expected++;
  }
  beast::http::response_parser<beast::http::empty_body> theirs;
  beast::error_code why;
  const auto their_size = put_head(theirs, with_space, why);
  must(their_size && *their_size == expected);
  must(theirs.get().result_int() == head.response.status);
  if (!head.response.reason.empty()) must(view(theirs.get().reason()) == head.response.reason);  // else theirs is one of its own
  must(theirs.get().version() == 10 + head.minor);
  const bool content = head.response.status >= 200 && head.response.status != 204 && head.response.status != 304;
  if (!content) return;
  compare_framing(theirs, head.response.fields, head.response.body, head.chunked);
  must(theirs.need_eof() == head.until_close);
  if (!head.response.fields.contains("proxy-connection")) must(theirs.keep_alive() == head.keep_alive);
}

void chunks(std::string_view text) {
  ChunkDecoder ours;
  std::string content;
  std::size_t used = 0;
  bool ended = false;
  while (!ended && used < text.size()) {
    const auto got = ours.step(text.substr(used));
    if (!got) return;
    content += text.substr(used + got->skip, got->data);
    used += got->skip + got->data;
    ended = got->state == ChunkDecoder::State::end;
  }
  if (!ended) return;
  beast::http::request_parser<beast::http::string_body> theirs;
  theirs.eager(true);
  const std::string whole = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + std::string(text);
  beast::error_code why;
  std::string_view rest = whole;
  while (!theirs.is_done()) {
    const std::size_t n = theirs.put(boost::asio::buffer(rest.data(), rest.size()), why);
    must(!why && n > 0);
    rest.remove_prefix(n);
  }
  must(rest.size() == text.size() - used);
  must(theirs.get().body() == content);
}

}  // namespace
}  // namespace fairlead::http

// The first byte says what it is.
extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  using namespace fairlead::http;
  if (size < 1) return 0;
  const std::string text(reinterpret_cast<const char*>(data) + 1, size - 1);
  switch (data[0] % 3) {
    case 0: request(text); break;
    case 1: response(text); break;
    default: chunks(text);
  }
  return 0;
}
