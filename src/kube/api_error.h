// api_error.h: what an API server's refusal means, for a program and for a person.
#pragma once
#include <string_view>

#include "base/error.h"
#include "kube/api_client.h"

namespace fairlead::kube {

// From HTTP status and body (a Status object, or anything).
Error api_error(const ApiRequest& request, std::string_view server, unsigned status, std::string_view body);

// The code that a Status of that HTTP code stands for.
Code code_of_status(unsigned status);

}  // namespace fairlead::kube
