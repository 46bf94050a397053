// What a user chooses for uploads in place of what the logs say: where runs go, what they are
// called there. Pure. Used by `sync`, its dry run and RunUpload; any thread.
#pragma once

#include <map>
#include <string>

#include "events/error.h"
#include "receivers/wandb/log/records.h"

namespace flarebridge::wandb {

struct UploadChoices {
  // In place of the run's own, if not empty.
  std::string entity, project, run_id, job_type;
  std::map<std::string, std::string> tags;  // old -> new; "" takes a tag away
};

// "old=new,other=better", as `wandb sync --replace-tags` takes it. Errors: kConfig.
Expected<std::map<std::string, std::string>> ParseTags(const std::string& text);

// The run as it is sent. `entity`, `project`: of runs that name none.
RunRecord Chosen(RunRecord run, const UploadChoices& choices, const std::string& entity,
                 const std::string& project);

}  // namespace flarebridge::wandb
