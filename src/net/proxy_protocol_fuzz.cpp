// Whatever a connection begins with is read or refused, the same however it is cut; and what was read can be made again.
#include <cstdint>
#include <cstdlib>

#include "net/proxy_protocol.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace fairlead;
  using namespace fairlead::net;
  const Bytes all = from_u8(data, size);
  const auto whole = parse_proxy_header(all);
  for (std::size_t n = 0; n <= size && n <= kMaxProxyHeader; n++) {
    const auto part = parse_proxy_header(all.first(n));
    if (!part && whole) std::abort();                       // what is malformed is not mended by more
    if (part && *part && !(whole && *whole)) std::abort();  // what was read stays read
    if (part && *part && (*part)->size != (*whole)->size) std::abort();
    if (part && *part && (*part)->size > n) std::abort();
    if (part && !*part && whole && *whole && n >= (*whole)->size) std::abort();
  }
  if (!whole) return 0;
  if (!*whole) {
    if (size >= kMaxProxyHeader) std::abort();
    return 0;
  }
  const ProxyHeader& header = (*whole)->header;
  if (header.local) {
    if (header.source != SocketAddress{} || header.destination != SocketAddress{}) std::abort();
    return 0;
  }
  for (unsigned version : {1u, 2u}) {
    const std::string made = make_proxy_header(version, header.source, header.destination);
    const auto again = parse_proxy_header(as_bytes(made));
    if (!again || !*again || (*again)->size != made.size() || (*again)->header.local) std::abort();
    if ((*again)->header.source != header.source || (*again)->header.destination != header.destination) std::abort();
  }
  return 0;
}
