#include "doctor/finding.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>
#include <cmath>

#include "pki/printable.h"

namespace fairlead::doctor {
namespace {

namespace json = boost::json;

constexpr std::size_t kMaxText = 2000;     // of one text in a report that came over the link
constexpr std::size_t kMaxFindings = 100;  // there are some 15 checks

json::value to_value(const Value& value) {
  return std::visit(
      []<class T>(const T& v) -> json::value {
        if constexpr (std::is_same_v<T, std::vector<std::string>>) {
          json::array all;
          for (const std::string& each : v) all.push_back(json::string(pki::printable(each, kMaxText)));
          return all;
        } else if constexpr (std::is_same_v<T, std::string>) {
          return json::string(pki::printable(v, kMaxText));
        } else {
          return v;
        }
      },
      value);
}

Value of_value(const json::value& value) {
  if (value.is_bool()) return value.get_bool();
  if (value.is_int64()) return value.get_int64();
  if (value.is_uint64()) return static_cast<std::int64_t>(value.get_uint64());
  if (value.is_double()) return value.get_double();
  if (value.is_string()) return pki::printable(value.get_string(), kMaxText);
  std::vector<std::string> texts;
  if (value.is_array())
    for (const json::value& each : value.get_array())
      if (each.is_string()) texts.push_back(pki::printable(each.get_string(), kMaxText));
  return texts;
}

std::string text_of(const json::object& o, std::string_view key) {
  const json::value* v = o.if_contains(key);
  return v != nullptr && v->is_string() ? pki::printable(v->get_string(), kMaxText) : std::string();
}

Status status_of(std::string_view text) {
  for (Status each : {Status::ok, Status::warning, Status::problem})
    if (text == name(each)) return each;
  return Status::unknown;
}

std::string_view mark(Status status) {
  switch (status) {
    case Status::ok: return "ok";
    case Status::warning: return "warning";
    case Status::problem: return "PROBLEM";
    case Status::unknown: return "unknown";
  }
  return "unknown";
}

}  // namespace

std::string_view name(Status status) {
  switch (status) {
    case Status::ok: return "ok";
    case Status::warning: return "warning";
    case Status::problem: return "problem";
    case Status::unknown: return "unknown";
  }
  return "unknown";
}

double milliseconds(Duration d) { return static_cast<double>(std::chrono::duration_cast<std::chrono::microseconds>(d).count()) / 1000; }

Status Report::status() const {
  const auto has = [this](Status s) { return std::ranges::any_of(findings, [s](const Finding& f) { return f.status == s; }); };
  for (Status each : {Status::problem, Status::warning, Status::ok})
    if (has(each)) return each;
  return Status::unknown;
}

std::string report_json(const Report& report) {
  json::array findings;
  for (const Finding& f : report.findings) {
    json::object measured;
    for (const auto& [key, value] : f.measured) measured[key] = to_value(value);
    json::object o{{"check", f.check}, {"status", name(f.status)}, {"summary", pki::printable(f.summary, kMaxText)}};
    o["measured"] = std::move(measured);
    o["meaning"] = pki::printable(f.meaning, kMaxText);
    o["advice"] = pki::printable(f.advice, kMaxText);
    findings.push_back(std::move(o));
  }
  json::object o{{"role", report.role},
                 {"node", report.node},
                 {"cloud", report.cloud},
                 {"software", report.software},
                 {"at", to_rfc3339(report.at)},
                 {"took_ms", milliseconds(report.took)},
                 {"status", name(report.status())}};
  o["findings"] = std::move(findings);
  return json::serialize(o) + "\n";
}

Result<Report> report_from_json(std::string_view text) {
  boost::system::error_code error;
  const json::value value = json::parse(text, error);
  if (error || !value.is_object()) return fail(Code::invalid, "what came is not a report");
  const json::object& o = value.get_object();
  Report report{.role = text_of(o, "role"), .node = text_of(o, "node"), .cloud = text_of(o, "cloud"), .software = text_of(o, "software")};
  if (const json::value* took = o.if_contains("took_ms"); took != nullptr && took->is_number()) {
    boost::system::error_code ignored;
    const double ms = took->to_number<double>(ignored);
    if (std::isfinite(ms) && ms >= 0 && ms < 1e9) report.took = std::chrono::microseconds(static_cast<std::int64_t>(ms * 1000));
  }
  const json::value* findings = o.if_contains("findings");
  if (findings == nullptr || !findings->is_array()) return fail(Code::invalid, "what came is not a report: it has no findings");
  for (const json::value& each : findings->get_array()) {
    if (!each.is_object() || report.findings.size() == kMaxFindings) continue;
    const json::object& f = each.get_object();
    Finding finding{.check = text_of(f, "check"),
                    .status = status_of(text_of(f, "status")),
                    .summary = text_of(f, "summary"),
                    .measured = {},
                    .meaning = text_of(f, "meaning"),
                    .advice = text_of(f, "advice")};
    if (const json::value* measured = f.if_contains("measured"); measured != nullptr && measured->is_object())
      for (const auto& [key, v] : measured->get_object()) finding.add(pki::printable(key, kMaxText), of_value(v));
    report.findings.push_back(std::move(finding));
  }
  return report;
}

std::string report_text(const Report& report) {
  std::size_t width = 0;
  for (const Finding& f : report.findings) width = std::max(width, f.check.size());
  std::string out;
  for (const Finding& f : report.findings) {
    out += fmt::format("{:<7}  {:<{}}  {}\n", mark(f.status), f.check, width, f.summary);
    const std::string indent(11 + width, ' ');
    if (f.status != Status::ok && !f.meaning.empty()) out += indent + f.meaning + "\n";
    if (!f.advice.empty()) out += indent + "do: " + f.advice + "\n";
  }
  return out;
}

}  // namespace fairlead::doctor
