// version.h: what this build calls itself.
#pragma once
#include <string>

namespace fairlead::app {

inline constexpr char kVersion[] = FAIRLEAD_VERSION;
inline std::string software() { return std::string("fairlead/") + kVersion; }

}  // namespace fairlead::app
