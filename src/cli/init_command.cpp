#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>

#include "app/config.h"
#include "app/host.h"
#include "cli/commands.h"
#include "cli/defaults.h"

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
  fmt::print("Made {}: edges may dial{}\n\nNext:\n  fairlead cloud --dir {}\n  fairlead cert issue --dir {} --node NAME --out EDGE-DIR\n",
             command.dir.native(), list, command.dir.native(), command.dir.native());
  return ExitStatus::ok;
}

}  // namespace fairlead::cli
