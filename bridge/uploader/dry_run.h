// `flarebridge sync --dry-run`: what would be uploaded and where to, and what would not and why.
// Reads the logs, asks no server. Used by `sync`.
#pragma once

#include "bridge/commands/upload_commands.h"
#include "bridge/uploader/found_runs.h"
#include "receivers/wandb/upload/upload_choices.h"

namespace flarebridge {

// Gives the exit status.
int DryRun(const FoundRuns& found, const wandb::UploadChoices& choices);

}  // namespace flarebridge
