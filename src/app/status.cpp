#include "app/status.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>

#include "app/table.h"
#include "pki/printable.h"

namespace fairlead::app {
namespace {

namespace json = boost::json;

// What the other side said when it closed may be any bytes: not fit for JSON, which is UTF-8.
std::string foreign_text(std::string_view text) { return pki::printable(text, 500); }

// To the microsecond.
double ms(Duration d) { return static_cast<double>(std::chrono::duration_cast<std::chrono::microseconds>(d).count()) / 1000; }

double loss(const net::MuxStats& s) {
  return s.packets_sent == 0 ? 0 : static_cast<double>(s.packets_lost) / static_cast<double>(s.packets_sent);
}

void add_carrier(json::object& to, const net::MuxStats& s, const link::FlowTally& flows) {
  to["rtt_ms"] = ms(s.rtt);
  to["min_rtt_ms"] = ms(s.min_rtt);
  to["loss"] = loss(s);
  to["bytes_in"] = s.bytes_received;
  to["bytes_out"] = s.bytes_sent;
  to["flows"] = flows.open;
  to["flows_opened"] = flows.opened;
  to["flows_refused"] = flows.refused;
  to["memory"] = s.memory;
}

void add_paths(json::object& to, const link::PathsStatus& paths) {
  to["local"] = paths.route ? paths.route->source.to_text() : "";
  to["device"] = paths.route ? paths.route->device : "";
  json::object moves;
  for (std::size_t i = 0; i < paths.moves.size(); i++)
    if (paths.moves[i] > 0) moves[std::string(name(static_cast<link::MoveReason>(i)))] = paths.moves[i];
  to["moves"] = std::move(moves);
  json::array uplinks;
  for (const link::UplinkStatus& u : paths.uplinks)
    uplinks.push_back(
        {{"device", u.device}, {"in_use", u.in_use}, {"usable", u.usable}, {"alive", u.alive}, {"rtt_ms", ms(u.rtt)}, {"loss", u.loss}});
  to["uplinks"] = std::move(uplinks);
}

json::object labels_json(const wire::Labels& labels) {
  json::object o;
  for (const auto& [key, value] : labels) o[key] = value;
  return o;
}

void add_rules(json::object& to, const std::vector<ListenerState>& listeners, const std::vector<std::string>& problems) {
  json::array list;
  for (const ListenerState& l : listeners) {
    json::object o{
        {"gateway", l.gateway}, {"listener", l.listener}, {"address", l.address}, {"route", l.route}, {"open", l.problem.empty()}};
    if (!l.problem.empty()) o["problem"] = l.problem;
    list.push_back(std::move(o));
  }
  to["listeners"] = std::move(list);
  json::array wrong;
  for (const std::string& p : problems) wrong.push_back(json::string(p));
  to["rule_problems"] = std::move(wrong);
}

std::string bytes_text(double n) {
  for (const char* unit : {"B", "KiB", "MiB", "GiB"}) {
    if (n < 1024) return fmt::format("{:.{}f} {}", n, n < 10 && unit[0] != 'B' ? 1 : 0, unit);
    n /= 1024;
  }
  return fmt::format("{:.1f} TiB", n);
}

std::string rules_text(const json::object& status) {
  std::string out;
  if (const json::value* listeners = status.if_contains("listeners"); listeners != nullptr && listeners->is_array())
    for (const json::value& v : listeners->get_array()) {
      if (!v.is_object()) continue;
      const json::object& l = v.get_object();
      if (flag_of(l, "open")) {
        // Gateways are in `fairlead get gateways`; these are nowhere else.
        if (text_of(l, "gateway") == "kube") out += fmt::format("kube: {} at {}\n", text_of(l, "listener"), text_of(l, "address"));
        continue;
      }
      out += fmt::format("not open: {} {} at {}: {}\n", text_of(l, "gateway"), text_of(l, "listener"), text_of(l, "address"),
                         text_of(l, "problem"));
    }
  if (const json::value* wrong = status.if_contains("rule_problems"); wrong != nullptr && wrong->is_array())
    for (const json::value& v : wrong->get_array())
      if (v.is_string()) out += fmt::format("rules: {}\n", pki::printable(v.get_string(), 500));
  return out;
}

// Of the state that is shown.
std::string since_text(const json::object& o) { return text_of(o, o.contains("silent_since") ? "silent_since" : "since"); }

std::string uplinks_text(const json::object& cloud) {
  const json::value* list = cloud.if_contains("uplinks");
  if (list == nullptr || !list->is_array()) return {};
  std::string out;
  for (const json::value& v : list->get_array()) {
    if (!v.is_object()) continue;
    const json::object& u = v.get_object();
    const std::string state = !flag_of(u, "usable") ? "down"
                              : !flag_of(u, "alive")
                                  ? "no answer"
                                  : fmt::format("{:.1f} ms, {:.0f} % loss", number_of(u, "rtt_ms"), number_of(u, "loss") * 100);
    out += fmt::format("uplink: {}{}: {}\n", text_of(u, "device"), flag_of(u, "in_use") ? " (in use)" : "", state);
  }
  return out;
}

std::vector<std::string> carrier_cells(const json::object& o) {
  return {text_of(o, "transport"),
          fmt::format("{:.1f} ms", number_of(o, "rtt_ms")),
          fmt::format("{:.2f} %", number_of(o, "loss") * 100),
          bytes_text(number_of(o, "bytes_in")),
          bytes_text(number_of(o, "bytes_out")),
          fmt::format("{:.0f}", number_of(o, "flows"))};
}

}  // namespace

std::string cloud_status_json(const std::map<NodeName, link::Nodes::Entry>& nodes, const std::vector<link::SessionStatus>& sessions,
                              const std::vector<ListenerState>& listeners, const std::vector<std::string>& problems) {
  std::map<NodeName, const link::SessionStatus*> by_node;
  for (const link::SessionStatus& s : sessions) by_node[s.node] = &s;
  json::array list;
  for (const auto& [node, entry] : nodes) {
    json::object o{{"name", node.value()}};
    auto it = by_node.find(node);
    const link::SessionStatus* s = entry.place && it != by_node.end() ? it->second : nullptr;
    // A suspect session may come back, but nothing can be reached over it now.
    o["connected"] = s != nullptr && s->state != link::SessionState::suspect;
    o["state"] = s != nullptr ? json::string(name(s->state)) : json::string("gone");
    o["since"] = to_rfc3339(entry.changed);
    if (s != nullptr && s->silent_since) o["silent_since"] = to_rfc3339(*s->silent_since);
    o["address"] = s != nullptr ? s->address.to_text() : entry.address;
    o["labels"] = labels_json(entry.labels);
    o["software"] = entry.software;
    if (s != nullptr) {
      o["transport"] = s->transport;
      o["loop"] = s->loop.value();
      add_carrier(o, s->carrier, s->flows);
    } else {
      o["reason"] = foreign_text(entry.reason);
    }
    list.push_back(std::move(o));
  }
  json::object status{{"role", "cloud"}};
  status["nodes"] = std::move(list);
  add_rules(status, listeners, problems);
  return json::serialize(status) + "\n";
}

std::string edge_status_json(const NodeName& node, const link::EdgeStatus& status, const std::vector<ListenerState>& listeners,
                             const std::vector<std::string>& problems) {
  json::object cloud{{"host", status.cloud}};
  cloud["connected"] = status.state == link::EdgeState::connected;
  cloud["state"] = json::string(name(status.state));
  cloud["since"] = to_rfc3339(status.since);
  if (status.silent_since) cloud["silent_since"] = to_rfc3339(*status.silent_since);
  cloud["address"] = status.address.to_text();
  cloud["attempts"] = status.attempts;
  cloud["last_error"] = foreign_text(status.last_error);
  if (!status.last_fallback_error.empty()) cloud["last_fallback_error"] = foreign_text(status.last_fallback_error);
  if (!status.transport.empty()) cloud["transport"] = status.transport;
  add_paths(cloud, status.paths);
  if (status.carrier) add_carrier(cloud, *status.carrier, *status.flows);
  json::object o{{"role", "edge"}, {"node", node.value()}};
  o["cloud"] = std::move(cloud);
  add_rules(o, listeners, problems);
  return json::serialize(o) + "\n";
}

Result<std::string> status_text(std::string_view text) {
  boost::system::error_code error;
  const json::value value = json::parse(text, error);
  if (error || !value.is_object()) return fail(Code::invalid, "the answer is not a status");
  const json::object& status = value.get_object();
  std::vector<std::vector<std::string>> rows;
  if (const json::value* nodes = status.if_contains("nodes"); nodes != nullptr && nodes->is_array()) {
    rows.push_back({"NODE", "STATE", "SINCE", "ADDRESS", "BY", "RTT", "LOSS", "IN", "OUT", "FLOWS"});
    for (const json::value& v : nodes->get_array()) {
      if (!v.is_object()) continue;
      const json::object& n = v.get_object();
      std::vector<std::string> row{text_of(n, "name"), text_of(n, "state"), since_text(n), text_of(n, "address")};
      if (n.contains("rtt_ms"))  // a suspect one has its numbers, too
        for (std::string& cell : carrier_cells(n)) row.push_back(std::move(cell));
      else
        row.push_back(text_of(n, "reason"));
      rows.push_back(std::move(row));
    }
    std::string out = rows.size() == 1 ? "no node has connected yet\n" : table(rows);
    return out + rules_text(status);
  }
  const json::value* cloud = status.if_contains("cloud");
  if (cloud == nullptr || !cloud->is_object()) return fail(Code::invalid, "the answer is not a status");
  const json::object& c = cloud->get_object();
  rows.push_back({"NODE", "CLOUD", "STATE", "SINCE", "BY", "RTT", "LOSS", "IN", "OUT", "FLOWS"});
  std::vector<std::string> row{text_of(status, "node"), text_of(c, "host"), text_of(c, "state"), since_text(c)};
  if (c.contains("rtt_ms"))
    for (std::string& cell : carrier_cells(c)) row.push_back(std::move(cell));
  else
    row.push_back(text_of(c, "last_error"));
  rows.push_back(std::move(row));
  return table(rows) + uplinks_text(c) + rules_text(status);
}

}  // namespace fairlead::app
