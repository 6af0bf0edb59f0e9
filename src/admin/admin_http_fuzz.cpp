// Requests of the admin endpoint: what is accepted has a path, fits the limits, and is the same when more bytes follow.
#include <cstdlib>

#include "admin/http.h"

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  using namespace fairlead::admin;
  const std::string text(reinterpret_cast<const char*>(data), size);
  static_cast<void>(parse_response(text));
  const auto parsed = parse_request(text);
  if (!parsed || !*parsed) return 0;
  const ParsedRequest& got = **parsed;
  if (got.size > text.size() || got.size > kMaxHead || !got.request.path.starts_with('/')) std::abort();
  const auto again = parse_request(text.substr(0, got.size) + "GET /");
  if (!again || !*again || (*again)->size != got.size || (*again)->request.path != got.request.path) std::abort();
  return 0;
}
