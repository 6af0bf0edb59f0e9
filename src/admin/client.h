// client.h: asks the admin endpoint of a component that runs on this machine. For commands: blocks the calling thread.
#pragma once
#include <string>

#include "admin/http.h"
#include "base/time.h"

namespace fairlead::admin {

inline constexpr std::size_t kMaxAnswer = 64 * 1024 * 1024;  // the status of 100,000 nodes

// Code::not_found or refused when nothing runs there, timeout when it does not answer.
Result<Response> get(const std::string& socket_path, std::string_view target, Duration limit = 10s);

}  // namespace fairlead::admin
