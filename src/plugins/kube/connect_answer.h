// connect_answer.h: what is said to a CONNECT. Pure text.
#pragma once
#include <string>
#include <string_view>

#include "link/refusal.h"

namespace fairlead::kube_plugin {

// The API server's client reads it with a buffer and refuses whatever came with it: not one byte follows before the service speaks.
inline constexpr std::string_view kEstablished = "HTTP/1.1 200 Connection established\r\n\r\n";

// 502: it is not there or said no; 503: the node cannot be reached now; 504: no answer in time; 403: not allowed.
unsigned status_of(link::FlowCode code);

// A whole answer whose connection is to be closed. The API server shows its user the first line and nothing else, so the sentence is
// the reason phrase, too.
std::string refusal_text(unsigned status, std::string_view sentence);

}  // namespace fairlead::kube_plugin
