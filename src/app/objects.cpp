#include "app/objects.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>

#include "app/table.h"

namespace fairlead::app {
namespace {

namespace json = boost::json;
using route::Condition;

constexpr std::string_view kController = "fairlead.dev/gateway-controller";

json::string text(std::string_view s) { return json::string(s.data(), s.size()); }

json::object metadata(const route::ObjectKey& key, std::int64_t generation) {
  return {{"namespace", key.ns}, {"name", key.name}, {"generation", generation}};
}

json::array conditions_json(const std::vector<Condition>& conditions) {
  json::array list;
  for (const Condition& c : conditions) {
    const std::string_view status = c.status == Condition::Status::yes ? "True" : c.status == Condition::Status::no ? "False" : "Unknown";
    list.push_back({{"type", text(c.type)}, {"status", text(status)}, {"reason", text(c.reason)}, {"message", c.message}});
  }
  return list;
}

// What the rules leave open, whether it listens, the sockets tell.
void set_programmed(std::vector<Condition>& conditions, const std::vector<const ListenerState*>& sockets) {
  for (Condition& c : conditions) {
    if (c.type != "Programmed" || c.status != Condition::Status::unknown) continue;
    c = {"Programmed", Condition::Status::yes, "Programmed", ""};
    for (const ListenerState* socket : sockets)
      if (!socket->problem.empty()) c = {"Programmed", Condition::Status::no, "Invalid", socket->problem};
  }
}

json::object parent_ref(const route::ParentRef& parent) {
  json::object ref{
      {"group", parent.kind.group}, {"kind", parent.kind.kind}, {"namespace", parent.gateway.ns}, {"name", parent.gateway.name}};
  if (parent.section) ref["sectionName"] = *parent.section;
  if (parent.port) ref["port"] = parent.port->value();
  return ref;
}

std::string location_of(const route::Backend& backend) {
  const auto* nodes = std::get_if<route::NodeChoice>(&backend.location);
  if (nodes == nullptr) return "cloud";
  if (const auto* name = std::get_if<NodeName>(&nodes->by)) return "node " + name->value();
  std::string labels;
  for (const auto& [key, value] : std::get<route::Labels>(nodes->by))
    labels += fmt::format("{}{}={}", labels.empty() ? "" : ",", key, value);
  return "nodes " + (labels.empty() ? "of any label" : labels);
}

json::array items_of(const json::object& o, std::string_view key) {
  const json::value* v = o.if_contains(key);
  return v != nullptr && v->is_array() ? v->get_array() : json::array();
}
json::object object_of(const json::object& o, std::string_view key) {
  const json::value* v = o.if_contains(key);
  return v != nullptr && v->is_object() ? v->get_object() : json::object();
}

// "True", or "False (Reason)"; the messages of what is not true follow in `notes`.
std::vector<std::string> condition_cells(const json::array& conditions, std::initializer_list<std::string_view> types, std::string& notes,
                                         std::string_view of) {
  std::vector<std::string> cells;
  for (std::string_view type : types) {
    std::string cell = "-";
    for (const json::value& v : conditions) {
      if (!v.is_object() || text_of(v.get_object(), "type") != type) continue;
      const json::object& c = v.get_object();
      cell = text_of(c, "status");
      const std::string message = text_of(c, "message");
      if (cell != "True") cell += fmt::format(" ({})", text_of(c, "reason"));
      if (!message.empty()) notes += fmt::format("{}: {}: {}\n", of, type, message);
    }
    cells.push_back(std::move(cell));
  }
  return cells;
}

template <class... Cells>
void add_row(std::vector<std::vector<std::string>>& rows, std::vector<std::string> more, Cells... cells) {
  std::vector<std::string> row{std::move(cells)...};
  std::ranges::move(more, std::back_inserter(row));
  rows.push_back(std::move(row));
}

std::string name_of(const json::object& item) {
  const json::object meta = object_of(item, "metadata");
  return fmt::format("{}/{}", text_of(meta, "namespace"), text_of(meta, "name"));
}

void gateway_rows(const json::object& item, std::vector<std::vector<std::string>>& rows, std::string& notes) {
  if (rows.empty()) rows.push_back({"GATEWAY", "LISTENER", "ADDRESS", "ROUTES", "ACCEPTED", "PROGRAMMED"});
  const std::string name = name_of(item);
  for (const json::value& v : items_of(object_of(item, "status"), "listeners")) {
    if (!v.is_object()) continue;
    const json::object& l = v.get_object();
    std::string addresses;
    for (const json::value& a : items_of(l, "addresses"))
      if (a.is_string()) addresses += fmt::format("{}{}", addresses.empty() ? "" : ",", std::string_view(a.get_string()));
    const std::string listener = text_of(l, "name");
    add_row(rows, condition_cells(items_of(l, "conditions"), {"Accepted", "Programmed"}, notes, name + " " + listener), name, listener,
            addresses, fmt::format("{:.0f}", number_of(l, "attachedRoutes")));
  }
}

void route_rows(const json::object& item, std::vector<std::vector<std::string>>& rows, std::string& notes) {
  if (rows.empty()) rows.push_back({"KIND", "ROUTE", "PARENT", "ACCEPTED", "RESOLVEDREFS"});
  const std::string name = name_of(item);
  for (const json::value& v : items_of(object_of(item, "status"), "parents")) {
    if (!v.is_object()) continue;
    const json::object ref = object_of(v.get_object(), "parentRef");
    std::string parent = fmt::format("{}/{}", text_of(ref, "namespace"), text_of(ref, "name"));
    if (const std::string section = text_of(ref, "sectionName"); !section.empty()) parent += "/" + section;
    add_row(rows, condition_cells(items_of(v.get_object(), "conditions"), {"Accepted", "ResolvedRefs"}, notes, name + " at " + parent),
            text_of(item, "kind"), name, parent);
  }
}

void backend_rows(const json::object& item, std::vector<std::vector<std::string>>& rows) {
  if (rows.empty()) rows.push_back({"BACKEND", "LOCATION", "NODE", "TARGET", "STATE", "REQUESTS", "LAST ERROR"});
  const std::string name = name_of(item);
  const std::string location = text_of(item, "location");
  const json::array endpoints = items_of(object_of(item, "status"), "endpoints");
  if (endpoints.empty()) rows.push_back({name, location, "-", "-", "unused", "0", ""});
  for (const json::value& v : endpoints) {
    if (!v.is_object()) continue;
    const json::object& e = v.get_object();
    rows.push_back({name, location, text_of(e, "node"), text_of(e, "target"), text_of(e, "state"),
                    fmt::format("{:.0f}", number_of(e, "requests")), text_of(e, "lastError")});
  }
}

std::string to_list(json::array items) { return json::serialize(json::object{{"items", std::move(items)}}) + "\n"; }

}  // namespace

std::string gateways_json(const route::Snapshot& snapshot, const std::vector<ListenerState>& listeners) {
  json::array items;
  for (const route::GatewayStatus& g : snapshot.gateways()) {
    json::array each;
    std::vector<const ListenerState*> of_gateway;
    for (const route::ListenerStatus& l : g.listeners) {
      std::vector<const ListenerState*> sockets;
      json::array addresses;
      for (const ListenerState& s : listeners)
        if (s.gateway == g.key.to_text() && s.listener == l.name) {
          sockets.push_back(&s);
          addresses.push_back(json::string(s.address));
        }
      std::vector<Condition> conditions = l.conditions;
      set_programmed(conditions, sockets);
      each.push_back({{"name", l.name},
                      {"attachedRoutes", l.attached_routes},
                      {"addresses", std::move(addresses)},
                      {"conditions", conditions_json(conditions)}});
      std::ranges::move(sockets, std::back_inserter(of_gateway));
    }
    std::vector<Condition> conditions = g.conditions;
    set_programmed(conditions, of_gateway);
    json::object item{{"kind", "Gateway"}, {"metadata", metadata(g.key, g.generation)}};
    item["status"] = json::object{{"conditions", conditions_json(conditions)}, {"listeners", std::move(each)}};
    items.push_back(std::move(item));
  }
  return to_list(std::move(items));
}

std::string routes_json(const route::Snapshot& snapshot) {
  json::array items;
  for (const route::RouteStatus& r : snapshot.routes()) {
    json::array parents;
    for (const route::ParentStatus& p : r.parents)
      parents.push_back(
          {{"parentRef", parent_ref(p.parent)}, {"controllerName", text(kController)}, {"conditions", conditions_json(p.conditions)}});
    json::object item{{"kind", text(r.kind)}, {"metadata", metadata(r.key, r.generation)}};
    item["status"] = json::object{{"parents", std::move(parents)}};
    items.push_back(std::move(item));
  }
  return to_list(std::move(items));
}

std::string backends_json(const route::Snapshot& snapshot, const std::vector<route::EndpointReport>& endpoints) {
  json::array items;
  for (std::size_t i = 0; i < snapshot.backends(); i++) {
    const route::Backend& b = snapshot.backend(route::BackendId(static_cast<std::uint32_t>(i)));
    json::array each;
    for (const route::EndpointReport& e : endpoints)
      if (e.backend == b.meta.key.to_text())
        each.push_back({{"node", e.node ? e.node->value() : "cloud"},
                        {"target", e.target},
                        {"state", !e.healthy  ? "unhealthy"
                                  : e.ejected ? "ejected"
                                              : "well"},
                        {"requests", e.outstanding},
                        {"lastError", e.last_error}});
    json::object item{{"kind", "Backend"}, {"metadata", metadata(b.meta.key, b.meta.generation)}, {"location", location_of(b)}};
    item["status"] = json::object{{"endpoints", std::move(each)}};
    items.push_back(std::move(item));
  }
  return to_list(std::move(items));
}

Result<std::string> objects_text(std::string_view from) {
  boost::system::error_code error;
  const json::value value = json::parse(from, error);
  if (error || !value.is_object() || !value.get_object().contains("items"))
    return fail(Code::invalid, "the answer is not a list of objects");
  std::vector<std::vector<std::string>> rows;
  std::string notes;
  for (const json::value& v : items_of(value.get_object(), "items")) {
    if (!v.is_object()) continue;
    const json::object& item = v.get_object();
    const std::string kind = text_of(item, "kind");
    if (kind == "Gateway")
      gateway_rows(item, rows, notes);
    else if (kind == "Backend")
      backend_rows(item, rows);
    else
      route_rows(item, rows, notes);
  }
  return rows.empty() ? "there are none\n" : table(rows) + notes;
}

}  // namespace fairlead::app
