#include "cli/command_line.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>

#include "app/config.h"
#include "cli/label.h"
#include "doctor/examination.h"
#include "enrol/join_client.h"
#include "route/suggestion.h"

namespace fairlead::cli {
namespace {

// A value of an option, from its text.
template <class T>
Result<T> parse_value(const std::string& text);

template <>
Result<std::filesystem::path> parse_value(const std::string& text) {
  if (text.empty()) return fail(Code::invalid, "a path is missing");
  return std::filesystem::path(text);
}
template <>
Result<std::string> parse_value(const std::string& text) {
  return text;
}
template <>
Result<NodeName> parse_value(const std::string& text) {
  return NodeName::parse(text);
}
template <>
Result<pki::HostName> parse_value(const std::string& text) {
  return pki::HostName::parse(text);
}
template <>
Result<pki::Fingerprint> parse_value(const std::string& text) {
  return pki::Fingerprint::parse(text);
}
template <>
Result<pki::Serial> parse_value(const std::string& text) {
  return pki::Serial::parse(text);
}
template <>
Result<net::SocketAddress> parse_value(const std::string& text) {
  return net::SocketAddress::parse(text);
}
template <>
Result<net::HostPort> parse_value(const std::string& text) {
  return net::HostPort::parse(text, app::kDefaultLinkPort);
}
template <>
Result<Label> parse_value(const std::string& text) {
  return Label::parse(text);
}
template <>
Result<LabelChange> parse_value(const std::string& text) {
  return LabelChange::parse(text);
}
template <>
Result<enrol::JoinToken> parse_value(const std::string& text) {
  return enrol::JoinToken::parse(text);
}
// The CA's key as `fairlead init` prints it.
struct Pin {
  pki::Fingerprint value;
};
template <>
Result<Pin> parse_value(const std::string& text) {
  TRY_ASSIGN(const pki::Fingerprint pin, enrol::parse_pin(text));
  return Pin{pin};
}
template <>
Result<Duration> parse_value(const std::string& text) {
  return route::parse_duration(text, route::Durations::config);
}
// The objects of `fairlead get`, by Kubernetes' names: plural or singular.
struct ObjectKind {
  std::string value;
};
template <>
Result<ObjectKind> parse_value(const std::string& text) {
  static constexpr std::string_view kKinds[] = {"gateways", "routes", "backends"};
  for (std::string_view kind : kKinds)
    if (text == kind || text + "s" == kind) return ObjectKind{std::string(kind)};
  return fail(Code::invalid, "there are no \"{}\" to get; gateways, routes and backends there are", text);
}
struct CheckName {
  std::string value;
};
template <>
Result<CheckName> parse_value(const std::string& text) {
  if (doctor::is_check(text)) return CheckName{text};
  return fail(Code::invalid, "there is no check \"{}\"; there are {}", text, fmt::join(doctor::kChecks, ", "));
}
template <>
Result<Output> parse_value(const std::string& text) {
  if (text == "text") return Output::text;
  if (text == "json") return Output::json;
  return fail(Code::invalid, "\"{}\" is neither text nor json", text);
}

template <class T>
T parsed(const char* name, const std::string& text) {
  Result<T> value = parse_value<T>(text);
  if (!value) throw CLI::ValidationError(name, value.error().describe());
  return *std::move(value);
}

template <class T>
CLI::Option* option(CLI::App& app, const char* name, std::optional<T>& into, const char* value, const char* what) {
  auto* made = app.add_option(
      name,
      [name, &into](const CLI::results_t& texts) {
        into = parsed<T>(name, texts.front());
        return true;
      },
      what);
  return made->type_name(value)->expected(1);
}
template <class T>
CLI::Option* options(CLI::App& app, const char* name, std::vector<T>& into, const char* value, const char* what) {
  auto* made = app.add_option(
      name,
      [name, &into](const CLI::results_t& texts) {
        for (const std::string& text : texts) into.push_back(parsed<T>(name, text));
        return true;
      },
      what);
  return made->type_name(value)->expected(1, CLI::detail::expected_max_vector_size)->allow_extra_args(false);
}

constexpr int kMaxDays = 3650;  // the CA's own lifetime
CLI::Option* days(CLI::App& app, int& into) {
  return app.add_option("--days", into, fmt::format("how long the certificate is good (default {})", into))
      ->type_name("N")
      ->check(CLI::Range(1, kMaxDays).description(""));
}
constexpr Duration of_days(int n) { return 24h * n; }

class CommandLine {
 public:
  CommandLine();
  std::expected<Command, Stop> parse(std::vector<std::string> arguments);

