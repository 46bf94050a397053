// W&B as a kind of upload: a pool of run uploads to the server that the environment names. Used by
// the program that uploads, for its queue and for `sync`. Any thread.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "events/error.h"
#include "receivers/upload/upload_pool.h"
#include "receivers/wandb/upload/account.h"

namespace flarebridge::wandb {

// What a user chooses for all uploads.
struct UploadChoices {
  std::string entity, project;  // in place of what the logs say, if not empty
  bool include_online = false;  // also logs that W&B's own client uploads
  bool follow_links = false;    // of the user's own out of a run's folder
  bool written_here = false;    // all of them by processes of this machine
  // Logs that may be parts of one run, wherever they lie; and those among them that will be added
  // to the pool and not be followed: their later parts wait, also if these are added first.
  std::vector<std::filesystem::path> known, to_upload;
};

// `threads`: requests at once. Errors: kIo (libcurl can't be set up).
Expected<std::unique_ptr<UploadPool>> StartUploads(const Account& account,
                                                   const UploadChoices& choices, size_t threads,
                                                   UploadPool::Callbacks callbacks);

}  // namespace flarebridge::wandb
