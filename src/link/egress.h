// egress.h: who serves the flows that the other side opens: one Egress for each plug-in, on each loop.
#pragma once
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "link/flow.h"

namespace fairlead::link {

class Egress {
 public:
  virtual ~Egress() = default;
  virtual std::string_view plugin() const = 0;
  // Serves one flow to its end; must answer it with accept() or refuse(). Runs as a task of the session: destroyed with it.
  virtual Task<void> serve(std::unique_ptr<Flow> flow) = 0;
};

// The plug-ins of one loop. Filled before the first session begins; egresses outlive the table.
class EgressTable {
 public:
  void add(Egress& egress) { all_.push_back(&egress); }
  Egress* find(std::string_view plugin) const {
    for (Egress* egress : all_)
      if (egress->plugin() == plugin) return egress;
    return nullptr;
  }
  std::vector<std::string> features() const {
    std::vector<std::string> names;
    for (const Egress* egress : all_) names.push_back("plugin/" + std::string(egress->plugin()));
    return names;
  }

 private:
  std::vector<Egress*> all_;
};

}  // namespace fairlead::link