 private:
  static CLI::App& command(CLI::App& parent, const char* name, const char* what) { return *parent.add_subcommand(name, what); }
  void add_init();
  void add_cert();
  void add_token();
  void add_audit();
  void add_ca();
  void add_node();
  void add_backup();
  void add_run();
  void add_look();
  void add_doctor();
  static std::string help_of(const std::vector<std::string>& words);
  void check_words(const std::vector<std::string>& arguments);
  static CLI::App& subcommand(CLI::App& parent, const std::string& word);
  Stop usage(std::string_view what);

  CLI::App app_{"Fairlead joins a cloud with edge nodes behind NAT, over QUIC.", "fairlead"};
  std::optional<Command> command_;

  // What options leave behind; each subcommand takes what it has.
  std::optional<std::filesystem::path> dir_, out_, in_;
  std::vector<pki::HostName> names_;
  std::optional<NodeName> node_;
  std::optional<pki::Fingerprint> fingerprint_;
  std::optional<pki::Serial> serial_;
  std::optional<std::string> comment_;
  std::vector<std::filesystem::path> files_;
  std::optional<net::SocketAddress> listen_;
  std::optional<net::HostPort> cloud_, join_, address_;
  std::optional<enrol::JoinToken> token_;
  bool force_ = false;
  std::optional<std::filesystem::path> token_file_;
  std::optional<Pin> pin_;
  std::optional<Duration> ttl_, lasts_;
  std::optional<std::string> token_id_;
  std::uint32_t uses_ = 1, lines_ = 50;
  std::vector<Label> labels_;
  std::vector<LabelChange> label_changes_;
  std::optional<ObjectKind> kind_;
  std::optional<Output> output_;
  int edge_days_ = static_cast<int>(pki::kEdgeLifetime / 24h);
  int server_days_ = static_cast<int>(pki::kServerLifetime / 24h);
  std::vector<CheckName> checks_;
  bool watch_ = false, thorough_ = false;
  std::vector<std::string> topic_;
  bool help_ = false;
};

CommandLine::CommandLine() {
  app_.require_subcommand(1);
  app_.set_help_flag("-h,--help", "show this help");
  app_.footer(
      "`fairlead COMMAND --help` and `fairlead help COMMAND` show a command's options, `fairlead help exit-codes` what its status says.");
  add_init();
  add_cert();
  add_token();
  add_audit();
  add_ca();
  add_node();
  add_backup();
  add_run();
  add_look();
  add_doctor();

  CLI::App& help = command(app_, "help", "Show the help of a command, or `exit-codes`");
  help.add_option("TOPIC", topic_, "a command's words, or exit-codes")->type_name("");
  help.final_callback([this] { help_ = true; });
}

void CommandLine::add_init() {
  CLI::App& init = command(app_, "init", "Make the folder of a cloud: CA, certificate, keys, configuration, rules");
  option(init, "--dir", dir_, "DIR", "the folder to make; must not exist or be empty")->required();
  options(init, "--name", names_, "HOST", "a name or address that edges dial, can be given again (default: those of this machine)");
  init.footer("The folder has an authority of its own: keep ca-key.pem safe, everybody who has it can be any node.");
  init.final_callback([this] { command_ = InitCommand{*dir_, names_}; });
}

void CommandLine::add_cert() {
  CLI::App& cert = command(app_, "cert", "Certificates: issue, show, renew, revoke");
  cert.require_subcommand(1);

  CLI::App& issue = command(cert, "issue", "Make the folder of an edge, to be copied to its node");
  option(issue, "--dir", dir_, "DIR", "the cloud's folder")->required();
  option(issue, "--node", node_, "NAME", "the node's name, as Kubernetes has it")->required();
  option(issue, "--out", out_, "DIR", "the folder to make")->required();
  days(issue, edge_days_);
  issue.footer("The folder has the node's private key: whoever has a copy is that node.");
  issue.final_callback([this] { command_ = CertIssueCommand{*dir_, *out_, *node_, of_days(edge_days_)}; });

  CLI::App& show = command(cert, "show", "Show what certificates say");
  auto* files = options(show, "FILE", files_, "", "PEM files");
  auto* dir = option(show, "--dir", dir_, "DIR", "all certificates of a cloud's or an edge's folder");
  files->allow_extra_args(true)->excludes(dir);
  show.final_callback([this] {
    if (files_.empty() && !dir_) throw CLI::ValidationError("give FILE or --dir");
    command_ = CertShowCommand{dir_ ? std::vector{*dir_} : files_};
  });

  CLI::App& renew = command(cert, "renew", "Give the cloud's certificate a new lifetime, or other names; a running cloud takes it up");
  option(renew, "--dir", dir_, "DIR", "the cloud's folder")->required();
  options(renew, "--name", names_, "HOST", "a name or address that edges dial, can be given again (default: those it has)");
  days(renew, server_days_);
  renew.final_callback([this] { command_ = CertRenewCommand{*dir_, names_, of_days(server_days_)}; });

  CLI::App& revoke = command(cert, "revoke", "Let a node in no more; a running cloud ends its session within a second");
  option(revoke, "--dir", dir_, "DIR", "the cloud's folder")->required();
  CLI::Option_group* what = revoke.add_option_group("What (one of)");
  option(*what, "--node", node_, "NAME", "the node, whatever certificate it has or gets");
  option(*what, "--fingerprint", fingerprint_, "HEX", "one key, as `fairlead cert show` prints it");
  option(*what, "--serial", serial_, "HEX", "one certificate");
  what->require_option(1);
  option(revoke, "--comment", comment_, "TEXT", "why, kept in the list");
  revoke.footer("The list is the file `revoked` in the folder; remove a line there to let a node in again.");
  revoke.final_callback([this] {
    const pki::Revocable of = node_ ? pki::Revocable(*node_) : fingerprint_ ? pki::Revocable(*fingerprint_) : pki::Revocable(*serial_);
    command_ = CertRevokeCommand{*dir_, of, comment_.value_or("")};
  });
}

void CommandLine::add_token() {
  CLI::App& token = command(app_, "token", "Tokens with which edges join: create, list, revoke");
  token.require_subcommand(1);

  CLI::App& create = command(token, "create", "Print the one line that makes a machine an edge");
  option(create, "--dir", dir_, "DIR", "the cloud's folder; the cloud may be running")->required();
  option(create, "--node", node_, "NAME", "good for this node only, and also when it comes with a new key (default: any free name)");
  create.add_option("--uses", uses_, "how many edges may join with it (default 1)")
      ->type_name("N")
      ->check(CLI::Range(std::uint32_t{1}, enrol::TokenWish::kMaxUses).description(""));
  option(create, "--ttl", ttl_, "TIME", "how long it is good, as in 90m or 7d (default 1h)");
  option(create, "--address", address_, "HOST:PORT",
         "what the edge shall dial (default: a name of the cloud's certificate, link.listen's port)");
  option(create, "-o,--output", output_, "text|json", "how to print it (default text)");
  create.footer("Whoever has the line can become a node until it is used or expires. The token is not kept: it cannot be shown again.");
  create.final_callback([this] {
    enrol::TokenWish wish{.node = node_, .uses = uses_};
    if (ttl_) wish.lifetime = *ttl_;
    if (wish.lifetime <= 0ns || wish.lifetime > enrol::TokenWish::kMaxLifetime)
      throw CLI::ValidationError("--ttl", "more than 0 and at most 366d");
    command_ = TokenCreateCommand{*dir_, std::move(wish), address_, output_.value_or(Output::text)};
  });

  CLI::App& list = command(token, "list", "Show tokens and what is left of them");
  option(list, "--dir", dir_, "DIR", "the cloud's folder")->required();
  option(list, "-o,--output", output_, "text|json", "how to print them (default text)");
  list.final_callback([this] { command_ = TokenListCommand{*dir_, output_.value_or(Output::text)}; });

  CLI::App& revoke = command(token, "revoke", "Let nobody join with a token any more; nodes that have joined with it stay");
  option(revoke, "id", token_id_, "ID", "as `fairlead token list` shows it")->required();
  option(revoke, "--dir", dir_, "DIR", "the cloud's folder")->required();
  option(revoke, "-o,--output", output_, "text|json", "how to print what was done (default text)");
  revoke.final_callback([this] { command_ = TokenRevokeCommand{*dir_, *token_id_, output_.value_or(Output::text)}; });
}

void CommandLine::add_audit() {
  constexpr std::uint32_t kMaxLines = 200'000;  // more than are kept
  CLI::App& audit = command(app_, "audit", "Show who joined, was refused, or changed tokens and nodes, from where and why");
  option(audit, "--dir", dir_, "DIR", "the cloud's folder; the cloud may be running")->required();
  audit.add_option("-n,--lines", lines_, "how many of the newest lines (default 50)")
      ->type_name("N")
      ->check(CLI::Range(std::uint32_t{1}, kMaxLines).description(""));
  option(audit, "-o,--output", output_, "text|json", "how to print them: a table, or an object on each line (default text)");
  audit.final_callback([this] { command_ = AuditCommand{*dir_, lines_, output_.value_or(Output::text)}; });
}

void CommandLine::add_ca() {
  CLI::App& ca = command(app_, "ca", "The CA that all certificates come from, and replacing it: show, rotate, finish");
  ca.require_subcommand(1);

  CLI::App& show = command(ca, "show", "Show the CAs, and which nodes do not hold them yet");
  option(show, "--dir", dir_, "DIR", "the cloud's folder; the cloud may be running")->required();
  option(show, "-o,--output", output_, "text|json", "how to print them (default text)");
  show.final_callback([this] { command_ = CaShowCommand{*dir_, output_.value_or(Output::text)}; });

  CLI::App& rotate = command(ca, "rotate", "Make a new CA, which signs from now on; the old one stays good until `finish`");
  option(rotate, "--dir", dir_, "DIR", "the cloud's folder; the cloud may be running")->required();
  rotate.footer("No flow is cut. The old CA's key is gone afterwards.");
  rotate.final_callback([this] { command_ = CaRotateCommand{*dir_}; });

  CLI::App& finish = command(ca, "finish", "Remove the old CA, once every node holds the new one");
  option(finish, "--dir", dir_, "DIR", "the cloud's folder; the cloud may be running")->required();
  finish.add_flag("--force", force_, "also while nodes do not hold it: those must join anew");
  finish.final_callback([this] { command_ = CaFinishCommand{*dir_, force_}; });
}

void CommandLine::add_node() {
  CLI::App& node = command(app_, "node", "Nodes: list, show, revoke, readmit, forget, renew-grace, label");
  node.require_subcommand(1);
  const auto begin = [&](const char* name, const char* what) -> CLI::App& {
    CLI::App& made = command(node, name, what);
    option(made, "--dir", dir_, "DIR", "the cloud's folder; the cloud may be running")->required();
    option(made, "-o,--output", output_, "text|json", "how to print the result (default text)");
    return made;
  };
  const auto begin_one = [&](const char* name, const char* what) -> CLI::App& {
    CLI::App& made = begin(name, what);
    option(made, "name", node_, "NAME", "the node's name")->required();
    return made;
  };
  const auto say_why = [&](CLI::App& made) { option(made, "--comment", comment_, "TEXT", "why, kept in the audit log"); };

  begin("list", "Show the nodes that have joined, and whether they are connected").final_callback([this] {
    command_ = NodeListCommand{*dir_, output_.value_or(Output::text)};
  });
  begin_one("show", "Show all there is about a node").final_callback([this] {
    command_ = NodeShowCommand{*dir_, *node_, output_.value_or(Output::text)};
  });

  CLI::App& revoke = begin_one("revoke", "Let a node in no more; a running cloud ends its session within a second");
  say_why(revoke);
  revoke.final_callback([this] { command_ = NodeRevokeCommand{*dir_, *node_, comment_.value_or(""), output_.value_or(Output::text)}; });
  CLI::App& readmit = begin_one("readmit", "Let a node in again that was revoked");
  say_why(readmit);
  readmit.final_callback([this] { command_ = NodeReadmitCommand{*dir_, *node_, comment_.value_or(""), output_.value_or(Output::text)}; });
  CLI::App& forget = begin_one("forget", "Free a node's name for another key; the key that has it is put out");
  say_why(forget);
  forget.footer("For a machine that was set up anew and joins with a token for any name.");
  forget.final_callback([this] { command_ = NodeForgetCommand{*dir_, *node_, comment_.value_or(""), output_.value_or(Output::text)}; });

  CLI::App& grace = begin_one("renew-grace", "Let a node come back whose certificate expired while it was off, by its key alone");
  option(grace, "--for", lasts_, "TIME", "how long from now, as in 90m or 7d (default 24h); 0s takes it back");
  say_why(grace);
  grace.footer("For this node, whatever join.renewGrace says for all of them. A stolen key of it is good for as long, too.");
  grace.final_callback([this] {
    NodeRenewGraceCommand made{.dir = *dir_, .node = *node_, .comment = comment_.value_or(""), .output = output_.value_or(Output::text)};
    if (lasts_) made.lasts = *lasts_;
    if (made.lasts < 0ns || made.lasts > NodeRenewGraceCommand::kMax) throw CLI::ValidationError("--for", "at most 366d");
    command_ = std::move(made);
  });

  CLI::App& label = begin_one("label", "Set labels of a node; they go before those that the edge has");
  options(label, "changes", label_changes_, "KEY=VALUE|KEY-", "a label to set, or to take away")->required()->allow_extra_args(true);
  label.final_callback([this] { command_ = NodeLabelCommand{*dir_, *node_, label_changes_, output_.value_or(Output::text)}; });
}

void CommandLine::add_backup() {
  CLI::App& backup = command(app_, "backup", "Copy a cloud's folder into one file, also while the cloud runs");
  option(backup, "--dir", dir_, "DIR", "the cloud's folder")->required();
  option(backup, "--out", out_, "FILE", "the file to make, a tar archive")->required();
  backup.footer("The file has all keys, in the clear: whoever has it is the cloud.");
  backup.final_callback([this] { command_ = BackupCommand{*dir_, *out_}; });

  CLI::App& restore = command(app_, "restore", "Make a cloud's folder from a backup");
  option(restore, "--in", in_, "FILE", "what `fairlead backup` made")->required();
  option(restore, "--dir", dir_, "DIR", "the folder to make; must not exist or be empty")->required();
  restore.footer("Tokens in it are revoked. Nodes that have joined since are unknown to it, nodes that were revoked since are let in.");
  restore.final_callback([this] { command_ = RestoreCommand{*in_, *dir_}; });
}

void CommandLine::add_run() {
  constexpr char kSignals[] =
      "Runs in the foreground until SIGTERM or SIGINT, then takes no new connections and gives open ones time to end (`drain` in the\n"
      "configuration); a second signal ends it at once. SIGHUP reloads configuration, certificates and revocations, and opens the access "
      "log\n"
      "anew. Rules in DIR/routes are in force within a second of a change.";
  CLI::App& cloud = command(app_, "cloud", "Run a cloud");
  option(cloud, "--dir", dir_, "DIR", "its folder, made by `fairlead init`")->required();
  option(cloud, "--listen", listen_, "ADDR:PORT", "where edges dial, UDP (default: link.listen of the configuration, else [::]:8443)");
  cloud.footer(kSignals);
  cloud.final_callback([this] { command_ = CloudCommand{*dir_, listen_}; });

  CLI::App& edge = command(app_, "edge", "Run an edge");
  option(edge, "--dir", dir_, "DIR", "its folder, made by --join or by `fairlead cert issue`")->required();
  option(edge, "--cloud", cloud_, "HOST:PORT", "the cloud to dial (default: link.cloud of the configuration)");
  options(edge, "--label", labels_, "KEY=VALUE", "a label of this node, can be given again; goes before those of the configuration");
  auto* join =
      option(edge, "--join", join_, "HOST:PORT", "the cloud to join, if the folder is not there yet; a later start needs none of this");
  auto* token = option(edge, "--token", token_, "TOKEN",
                       "what `fairlead token create` printed; --token-file and FAIRLEAD_JOIN_TOKEN keep it out of `ps`");
  auto* token_file = option(edge, "--token-file", token_file_, "FILE", "a file with the token");
  auto* pin = option(edge, "--ca-pin", pin_, "sha256:HEX", "the CA that the cloud must have");
  auto* node = option(edge, "--node", node_, "NAME", "the name to join with (default: this host's)");
  for (CLI::Option* each : {token, token_file, pin, node}) each->needs(join);
  token->excludes(token_file);
  edge.footer(kSignals);
  edge.final_callback([this] {
    EdgeCommand made{.dir = *dir_, .cloud = cloud_, .labels = {}, .join = std::nullopt};
    if (join_) {
      made.join = JoinOrder{.cloud = *join_, .token = token_, .token_file = token_file_, .pin = std::nullopt, .node = node_};
      if (pin_) made.join->pin = pin_->value;
    }
    for (const Label& label : labels_) made.labels[label.key] = label.value;
    command_ = std::move(made);
  });
}

void CommandLine::add_look() {
  CLI::App& validate = command(app_, "validate", "Check rules without applying them");
  options(validate, "-f,--file", files_, "PATH", "a manifest or a folder of manifests, can be given again")
      ->required()
      ->allow_extra_args(true);
  option(validate, "-o,--output", output_, "text|json", "how to print what is wrong (default text)");
  validate.footer("All files together are one set of rules. The status is 1 when something is wrong; warnings leave it 0.");
  validate.final_callback([this] { command_ = ValidateCommand{files_, output_.value_or(Output::text)}; });

  CLI::App& status = command(app_, "status", "Show what a running cloud or edge is doing");
  option(status, "--dir", dir_, "DIR", "its folder")->required();
  option(status, "-o,--output", output_, "text|json", "how to print it (default text)");
  status.add_flag("-w,--watch", watch_, "again every second, until interrupted");
  status.final_callback([this] { command_ = StatusCommand{*dir_, output_.value_or(Output::text), watch_}; });

  CLI::App& get = command(app_, "get", "Show the rules in force and their conditions, on a running cloud or edge");
  option(get, "kind", kind_, "gateways|routes|backends", "which objects")->required();
  option(get, "--dir", dir_, "DIR", "its folder")->required();
  option(get, "-o,--output", output_, "text|json", "how to print it (default text)");
  get.final_callback([this] { command_ = GetCommand{*dir_, kind_->value, output_.value_or(Output::text)}; });

  CLI::App& version = command(app_, "version", "Show the version");
  option(version, "-o,--output", output_, "text|json", "how to print it (default text)");
  version.final_callback([this] { command_ = VersionCommand{output_.value_or(Output::text)}; });
}

void CommandLine::add_doctor() {
  CLI::App& examine = command(app_, "doctor", "Examine an edge's way to its cloud, and say what is wrong with it and what to do");
  option(examine, "--dir", dir_, "DIR",
         "the edge's folder, on its machine, whether it runs or not; with --node the folder of a running cloud")
      ->required();
  auto* node =
      option(examine, "--node", node_, "NAME", "what the cloud sees of this node, and what the node finds when it examines itself");
  option(examine, "--cloud", cloud_, "HOST:PORT", "the cloud to reach (default: link.cloud of the edge's configuration)")->excludes(node);
  options(examine, "--check", checks_, "NAME", "only this check, can be given again (default: all)");
  examine.add_flag("--thorough", thorough_, "longer and with more traffic: some three minutes instead of one, up to 512 MiB instead of 64");
  option(examine, "-o,--output", output_, "text|json", "how to print the findings (default text)");
  examine.footer(
      fmt::format("Checks: {}.\n"
                  "What is being done goes to standard error, the findings to standard output. Nothing is changed, and a running edge\n"
                  "keeps its session. The status is 1 when a finding is a problem; warnings leave it 0. docs/DOCTOR.md has every finding.",
                  fmt::join(doctor::kChecks, ", ")));
  examine.final_callback([this] {
    DoctorCommand made{.dir = *dir_, .node = node_, .cloud = cloud_, .thorough = thorough_, .output = output_.value_or(Output::text)};
    for (CheckName& each : checks_) made.checks.push_back(std::move(each.value));
    command_ = std::move(made);
  });
}

std::string CommandLine::help_of(const std::vector<std::string>& words) {
  if (words == std::vector<std::string>{"exit-codes"}) return kExitStatusHelp;
  CommandLine fresh;  // one that has parsed shows the help of what it has parsed
  CLI::App* app = &fresh.app_;
  std::string before;  // CLI11 adds the command's own name
  for (const std::string& word : words) {
    before += (before.empty() ? "" : " ") + app->get_name();
    app = &subcommand(*app, word);
  }
  return app->help(before);
}

CLI::App& CommandLine::subcommand(CLI::App& parent, const std::string& word) {
  std::vector<std::string_view> names;
  for (CLI::App* each : parent.get_subcommands([](CLI::App*) { return true; })) {
    if (each->get_name() == word) return *each;
    names.push_back(each->get_name());
  }
  if (names.empty()) throw CLI::ParseError(fmt::format("\"{}\" is too much", word), CLI::ExitCodes::ExtrasError);
  throw CLI::ParseError(fmt::format("there is no command \"{}\"{}", word, route::did_you_mean(word, names)), CLI::ExitCodes::ExtrasError);
}

// CLI11 only tells that some command is missing.
void CommandLine::check_words(const std::vector<std::string>& arguments) {
  CLI::App* app = &app_;
  for (const std::string& word : arguments) {
    if (app->get_subcommands([](CLI::App*) { return true; }).empty() || word.starts_with('-')) return;
    app = &subcommand(*app, word);
  }
}

Stop CommandLine::usage(std::string_view what) {
  std::string name = "fairlead";
  for (CLI::App* app = &app_; !app->get_subcommands().empty();) {
    app = app->get_subcommands().front();
    name += " " + app->get_name();
  }
  return {ExitStatus::usage, fmt::format("fairlead: {}\nSee `{} --help`.\n", what, name)};
}

std::expected<Command, Stop> CommandLine::parse(std::vector<std::string> arguments) {
  try {
    check_words(arguments);
    try {
      std::ranges::reverse(arguments);  // as CLI11 wants them
      app_.parse(std::move(arguments));
    } catch (const CLI::CallForHelp&) {
      std::vector<std::string> words;
      for (CLI::App* app = &app_; !app->get_subcommands().empty();) {
        app = app->get_subcommands().front();
        words.push_back(app->get_name());
      }
      return std::unexpected(Stop{ExitStatus::ok, help_of(words)});
    }
    if (help_) return std::unexpected(Stop{ExitStatus::ok, help_of(topic_)});
  } catch (const CLI::RequiredError& e) {
    const bool command = std::string_view(e.what()).find("subcommand") != std::string_view::npos;
    return std::unexpected(usage(command ? "a command is missing" : e.what()));
  } catch (const CLI::Error& e) {
    return std::unexpected(usage(e.what()));
  }
  return *std::move(command_);
}

}  // namespace

std::expected<Command, Stop> parse_command_line(const std::vector<std::string>& arguments) { return CommandLine().parse(arguments); }

}  // namespace fairlead::cli
