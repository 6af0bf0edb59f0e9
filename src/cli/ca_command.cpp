#include <fmt/format.h>

#include "app/table.h"
#include "cli/commands.h"
#include "enrol/join_client.h"
#include "enrol/rotation.h"
#include "observe/json_line.h"
#include "pki/folder.h"

namespace fairlead::cli {
namespace {

WallTime now() { return std::chrono::system_clock::now(); }

std::string_view yes_no(bool b) { return b ? "yes" : "no"; }

}  // namespace

Outcome run(const CaShowCommand& command) {
  TRY(pki::load_cloud(command.dir));
  TRY_ASSIGN(enrol::Registry registry, enrol::Registry::open(command.dir));
  TRY_ASSIGN(const enrol::RotationState state, enrol::rotation_state(command.dir, registry, now()));
  if (command.output == Output::json) {
    std::string authorities, missing;
    for (const enrol::AuthorityState& one : state.authorities) {
      observe::JsonLine json;
      json.add("pin", enrol::pin_text(one.key)).add("notAfter", one.not_after).add("signs", one.signs).add("issuedCloud", one.issued_cloud);
      const std::string_view text = json.finish();
      authorities += (authorities.empty() ? "" : ", ") + std::string(text.substr(0, text.size() - 1));
    }
    for (const NodeName& node : state.missing) missing += fmt::format("{}\"{}\"", missing.empty() ? "" : ", ", node);
    fmt::print("{{\"authorities\": [{}], \"rotation\": {}, \"current\": {}, \"missing\": [{}]}}\n", authorities, state.under_way,
               state.current, missing);
    return ExitStatus::ok;
  }
  std::vector<std::vector<std::string>> rows{{"CA PIN", "UNTIL", "SIGNS", "ISSUED THE CLOUD'S"}};
  for (const enrol::AuthorityState& one : state.authorities)
    rows.push_back(
        {enrol::pin_text(one.key), to_rfc3339(one.not_after), std::string(yes_no(one.signs)), std::string(yes_no(one.issued_cloud))});
  fmt::print("{}{} of {} nodes hold {}\n", app::table(rows), state.current, state.current + state.missing.size(),
             state.under_way ? "both CAs and a certificate of the new one" : "this CA");
  for (const NodeName& node : state.missing) fmt::print("  not yet: {}\n", node);
  return ExitStatus::ok;
}

Outcome run(const CaRotateCommand& command) {
  TRY(pki::load_cloud(command.dir));
  TRY_ASSIGN(enrol::Registry registry, enrol::Registry::open(command.dir));
  TRY_ASSIGN(const pki::Fingerprint made, enrol::rotate_authority(command.dir, registry, enrol::Actor::operator_here(), now()));
  fmt::print(
      "A new CA signs from now on: {}\nEdges get it over the link; those that are away, when they come. Then:\n  fairlead ca show --dir "
      "{}\n  "
      "fairlead ca finish --dir {}\n",
      enrol::pin_text(made), command.dir.native(), command.dir.native());
  return ExitStatus::ok;
}

Outcome run(const CaFinishCommand& command) {
  TRY(pki::load_cloud(command.dir));
  TRY_ASSIGN(enrol::Registry registry, enrol::Registry::open(command.dir));
  TRY(enrol::finish_rotation(command.dir, registry, enrol::Actor::operator_here(), now(), command.force));
  fmt::print("The old CA is removed. Lines of `fairlead token create` from before have its pin: print them anew.\n");
  return ExitStatus::ok;
}

}  // namespace fairlead::cli
