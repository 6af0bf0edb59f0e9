// fuzz_support.h: what the fuzzers of this layer share.
#pragma once
#include <cstdlib>
#include <string>
#include <string_view>

#include "http/grammar.h"
#include "http/message.h"

namespace fairlead::http {

inline void must(bool holds) {
  if (!holds) std::abort();
}

inline std::string lines_of(const Fields& fields) {
  std::string made;
  for (const Field& f : fields) made.append(f.name).append(":").append(f.value).append("\n");
  return made;
}

}  // namespace fairlead::http
