// encode.h: heads as HTTP/1.1 text. What is written was validated by a parser or made here: a CR, LF or NUL in it is a broken
// invariant and ends the process, for it would be a head of somebody else's making.
#pragma once
#include <string>

#include "http/message.h"

namespace fairlead::http {

// Appends the head of `r` with framing for `r.body` (unknown: chunked), Host, Connection (`Upgrade` and the protocol when it asks for
// one; `close` when `keep_alive` is false), Expect when asked for. `extra` fields follow those of `r`.
void put_request_head(std::string& out, const Request& r, bool keep_alive, const Fields& extra = {});

// How the answer's content is framed to a client of HTTP/1.`minor`: an unknown length is chunked, or for HTTP/1.0 lasts until close.
struct ResponseFraming {
  bool keep_alive;  // false: Connection: close is written
  bool chunked;
};
void put_response_head(std::string& out, const Response& r, ResponseFraming framing, unsigned minor, const Fields& extra = {});

// The lines of `fields`.
void put_fields(std::string& out, const Fields& fields);

std::string_view reason_phrase(unsigned status);  // "Not Found"; empty if unknown

}  // namespace fairlead::http
