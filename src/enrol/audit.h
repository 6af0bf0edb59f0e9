// audit.h: who did what, from where and why: one line of the cloud's audit log. Never holds a secret.
#pragma once
#include <string>

#include "base/time.h"

namespace fairlead::enrol {

// Who acts, and from where: {"operator root", "cli"}, {"edge", "192.0.2.7:4411"}.
struct Actor {
  std::string who;
  std::string from;
  static Actor operator_here();  // whoever runs this command
};

struct AuditLine {
  static constexpr std::size_t kMaxField = 512;  // longer ones are cut: some come from strangers

  WallTime at;
  std::string who, from;
  std::string what;     // "token.create", "node.join", "join.refused", ...
  std::string subject;  // a node's name, a token's id
  std::string detail;   // why; for a refusal its code and sentence
};

}  // namespace fairlead::enrol
