#include <fmt/format.h>

#include <chrono>

#include "app/config.h"
#include "cli/commands.h"
#include "cli/defaults.h"
#include "enrol/registry.h"
#include "pki/files.h"
#include "pki/printable.h"
#include "pki/trust.h"

namespace fairlead::cli {
namespace {

namespace fs = std::filesystem;

WallTime now() { return std::chrono::system_clock::now(); }

std::string joined(const std::vector<std::string>& texts) {
  std::string line;
  for (const std::string& text : texts) line += (line.empty() ? "" : ", ") + pki::printable(text);
  return line;
}

std::string_view use_of(const pki::Certificate& certificate) {
  if (certificate.is_ca()) return "authority";
  if (certificate.for_server() && certificate.for_client()) return "cloud and edge";
  if (certificate.for_server()) return "cloud";
  return certificate.for_client() ? "edge" : "none that Fairlead has";
}

void print(const fs::path& file, const pki::Certificate& certificate) {
  std::vector<std::string> names = certificate.dns_names();
  names.insert(names.end(), certificate.ip_addresses().begin(), certificate.ip_addresses().end());
  fmt::print("{}\n  subject      {}\n", file.native(), pki::printable(certificate.subject()));
  if (!names.empty()) fmt::print("  names        {}\n", joined(names));
  const bool expired = certificate.not_after() < now();
  fmt::print("  for          {}\n  issuer       {}\n  valid        {} to {}{}\n  serial       {}\n  fingerprint  {}\n", use_of(certificate),
             pki::printable(certificate.issuer()), to_rfc3339(certificate.not_before()), to_rfc3339(certificate.not_after()),
             expired ? " (EXPIRED)" : "", certificate.serial(), certificate.fingerprint());
}

std::vector<fs::path> certificate_files(const fs::path& path) {
  std::error_code ignored;
  if (!fs::is_directory(path, ignored)) return {path};
  std::vector<fs::path> files;
  for (const char* name : {pki::file_name::kCloud, pki::file_name::kEdge, pki::file_name::kAuthority})
    if (fs::exists(path / name, ignored)) files.push_back(path / name);
  return files;
}

}  // namespace

Outcome run(const CertIssueCommand& command) {
  const auto also = [](const fs::path& staging) { return write_defaults(staging, app::default_edge_config()); };
  TRY_ASSIGN(const pki::Certificate made, pki::issue_edge_folder(command.dir, command.node, command.out, now(), command.lifetime, also));
  // The name is this key's from now on: no token for any name takes it.
  TRY_ASSIGN(enrol::Registry registry, enrol::Registry::open(command.dir));
  TRY(registry.record_issue(command.node, made, enrol::Registry::Rebind::allow, "cert.issue", enrol::Actor::operator_here(), now()));
  fmt::print("Made {} for node {}, good until {}\n\nCopy it to the node, and there:\n  fairlead edge --dir DIR --cloud HOST:PORT\n",
             command.out.native(), command.node, to_rfc3339(made.not_after()));
  return ExitStatus::ok;
}

Outcome run(const CertShowCommand& command) {
  for (const fs::path& path : command.paths) {
    const std::vector<fs::path> files = certificate_files(path);
    if (files.empty()) return std::unexpected(Failure(Error(Code::not_found, fmt::format("{} has no certificates", path.native()))));
    for (const fs::path& file : files) {
      TRY_ASSIGN(const std::string pem, pki::read_file(file, pki::kMaxBundleSize));
      TRY_ASSIGN(const auto certificates, pki::Certificate::bundle_from_pem(pem, file.native()));
      for (const pki::Certificate& certificate : certificates) print(file, certificate);
    }
  }
  return ExitStatus::ok;
}

Outcome run(const CertRenewCommand& command) {
  TRY_ASSIGN(const pki::TrustStore authorities, pki::TrustStore::load(command.dir / pki::file_name::kAuthority));
  if (authorities.authorities().size() > 1)
    return std::unexpected(Failure(Error(Code::exists,
                                         "the CA is being replaced: edges that do not hold the new one yet would be shut out. "
                                         "`fairlead ca finish` gives the cloud a new certificate")));
  TRY_ASSIGN(const pki::Certificate made, pki::renew_cloud_certificate(command.dir, command.names, now(), command.lifetime));
  print(command.dir / pki::file_name::kCloud, made);
  return ExitStatus::ok;
}

Outcome run(const CertRevokeCommand& command) {
  TRY(pki::add_revocation(command.dir, command.what, command.comment));
  fmt::print("Added to {}; a running cloud ends the session within a second\n", (command.dir / pki::file_name::kRevoked).native());
  return ExitStatus::ok;
}

}  // namespace fairlead::cli
