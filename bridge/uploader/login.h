// `flarebridge login`: asks for an API key, has the server check it, and writes it to where W&B's
// client has it. Used by the uploader's command line.
#pragma once

#include "bridge/commands/upload_commands.h"

namespace flarebridge {

// Gives the exit status.
int Login(const LoginArguments& arguments);

}  // namespace flarebridge
