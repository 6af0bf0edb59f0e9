// Any bytes at the CONNECT listener: cut anywhere they are read the same way, and what is taken for a CONNECT is one.
#include <cstdlib>
#include <string>

#include "http/target.h"
#include "plugins/kube/connect_answer.h"
#include "plugins/kube/connect_request.h"

namespace fairlead::kube_plugin {
namespace {

void must(bool holds) {
  if (!holds) std::abort();
}

struct Outcome {
  unsigned refused = 0;
  bool done = false;
  std::size_t taken = 0;
  std::string target;
  friend bool operator==(const Outcome&, const Outcome&) = default;
};

Outcome read(std::string_view text, std::size_t piece) {
  ConnectReader reader;
  Outcome outcome;
  while (!text.empty() && !reader.done()) {
    const std::string copy(text.substr(0, piece));  // so that nothing past it can be read unseen
    auto taken = reader.feed(copy);
    if (!taken) {
      must(taken.error().status >= 400 && taken.error().status < 600 && !taken.error().text.empty());
      outcome = {.refused = taken.error().status};
      return outcome;
    }
    must(*taken <= copy.size() && (*taken == copy.size() || reader.done()));
    outcome.taken += *taken;
    text.remove_prefix(*taken);
  }
  outcome.done = reader.done();
  if (outcome.done) outcome.target = reader.target().to_text();
  return outcome;
}

}  // namespace
}  // namespace fairlead::kube_plugin

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  using namespace fairlead::kube_plugin;
  if (size < 1) return 0;
  const std::string text(reinterpret_cast<const char*>(data) + 1, size - 1);
  const Outcome whole = read(text, text.size()), pieces = read(text, 1 + data[0] % 16);
  must(whole == pieces);
  if (whole.done) {
    const std::string_view head = std::string_view(text).substr(0, whole.taken);
    must(head.starts_with("CONNECT ") && head.ends_with("\r\n\r\n") && head.substr(0, head.size() - 1).find("\r\n\r\n") == head.npos);
    const auto again = fairlead::http::parse_authority(whole.target);
    must(again && again->port && *again->port != 0 && !again->host.empty());
  }
  const std::string answer = refusal_text(502, text);
  const std::size_t line = answer.find("\r\n");
  must(answer.find('\n') == line + 1 && answer.substr(0, line).find('\r') == std::string::npos);
  return 0;
}
