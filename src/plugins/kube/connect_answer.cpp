#include "plugins/kube/connect_answer.h"

#include <fmt/format.h>

namespace fairlead::kube_plugin {
namespace {

constexpr std::size_t kMaxSentence = 400;  // a line of a terminal or three

}  // namespace

unsigned status_of(link::FlowCode code) {
  using link::FlowCode;
  switch (code) {
    case FlowCode::forbidden: return 403;
    case FlowCode::link_down:
    case FlowCode::draining:
    case FlowCode::overloaded: return 503;
    case FlowCode::deadline: return 504;
    case FlowCode::ok:
    case FlowCode::cancelled:
    case FlowCode::unreachable:
    case FlowCode::refused:
    case FlowCode::no_route:
    case FlowCode::unsupported:
    case FlowCode::reset:
    case FlowCode::protocol:
    case FlowCode::internal: return 502;
  }
  return 502;
}

std::string refusal_text(unsigned status, std::string_view sentence) {
  // What came from the far side must stay on its line.
  std::string line(sentence.substr(0, kMaxSentence));
  for (char& c : line)
    if (c < 0x20 || c == 0x7f) c = c < 0 ? '?' : ' ';
  return fmt::format("HTTP/1.1 {} {}\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{}\n",
                     status, line, line.size() + 1, line);
}

}  // namespace fairlead::kube_plugin
