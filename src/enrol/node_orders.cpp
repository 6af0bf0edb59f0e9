#include "enrol/node_orders.h"

#include <fmt/format.h>

#include "pki/folder.h"

namespace fairlead::enrol {
namespace {

Result<NodeRecord> known(Registry& registry, const NodeName& node) {
  TRY_ASSIGN(std::optional<NodeRecord> record, registry.node(node));
  if (!record) return fail(Code::not_found, "no node {} has ever joined: `fairlead node list` shows those that have", node);
  return *std::move(record);
}

}  // namespace

Result<void> revoke_node(const std::filesystem::path& dir, Registry& registry, const NodeName& node, std::string_view why, const Actor& by,
                         WallTime now) {
  TRY_ASSIGN(const std::optional<NodeRecord> record, registry.node(node));
  if (!record)
    return fail(
        Code::not_found,
        "no node {} has ever joined: `fairlead node list` shows those that have; `fairlead cert revoke --node {}` puts out one that is "
        "not recorded",
        node, node);
  TRY(pki::add_revocation(dir, node, why));
  TRY(registry.set_revoked(node, true, why, by, now));
  return {};
}

Result<void> readmit_node(const std::filesystem::path& dir, Registry& registry, const NodeName& node, std::string_view why, const Actor& by,
                          WallTime now) {
  TRY(known(registry, node));
  // The other way round: as long as the list has the node, it is out.
  TRY(registry.set_revoked(node, false, why, by, now));
  return pki::remove_revocation(dir, node);
}

Result<void> forget_node(const std::filesystem::path& dir, Registry& registry, const NodeName& node, std::string_view why, const Actor& by,
                         WallTime now) {
  TRY_ASSIGN(const NodeRecord record, known(registry, node));
  const std::string comment = fmt::format("the former key of node {}, which was forgotten", node);
  if (record.key) TRY(pki::add_revocation(dir, *record.key, comment));
  TRY_ASSIGN(const NodeRecord forgotten, registry.forget_node(node, why, by, now));
  // A token for the name may have given it to another key in between.
  if (forgotten.key && forgotten.key != record.key) TRY(pki::add_revocation(dir, *forgotten.key, comment));
  return {};
}

}  // namespace fairlead::enrol
