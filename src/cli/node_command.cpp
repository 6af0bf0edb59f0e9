#include <fmt/format.h>

#include <boost/json.hpp>
#include <map>

#include "admin/client.h"
#include "app/config.h"
#include "app/table.h"
#include "cli/commands.h"
#include "enrol/node_orders.h"
#include "pki/folder.h"

namespace fairlead::cli {
namespace {

namespace json = boost::json;
using enrol::NodeRecord;

WallTime now() { return std::chrono::system_clock::now(); }

// A node as the registry has it, as the running cloud has it, or both.
struct Node {
  std::optional<NodeRecord> record;
  std::optional<json::object> live;
};
struct Nodes {
  bool cloud_runs = false;
  std::map<std::string, Node> by_name;
};

std::string_view standing(const std::optional<NodeRecord>& record) {
  if (!record) return "unrecorded";
  if (record->revoked) return "revoked";
  if (!record->key) return "forgotten";
  return record->not_after <= now() ? "expired" : "good";
}

std::string session(const Nodes& all, const Node& node) {
  if (!all.cloud_runs) return "unknown";
  return node.live ? app::text_of(*node.live, "state") : "never";
}

std::string text(const std::map<std::string, std::string>& labels) {
  std::string all;
  for (const auto& [key, value] : labels) all += fmt::format("{}{}={}", all.empty() ? "" : ",", key, value);
  return all;
}

json::object json_of(const std::string& name, const Nodes& all, const Node& node) {
  json::object o{{"name", name}, {"standing", json::string(standing(node.record))}, {"session", session(all, node)}};
  if (node.record) {
    const NodeRecord& record = *node.record;
    if (record.key) o["key"] = record.key->to_text();
    if (record.serial) o["serial"] = record.serial->to_text();
    o["notAfter"] = to_rfc3339(record.not_after);
    o["firstJoin"] = to_rfc3339(record.first_join);
    o["lastIssue"] = to_rfc3339(record.last_issue);
    if (record.revoked) o["revoked"] = to_rfc3339(*record.revoked);
    if (record.late_until) o["renewGraceUntil"] = to_rfc3339(*record.late_until);
    if (record.forgotten) o["forgotten"] = to_rfc3339(*record.forgotten);
    json::object labels;
    for (const auto& [key, value] : record.labels) labels[key] = value;
    o["labels"] = std::move(labels);
  }
  if (node.live) o["live"] = *node.live;
  return o;
}

// The cloud need not run: then what it would say is missing.
Result<void> ask_the_cloud(const std::filesystem::path& dir, Nodes& into) {
  auto answer = admin::get((dir / app::kAdminSocket).native(), "/v1/status");
  if (!answer || answer->status != 200) return {};
  boost::system::error_code error;
  const json::value value = json::parse(answer->body, error);
  const json::value* const nodes = !error && value.is_object() ? value.get_object().if_contains("nodes") : nullptr;
  if (nodes == nullptr || !nodes->is_array()) return fail(Code::invalid, "the cloud's answer is not a status");
  into.cloud_runs = true;
  for (const json::value& each : nodes->get_array())
    if (each.is_object()) into.by_name[app::text_of(each.get_object(), "name")].live = each.get_object();
  return {};
}

Result<Nodes> all_nodes(const std::filesystem::path& dir, enrol::Registry& registry) {
  Nodes all;
  TRY_ASSIGN(std::vector<NodeRecord> records, registry.nodes());
  for (NodeRecord& record : records) {
    const std::string name = record.name.value();
    all.by_name[name].record = std::move(record);
  }
  TRY(ask_the_cloud(dir, all));
  return all;
}

Result<enrol::Registry> open(const std::filesystem::path& dir) {
  TRY(pki::load_cloud(dir));
  return enrol::Registry::open(dir);
}

// What a command has made of a node.
Outcome show_after(const std::filesystem::path& dir, enrol::Registry& registry, const NodeName& node, Output output,
                   std::string_view said) {
  if (output == Output::text) {
    fmt::print("{}\n", said);
    return ExitStatus::ok;
  }
  TRY_ASSIGN(Nodes all, all_nodes(dir, registry));
  fmt::print("{}\n", json::serialize(json_of(node.value(), all, all.by_name[node.value()])));
  return ExitStatus::ok;
}

}  // namespace

Outcome run(const NodeListCommand& command) {
  TRY_ASSIGN(enrol::Registry registry, open(command.dir));
  TRY_ASSIGN(const Nodes all, all_nodes(command.dir, registry));
  if (command.output == Output::json) {
    json::array list;
    for (const auto& [name, node] : all.by_name) list.push_back(json_of(name, all, node));
    fmt::print("{}\n", json::serialize(list));
    return ExitStatus::ok;
  }
  std::vector<std::vector<std::string>> rows{{"NODE", "STANDING", "SESSION", "ADDRESS", "CERTIFICATE UNTIL", "LABELS"}};
  for (const auto& [name, node] : all.by_name)
    rows.push_back({name, std::string(standing(node.record)), session(all, node), node.live ? app::text_of(*node.live, "address") : "",
                    node.record ? to_rfc3339(node.record->not_after) : "", node.record ? text(node.record->labels) : ""});
  fmt::print("{}", app::table(rows));
  return ExitStatus::ok;
}

Outcome run(const NodeShowCommand& command) {
  TRY_ASSIGN(enrol::Registry registry, open(command.dir));
  TRY_ASSIGN(const Nodes all, all_nodes(command.dir, registry));
  const auto found = all.by_name.find(command.node.value());
  if (found == all.by_name.end())
    return std::unexpected(Failure(
        Error(Code::not_found, fmt::format("no node {} has ever joined: `fairlead node list` shows those that have", command.node))));
  const auto& [name, node] = *found;
  if (command.output == Output::json) {
    fmt::print("{}\n", json::serialize(json_of(name, all, node)));
    return ExitStatus::ok;
  }
  std::vector<std::vector<std::string>> rows{
      {"node", name}, {"standing", std::string(standing(node.record))}, {"session", session(all, node)}};
  const auto row = [&](const char* what, std::string value) {
    if (!value.empty()) rows.push_back({what, std::move(value)});
  };
  if (node.live) {
    for (const char* field : {"since", "address", "software", "reason"}) row(field, app::text_of(*node.live, field));
  }
  if (node.record) {
    const NodeRecord& record = *node.record;
    row("key", record.key ? record.key->to_text() : "none: the name is free");
    row("serial", record.serial ? record.serial->to_text() : "");
    row("certificate until", to_rfc3339(record.not_after));
    row("first joined", to_rfc3339(record.first_join));
    row("last certificate", to_rfc3339(record.last_issue));
    row("revoked", record.revoked ? to_rfc3339(*record.revoked) : "");
    row("renews late until", record.late_until ? to_rfc3339(*record.late_until) : "");
    row("forgotten", record.forgotten ? to_rfc3339(*record.forgotten) : "");
    row("labels", text(record.labels));
  }
  fmt::print("{}", app::table(rows));
  return ExitStatus::ok;
}

Outcome run(const NodeRevokeCommand& command) {
  TRY_ASSIGN(enrol::Registry registry, open(command.dir));
  TRY(enrol::revoke_node(command.dir, registry, command.node, command.comment, enrol::Actor::operator_here(), now()));
  return show_after(command.dir, registry, command.node, command.output,
                    fmt::format("Node {} is revoked: a running cloud ends its session within a second. `fairlead node readmit` undoes it.",
                                command.node));
}

Outcome run(const NodeReadmitCommand& command) {
  TRY_ASSIGN(enrol::Registry registry, open(command.dir));
  TRY(enrol::readmit_node(command.dir, registry, command.node, command.comment, enrol::Actor::operator_here(), now()));
  return show_after(command.dir, registry, command.node, command.output, fmt::format("Node {} may connect again.", command.node));
}

Outcome run(const NodeForgetCommand& command) {
  TRY_ASSIGN(enrol::Registry registry, open(command.dir));
  TRY(enrol::forget_node(command.dir, registry, command.node, command.comment, enrol::Actor::operator_here(), now()));
  return show_after(command.dir, registry, command.node, command.output,
                    fmt::format("The name {} is free for the next who joins; the key that had it is put out.", command.node));
}

Outcome run(const NodeRenewGraceCommand& command) {
  TRY_ASSIGN(enrol::Registry registry, open(command.dir));
  std::optional<WallTime> until;
  if (command.lasts > 0ns) until = now() + std::chrono::duration_cast<WallTime::duration>(command.lasts);
  TRY(registry.set_late_until(command.node, until, command.comment, enrol::Actor::operator_here(), now()));
  return show_after(command.dir, registry, command.node, command.output,
                    until ? fmt::format("Until {} node {} is given a new certificate for its key, also when the old one has expired.\n"
                                        "It asks by itself each five minutes, and as it starts.",
                                        to_rfc3339(*until), command.node)
                          : fmt::format("For node {} only join.renewGrace counts again.", command.node));
}

Outcome run(const NodeLabelCommand& command) {
  TRY_ASSIGN(enrol::Registry registry, open(command.dir));
  enrol::Registry::LabelChanges changes;
  for (const LabelChange& change : command.changes) changes[change.key] = change.value;
  TRY_ASSIGN(const auto labels, registry.change_labels(command.node, changes, enrol::Actor::operator_here(), now()));
  return show_after(command.dir, registry, command.node, command.output,
                    fmt::format("Labels of node {} set here: {}", command.node, labels.empty() ? "none" : text(labels)));
}

}  // namespace fairlead::cli
