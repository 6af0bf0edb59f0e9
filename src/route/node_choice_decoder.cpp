// Placement, and what it shares with the location of a Backend.
#include "route/kinds.h"

namespace fairlead::route {

void decode_node_choice(Object& o, std::optional<NodeChoice>& out) {
  const bool both = o.has("nodeName") && o.has("nodeSelector");
  o.optional("nodeName", [&](const Field& f) {
    std::optional<NodeName> name;
    decode(f, name);
    if (name) out = NodeChoice{*std::move(name)};
  });
  o.optional("nodeSelector", [&](const Field& f) {
    Labels labels;
    decode(f, labels);
    if (!both) out = NodeChoice{std::move(labels)};
  });
  if (both) o.field().error("nodeName and nodeSelector: only one of them");
}

void decode_spec(Object& o, Placement& out) {
  o.required("spec", [&](const Field& f) {
    Object spec(f);
    std::optional<NodeChoice> nodes;
    decode_node_choice(spec, nodes);
    if (nodes)
      out.nodes = *std::move(nodes);
    else if (!spec.has("nodeName"))
      f.error("nodeName or nodeSelector is missing");
  });
}

}  // namespace fairlead::route
