// `flarebridge sync`: uploads run folders to W&B, without Python and without the wandb program.
// Used by the uploader's command line.
#pragma once

#include "bridge/commands/upload_commands.h"

namespace flarebridge {

// Gives the exit status. SIGINT and SIGTERM end it; what the server has confirmed stays so.
int Sync(const SyncArguments& arguments);

}  // namespace flarebridge
