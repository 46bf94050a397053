#include "receivers/wandb/run/run_identity.h"

#include <algorithm>

#include "receivers/json.h"
#include "receivers/run_id.h"

namespace flarebridge::wandb {
namespace {

// The user's config, and behind it what says whose run this is: its keys are not the user's.
void AddConfig(const RunSpec& spec, const WandbArguments& arguments, RunRecord& run) {
  for (const auto& [key, json] : arguments.config()) {
    if (key != "job_id" && key != "client" && key != "run_name") run.config.emplace_back(key, json);
  }
  run.config.emplace_back("job_id", ToJson(std::string_view(spec.job)));
  run.config.emplace_back("client", ToJson(std::string_view(spec.site)));
  run.config.emplace_back("run_name", ToJson(std::string_view(spec.run_name)));
}

}  // namespace

RunRecord IdentifyRun(const RunSpec& spec, const WandbArguments& arguments) {
  RunRecord run;
  if (arguments.standalone()) {
    run.run_id = arguments.id();
    run.display_name = arguments.name();
    run.group = arguments.group();
    run.config = arguments.config();
  } else {
    run.run_id = RunId(spec, arguments.id());
    run.display_name = spec.site + "-" + spec.job + "-" + spec.run_name;
    run.group = spec.run_name + "-" + spec.job;
    run.side = spec.side == "client" ? RunRecord::Side::kClient : RunRecord::Side::kServer;
    AddConfig(spec, arguments, run);
  }
  run.project = arguments.project();
  run.entity = arguments.entity();
  run.job_type = arguments.job_type();
  run.notes = arguments.notes();
  run.tags = arguments.tags();
  run.start_time = std::min(spec.started, kMaxTime);
  return run;
}

}  // namespace flarebridge::wandb
