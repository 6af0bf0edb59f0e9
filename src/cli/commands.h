// commands.h: what each command does. Results go to standard output; what went wrong is the caller's to print.
#pragma once
#include <expected>

#include "base/error.h"
#include "cli/command_line.h"

namespace fairlead::cli {

struct Failure {
  Failure(Error e) : error(std::move(e)) {}  // NOLINT(google-explicit-constructor): TRY passes an Error on
  Failure(ExitStatus s, Error e) : status(s), error(std::move(e)) {}
  ExitStatus status = ExitStatus::failed;
  Error error;
};
using Outcome = std::expected<ExitStatus, Failure>;

Outcome run(const InitCommand& command);
Outcome run(const CertIssueCommand& command);
Outcome run(const CertShowCommand& command);
Outcome run(const CertRevokeCommand& command);
Outcome run(const CertRenewCommand& command);
Outcome run(const TokenCreateCommand& command);
Outcome run(const TokenListCommand& command);
Outcome run(const TokenRevokeCommand& command);
Outcome run(const AuditCommand& command);
Outcome run(const CaShowCommand& command);
Outcome run(const CaRotateCommand& command);
Outcome run(const CaFinishCommand& command);
Outcome run(const NodeListCommand& command);
Outcome run(const NodeShowCommand& command);
Outcome run(const NodeRevokeCommand& command);
Outcome run(const NodeReadmitCommand& command);
Outcome run(const NodeForgetCommand& command);
Outcome run(const NodeRenewGraceCommand& command);
Outcome run(const NodeLabelCommand& command);
Outcome run(const BackupCommand& command);
Outcome run(const RestoreCommand& command);
Outcome run(const CloudCommand& command);
Outcome run(const EdgeCommand& command);
Outcome run(const ValidateCommand& command);
Outcome run(const StatusCommand& command);
Outcome run(const GetCommand& command);
Outcome run(const DoctorCommand& command);
Outcome run(const VersionCommand& command);

}  // namespace fairlead::cli
