// Where a run lives on disk: the folder that W&B's tools expect, found again or made.
// Layout and names: wandb/sdk/wandb_settings.py (sync_dir, timespec) and wandb_init.py at 0.28.3.
// One thread per run; several processes may make runs in one folder at once.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "events/error.h"

namespace flarebridge::wandb {

// "<time>-<id>" of a run folder's name, which sorts by time among those of one run; empty if it is
// none.
std::string TimeAndId(const std::string& folder_name);

// `<root>/wandb`, or `<root>/.wandb` if that is there already.
std::filesystem::path WandbFolder(const std::filesystem::path& root);

// All `offline-run-*-<id>` and `run-*-<id>` in the W&B folder whose log is there, newest first.
std::vector<std::filesystem::path> FindRunFolders(const std::filesystem::path& wandb_folder,
                                                  const std::string& id);

// Makes `offline-run-<YYYYMMDD_HHMMSS>-<id>`, or `run-...` if it is uploaded as it grows, with
// files/ and logs/, from the local time of `started` (seconds since the epoch) or a second later
// for each that exists, and points `latest-run` to it. The id must be a run id of ours: nothing
// else of outside reaches a path. Errors: kIo.
Expected<std::filesystem::path> MakeRunFolder(const std::filesystem::path& wandb_folder,
                                              const std::string& id, double started, bool online);

// `<run folder>/run-<id>.wandb`.
std::filesystem::path LogPath(const std::filesystem::path& run_folder, const std::string& id);

// W&B's mark beside a log that is on the server, `<log>.synced`; and whether it is there.
std::filesystem::path UploadedMark(const std::filesystem::path& log);
bool IsUploaded(const std::filesystem::path& log);

}  // namespace flarebridge::wandb
