// Bytes to rules and requests: the compiled matcher finds what the plain way finds.
#include <cstdint>

#include "route/http_reference.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace fairlead::route;
  std::size_t at = 0;
  auto choose = [&](std::uint32_t below) { return at < size ? data[at++] % below : 0u; };
  std::vector<HttpMatcher::Attached> routes;
  for (std::uint32_t left = 1 + choose(16); left > 0; left--) routes.push_back(testing::random_route(choose));
  const HttpMatcher matcher(routes);
  do {
    const testing::RandomRequest request(choose);
    const HttpMatch compiled = matcher.match(request.ask()), plain = testing::match_plainly(routes, request.ask());
    if (compiled.rule != plain.rule || compiled.prefix != plain.prefix) __builtin_trap();
  } while (at < size);
  return 0;
}
