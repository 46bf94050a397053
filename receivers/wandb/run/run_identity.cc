#include "receivers/wandb/run/run_identity.h"

#include <algorithm>

#include "receivers/files/stable_hash.h"
#include "receivers/json.h"

namespace flarebridge::wandb {
namespace {

std::string MakeId(const RunSpec& spec, std::string_view user_id) {
  // Names hold no zero byte, so that joined names can't be taken for others.
  std::string joined;
  for (const std::string_view part :
       {std::string_view(spec.job), std::string_view(spec.site), std::string_view(spec.run_name),
        std::string_view(spec.side == "client" ? "client" : ""), user_id}) {
    joined += part;
    joined.push_back('\0');
  }
  if (!spec.owner.empty()) joined += spec.owner;
  static constexpr std::string_view kAlphabet = "abcdefghijklmnopqrstuvwxyz0123456789";
  std::string id;
  for (const uint8_t byte : StableHashBytes(joined))
    id.push_back(kAlphabet[byte % kAlphabet.size()]);
  return id;
}

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
  run.run_id = MakeId(spec, arguments.id());
  run.display_name = spec.site + "-" + spec.job + "-" + spec.run_name;
  run.group = spec.run_name + "-" + spec.job;
  run.project = arguments.project();
  run.entity = arguments.entity();
  run.job_type = arguments.job_type();
  run.notes = arguments.notes();
  run.tags = arguments.tags();
  run.start_time = std::min(spec.started, kMaxTime);
  AddConfig(spec, arguments, run);
  return run;
}

}  // namespace flarebridge::wandb
