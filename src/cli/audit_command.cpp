#include <fmt/format.h>

#include "app/table.h"
#include "cli/commands.h"
#include "enrol/registry.h"
#include "observe/json_line.h"
#include "pki/folder.h"
#include "pki/printable.h"

namespace fairlead::cli {

Outcome run(const AuditCommand& command) {
  TRY(pki::load_cloud(command.dir));
  TRY_ASSIGN(enrol::Registry registry, enrol::Registry::open(command.dir));
  TRY_ASSIGN(const std::vector<enrol::AuditLine> lines, registry.audit(command.lines));
  if (command.output == Output::json) {
    for (const enrol::AuditLine& line : lines) {
      observe::JsonLine json;
      json.add("time", line.at).add("who", line.who).add("from", line.from).add("what", line.what);
      json.add("subject", line.subject).add("detail", line.detail);
      fmt::print("{}", json.finish());
    }
    return ExitStatus::ok;
  }
  std::vector<std::vector<std::string>> rows{{"TIME", "WHO", "FROM", "WHAT", "SUBJECT", "DETAIL"}};
  for (const enrol::AuditLine& line : lines) {
    std::vector<std::string> row{to_rfc3339(line.at)};
    for (const std::string& field : {line.who, line.from, line.what, line.subject, line.detail})
      row.push_back(pki::printable(field, enrol::AuditLine::kMaxField));
    rows.push_back(std::move(row));
  }
  fmt::print("{}", app::table(rows));
  return ExitStatus::ok;
}

}  // namespace fairlead::cli
