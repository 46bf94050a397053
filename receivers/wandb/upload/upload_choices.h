// What a user chooses for all uploads: what stands in place of what the logs say, where runs go and
// what they are called there; what else is taken. Pure. Used by `sync`, its dry run and RunUpload;
// any thread.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "events/error.h"
#include "receivers/wandb/log/records.h"

namespace flarebridge::wandb {

struct UploadChoices {
  // In place of the run's own, if not empty.
  std::string entity, project, run_id, job_type;
  std::map<std::string, std::string> tags;  // old -> new; "" takes a tag away
  bool include_online = false;              // also logs that W&B's own client uploads
  bool follow_links = false;                // of the user's own out of a run's folder
  bool written_here = false;                // all logs by processes of this machine
  // For notes of uploads that can't be beside their logs (upload_notes.h); empty: there is none.
  std::filesystem::path notes{};
  // Logs that may be parts of one run, wherever they lie; and those among them that will be added
  // to the pool and not be followed: their later parts wait, also if these are added first.
  std::vector<std::filesystem::path> known{}, to_upload{};
};

// "old=new,other=better", as `wandb sync --replace-tags` takes it. Errors: kConfig.
Expected<std::map<std::string, std::string>> ParseTags(const std::string& text);

// The run as it is sent. `entity`, `project`: of runs that name none.
RunRecord Chosen(RunRecord run, const UploadChoices& choices, const std::string& entity,
                 const std::string& project);

}  // namespace flarebridge::wandb
