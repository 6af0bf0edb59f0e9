#include <fmt/format.h>

#include <algorithm>
#include <chrono>

#include "app/config.h"
#include "app/table.h"
#include "cli/commands.h"
#include "enrol/join_client.h"
#include "observe/json_line.h"
#include "pki/folder.h"

namespace fairlead::cli {
namespace {

WallTime now() { return std::chrono::system_clock::now(); }

// What edges can dial: a name that is not this machine's own, else an address, else whatever the certificate has.
Result<net::HostPort> address_of(const std::filesystem::path& dir, const pki::Certificate& cloud) {
  TRY_ASSIGN(const app::CloudConfig config, app::load_cloud_config(dir));
  std::string best;
  for (const std::string& name : cloud.dns_names())
    if (best.empty() && name != "localhost" && !name.starts_with("*.")) best = name;
  for (const std::string& text : cloud.ip_addresses()) {
    const auto ip = net::IpAddress::parse(text);
    if (best.empty() && ip && !ip->is_loopback()) best = text;
  }
  if (best.empty() && cloud.dns_names().empty() && cloud.ip_addresses().empty())
    return fail(Code::invalid, "the cloud's certificate names no host that an edge could dial: `fairlead cert renew --name HOST`");
  if (best.empty()) best = cloud.dns_names().empty() ? cloud.ip_addresses().front() : cloud.dns_names().front();
  return net::HostPort{best, config.listen.port};
}

std::string id_text(const std::optional<NodeName>& node) { return node ? node->value() : "any"; }

std::string json_of(const enrol::TokenRecord& token, WallTime at) {
  observe::JsonLine line;
  line.add("id", token.id).add("state", enrol::name(token.state(at)));
  if (token.node) line.add("node", token.node->value());
  line.add("uses", token.uses).add("usesLeft", token.uses_left).add("created", token.created).add("expires", token.expires);
  if (token.revoked) line.add("revoked", *token.revoked);
  line.add("createdBy", token.created_by);
  return std::string(line.finish());
}

}  // namespace

Outcome run(const TokenCreateCommand& command) {
  TRY_ASSIGN(const pki::CloudIdentity identity, pki::load_cloud(command.dir));
  // What the cloud shows is what edges check.
  const pki::Certificate& authority = identity.credentials->chain().back();
  if (!authority.is_ca())
    return std::unexpected(Failure(Error(Code::invalid, "the cloud's certificate leads to no CA of ca.pem: no edge could join")));
  net::HostPort address;
  if (command.address) {
    address = *command.address;
  } else {
    TRY_ASSIGN(address, address_of(command.dir, *identity.credentials->certificate()));
  }
  TRY_ASSIGN(enrol::Registry registry, enrol::Registry::open(command.dir));
  const WallTime at = now();
  TRY_ASSIGN(const enrol::JoinToken token, registry.create_token(command.wish, enrol::Actor::operator_here(), at));

  const std::string pin = enrol::pin_text(authority.fingerprint());
  std::string line =
      fmt::format("fairlead edge --dir fairlead-edge --join {} --token {} --ca-pin {}", address.to_text(), token.text().reveal(), pin);
  if (command.wish.node) line += fmt::format(" --node {}", *command.wish.node);
  if (command.output == Output::text) {
    fmt::print("{}\n", line);
    return ExitStatus::ok;
  }
  observe::JsonLine json;
  json.add("id", token.id()).add("token", token.text().reveal());
  if (command.wish.node) json.add("node", command.wish.node->value());
  json.add("uses", command.wish.uses).add("expires", at + command.wish.lifetime).add("join", address.to_text()).add("caPin", pin);
  json.add("command", line);
  fmt::print("{}", json.finish());
  return ExitStatus::ok;
}

Outcome run(const TokenListCommand& command) {
  TRY(pki::load_cloud(command.dir));
  TRY_ASSIGN(enrol::Registry registry, enrol::Registry::open(command.dir));
  TRY_ASSIGN(const std::vector<enrol::TokenRecord> tokens, registry.tokens());
  const WallTime at = now();
  if (command.output == Output::json) {
    std::string all;
    for (const enrol::TokenRecord& token : tokens) {
      std::string one = json_of(token, at);
      one.pop_back();
      all += (all.empty() ? "" : ",\n ") + one;
    }
    fmt::print("[{}]\n", all);
    return ExitStatus::ok;
  }
  std::vector<std::vector<std::string>> rows{{"ID", "STATE", "NODE", "USES LEFT", "EXPIRES", "CREATED BY"}};
  for (const enrol::TokenRecord& token : tokens)
    rows.push_back({token.id, std::string(enrol::name(token.state(at))), id_text(token.node),
                    fmt::format("{} of {}", token.uses_left, token.uses), to_rfc3339(token.expires), token.created_by});
  fmt::print("{}", app::table(rows));
  return ExitStatus::ok;
}

Outcome run(const TokenRevokeCommand& command) {
  TRY(pki::load_cloud(command.dir));
  TRY_ASSIGN(enrol::Registry registry, enrol::Registry::open(command.dir));
  TRY(registry.revoke_token(command.id, enrol::Actor::operator_here(), now()));
  if (command.output == Output::json) {
    observe::JsonLine json;
    json.add("id", command.id).add("state", "revoked");
    fmt::print("{}", json.finish());
  } else {
    fmt::print("Token {} is revoked. Nodes that have joined with it stay.\n", command.id);
  }
  return ExitStatus::ok;
}

}  // namespace fairlead::cli
