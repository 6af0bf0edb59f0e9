// command_line.h: argv becomes one of the commands below, or a text and a status to stop with. The only user of CLI11.
//
// Syntax is checked here (numbers, node names, addresses), files are not touched.
#pragma once
#include <filesystem>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/ids.h"
#include "base/time.h"
#include "cli/exit_status.h"
#include "cli/label.h"
#include "enrol/registry.h"
#include "net/address.h"
#include "pki/folder.h"
#include "pki/names.h"
#include "route/values.h"

namespace fairlead::cli {

enum class Output : std::uint8_t { text, json };

struct InitCommand {
  std::filesystem::path dir;
  std::vector<pki::HostName> names;  // none: those of this machine
};
struct CertIssueCommand {
  std::filesystem::path dir, out;
  NodeName node;
  Duration lifetime;
};
struct CertShowCommand {
  std::vector<std::filesystem::path> paths;  // PEM files, or a component's folder
};
struct CertRevokeCommand {
  std::filesystem::path dir;
  pki::Revocable what;
  std::string comment;
};
struct CertRenewCommand {
  std::filesystem::path dir;
  std::vector<pki::HostName> names;  // none: those it has
  Duration lifetime;
};
struct CloudCommand {
  std::filesystem::path dir;
  std::optional<net::SocketAddress> listen;
};
// How an edge that has no folder yet gets one. The token comes from one of the two, or from kTokenVariable of the environment.
struct JoinOrder {
  net::HostPort cloud;
  std::optional<enrol::JoinToken> token;
  std::optional<std::filesystem::path> token_file;
  std::optional<pki::Fingerprint> pin;
  std::optional<NodeName> node;  // none: this host's name
};
inline constexpr char kTokenVariable[] = "FAIRLEAD_JOIN_TOKEN";
struct EdgeCommand {
  std::filesystem::path dir;
  std::optional<net::HostPort> cloud;
  route::Labels labels;
  std::optional<JoinOrder> join;
};
struct TokenCreateCommand {
  std::filesystem::path dir;
  enrol::TokenWish wish;
  std::optional<net::HostPort> address;  // what the edge shall dial
  Output output = Output::text;
};
struct TokenListCommand {
  std::filesystem::path dir;
  Output output = Output::text;
};
struct TokenRevokeCommand {
  std::filesystem::path dir;
  std::string id;
  Output output = Output::text;
};
struct AuditCommand {
  std::filesystem::path dir;
  std::uint32_t lines = 0;  // the newest so many
  Output output = Output::text;
};
struct CaShowCommand {
  std::filesystem::path dir;
  Output output = Output::text;
};
struct CaRotateCommand {
  std::filesystem::path dir;
};
struct CaFinishCommand {
  std::filesystem::path dir;
  bool force = false;
};
struct NodeListCommand {
  std::filesystem::path dir;
  Output output = Output::text;
};
struct NodeShowCommand {
  std::filesystem::path dir;
  NodeName node;
  Output output = Output::text;
};
struct NodeRevokeCommand {
  std::filesystem::path dir;
  NodeName node;
  std::string comment;
  Output output = Output::text;
};
struct NodeReadmitCommand {
  std::filesystem::path dir;
  NodeName node;
  std::string comment;
  Output output = Output::text;
};
struct NodeForgetCommand {
  std::filesystem::path dir;
  NodeName node;
  std::string comment;
  Output output = Output::text;
};
struct NodeRenewGraceCommand {
  static constexpr Duration kMax = 24h * 366;
  std::filesystem::path dir;
  NodeName node;
  Duration lasts = 24h;  // 0: an order from before is taken back
  std::string comment;
  Output output = Output::text;
};
struct NodeLabelCommand {
  std::filesystem::path dir;
  NodeName node;
  std::vector<LabelChange> changes;
  Output output = Output::text;
};
struct BackupCommand {
  std::filesystem::path dir, out;
};
struct RestoreCommand {
  std::filesystem::path file, dir;
};
struct ValidateCommand {
  std::vector<std::filesystem::path> paths;
  Output output = Output::text;
};
struct StatusCommand {
  std::filesystem::path dir;
  Output output = Output::text;
  bool watch = false;
};
struct GetCommand {
  std::filesystem::path dir;
  std::string kind;  // as the admin endpoint has it: "routes"
  Output output = Output::text;
};
struct DoctorCommand {
  std::filesystem::path dir;
  std::optional<NodeName> node;        // on a cloud's folder: which node; else `dir` is an edge's
  std::optional<net::HostPort> cloud;  // of an edge: instead of the configuration's
  std::vector<std::string> checks;     // none: all
  bool thorough = false;
  Output output = Output::text;
};
struct VersionCommand {
  Output output = Output::text;
};

using Command =
    std::variant<InitCommand, CertIssueCommand, CertShowCommand, CertRevokeCommand, CertRenewCommand, TokenCreateCommand, TokenListCommand,
                 TokenRevokeCommand, AuditCommand, CaShowCommand, CaRotateCommand, CaFinishCommand, NodeListCommand, NodeShowCommand,
                 NodeRevokeCommand, NodeReadmitCommand, NodeForgetCommand, NodeRenewGraceCommand, NodeLabelCommand, BackupCommand,
                 RestoreCommand, CloudCommand, EdgeCommand, ValidateCommand, StatusCommand, GetCommand, DoctorCommand, VersionCommand>;

// Help that was asked for (status ok, for standard output) or what is wrong (status usage, for standard error).
struct Stop {
  ExitStatus status;
  std::string text;
};

// `arguments` without the program's name.
std::expected<Command, Stop> parse_command_line(const std::vector<std::string>& arguments);

}  // namespace fairlead::cli
