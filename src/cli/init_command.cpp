#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>

#include "app/config.h"
#include "app/host.h"
#include "cli/commands.h"
#include "cli/defaults.h"
#include "enrol/join_client.h"

namespace fairlead::cli {
namespace {

// What edges are likely to dial: the host's name, its addresses, and loopback for a try on one machine.
std::vector<pki::HostName> names_of_this_machine() {
  std::vector<std::string> texts{"localhost", "127.0.0.1", "::1"};
  char host[256] = {};
  if (::gethostname(host, sizeof host - 1) == 0) texts.emplace_back(host);
  for (const net::IpAddress& ip : app::own_addresses())
    if (!ip.is_link_local()) texts.push_back(ip.to_text());
  std::vector<pki::HostName> names;
  for (const std::string& text : texts) {
    const auto name = pki::HostName::parse(text);
    if (name && std::ranges::find(names, *name) == names.end()) names.push_back(*name);
  }
  return names;
}

}  // namespace

Outcome run(const InitCommand& command) {
  const std::vector<pki::HostName> names = command.names.empty() ? names_of_this_machine() : command.names;
  const auto also = [](const std::filesystem::path& staging) { return write_defaults(staging, app::default_cloud_config()); };
  TRY(pki::init_cloud_folder(command.dir, names, std::chrono::system_clock::now(), also));

  std::string list;
  for (const pki::HostName& name : names) list += " " + name.text();
  TRY_ASSIGN(const pki::TrustStore authority, pki::TrustStore::load(command.dir / pki::file_name::kAuthority));
  fmt::print(
      "Made {}: edges may dial{}\nCA pin {}\n\nNext:\n  fairlead cloud --dir {}\n  fairlead token create --dir {}    # prints the line "
      "that joins an "
      "edge\n",
      command.dir.native(), list, enrol::pin_text(authority.authorities().front().fingerprint()), command.dir.native(),
      command.dir.native());
  return ExitStatus::ok;
}

}  // namespace fairlead::cli
