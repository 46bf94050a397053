// `flarebridge clean`: removes run folders that are wholly on a server, after asking. Used by the
// uploader's command line.
#pragma once

#include "bridge/commands/upload_commands.h"

namespace flarebridge {

// Gives the exit status.
int Clean(const CleanArguments& arguments);

}  // namespace flarebridge
