// exit_status.h: what a command's exit status means. `fairlead help exit-codes` prints the same.
#pragma once
#include "base/error.h"

namespace fairlead::cli {

enum class ExitStatus : int {
  ok = 0,
  failed = 1,       // what was asked could not be done, or what was checked is wrong
  usage = 2,        // a wrong command line, or a folder or configuration that cannot be run with
  not_running = 3,  // nothing answers in the folder
};

inline constexpr char kExitStatusHelp[] =
    "Exit status:\n"
    "  0  done; for `cloud` and `edge`: ended as asked, after draining\n"
    "  1  failed: what was asked could not be done, or what was checked is wrong; for `doctor`: a finding is a problem (warnings and\n"
    "     what is unknown leave it 0)\n"
    "  2  wrong command line, configuration or folder; nothing was started or changed\n"
    "  3  nothing runs on the folder that was asked about\n"
    "A process that a signal ended at once has 128 + the signal's number, as ever.\n";

}  // namespace fairlead::cli
