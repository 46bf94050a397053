// The command `flarebridge`: reads arguments, environment and configuration file, checks them once,
// and starts what they name. README.md is its manual page.
#pragma once

namespace flarebridge {

// Gives the process's exit status (exit_code.h).
int RunCommandLine(int argc, char** argv);

}  // namespace flarebridge
