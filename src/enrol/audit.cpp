#include "enrol/audit.h"

#include <pwd.h>
#include <unistd.h>

#include <array>

namespace fairlead::enrol {

Actor Actor::operator_here() {
  std::array<char, 4096> buffer;
  passwd entry{};
  passwd* found = nullptr;
  const uid_t uid = ::geteuid();
  if (::getpwuid_r(uid, &entry, buffer.data(), buffer.size(), &found) == 0 && found != nullptr)
    return {std::string("operator ") + found->pw_name, "cli"};
  return {"operator uid " + std::to_string(uid), "cli"};
}

}  // namespace fairlead::enrol
