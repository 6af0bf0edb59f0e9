// head_parser.h: a strict, incremental parser of HTTP/1.x heads (RFC 9112). No socket, no clock, no copy.
//
// The caller keeps one buffer that begins with the head and gives the whole of it each time; what was looked at before is not looked
// at again, and the buffer may have moved. Anything that two parsers could read in two ways is refused, and as soon as it is seen,
// also in an incomplete head: see docs/HTTP.md for the list. After a refusal the connection is to be closed.
#pragma once
#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>

#include "http/head_lines.h"
#include "http/message.h"

namespace fairlead::http {

struct HeadLimits {
  std::size_t size = 64 * 1024;  // of the whole head; beyond: 431 (request line alone: 414)
  std::size_t fields = 128;      // beyond: 431
  std::size_t target = 16 * 1024;
};
// Of a method, that no known one comes near; beyond: 501.
inline constexpr std::size_t kLongestMethod = 32;

// Why a head cannot be taken.
struct Refusal {
  unsigned status = 400;  // 400, 414, 417, 431, 501 (transfer coding, method), 505; of a response always 502
  std::string_view code;  // stable, for tests and logs: "bare-lf", "two-hosts"
  std::string_view text;  // a sentence for a person
};

struct RequestHead {
  Request request;                // fields as they came, hop-by-hop ones included
  unsigned minor = 1;             // HTTP/1.minor
  bool keep_alive = true;         // as the client wishes it
  bool chunked = false;           // then request.body is unknown
  bool accepts_trailers = false;  // TE: trailers
  bool absolute = false;          // the target came in absolute form
};

struct ResponseHead {
  Response response;
  unsigned minor = 1;
  bool keep_alive = true;
  bool chunked = false;
  bool until_close = false;  // the body ends with the connection: response.body is unknown
};

class RequestParser {
 public:
  explicit RequestParser(HeadLimits limits = {}) : limits_(limits) {}
  // The size of the head, once it is whole; nullopt: more bytes are needed. An empty line (CRLF) before the first request is skipped
  // and counts in the size (RFC 9112, 2.2). Asked again with a whole head, also after it has moved, it gives the same.
  std::expected<std::optional<std::size_t>, Refusal> parse(std::string_view buffer);
  // Valid after parse() gave a size, and while that buffer is.
  const RequestHead& head() const { return head_; }
  RequestHead& head() { return head_; }
  // For the next head. Memory is kept.
  void reset();
  void reset(HeadLimits limits) {
    limits_ = limits;
    reset();
  }

 private:
  // The parts of the first line, as offsets, since the buffer may move before the head is whole.
  struct Line {
    std::size_t method = 0;  // size; it begins the line
    std::size_t scheme = 0;  // size; it begins the target. 0: not in absolute form
    std::size_t authority = 0, authority_size = 0;
    std::size_t target = 0, target_size = 0;  // in origin form
    bool root = false;                        // it stands for "/", which is not in the text
    bool server = false;                      // it stands for "*", which is not in the text
    unsigned minor = 1;
  };
  static std::expected<Line, Refusal> read_line(std::string_view line, const HeadLimits& limits);
  static std::optional<Refusal> read_absolute(std::string_view line, std::string_view target, Line& into);
  std::optional<Refusal> read_head(std::string_view line);

  HeadLimits limits_;
  RequestHead head_;
  detail::HeadLines lines_;
  std::optional<Line> line_;
};

// `method`: of the request that is answered, since HEAD changes what follows.
class ResponseParser {
 public:
  explicit ResponseParser(HeadLimits limits = {}) : limits_(limits) {}
  std::expected<std::optional<std::size_t>, Refusal> parse(std::string_view buffer, std::string_view method);
  const ResponseHead& head() const { return head_; }
  ResponseHead& head() { return head_; }
  void reset();

 private:
  std::optional<Refusal> read_head(std::string_view line, std::string_view method);

  HeadLimits limits_;
  ResponseHead head_;
  detail::HeadLines lines_;
  bool line_is_good_ = false;
};

}  // namespace fairlead::http
