#include "receivers/wandb/upload/run_fields.h"

#include <nlohmann/json.hpp>
#include <optional>

#include "receivers/files/stable_hash.h"

namespace flarebridge::wandb {
namespace {

constexpr const char* kConfig = "config";
constexpr const char* kTags = "tags";

struct Field {
  const char* name;
  std::string RunRecord::*from;
  std::optional<std::string> RunFields::*to;
};
constexpr Field kTexts[] = {{"group", &RunRecord::group, &RunFields::group},
                            {"job_type", &RunRecord::job_type, &RunFields::job_type},
                            {"display_name", &RunRecord::display_name, &RunFields::display_name},
                            {"notes", &RunRecord::notes, &RunFields::notes},
                            {"host", &RunRecord::host, &RunFields::host},
                            {"program", &RunRecord::program, &RunFields::program},
                            {"repo", &RunRecord::repo, &RunFields::repo},
                            {"commit", &RunRecord::commit, &RunFields::commit},
                            {"sweep", &RunRecord::sweep, &RunFields::sweep}};

}  // namespace

SentFields FieldsOf(const RunRecord& run, const std::string& config) {
  SentFields fields;
  for (const Field& field : kTexts) {
    if (!(run.*field.from).empty()) fields[field.name] = run.*field.from;
  }
  if (!run.tags.empty()) {
    fields[kTags] =
        nlohmann::json(run.tags).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  }
  fields[kConfig] = std::to_string(StableHash(config));
  return fields;
}

RunFields ChangedFields(const RunRecord& run, const std::string& config, const SentFields& sent) {
  const SentFields now = FieldsOf(run, config);
  const auto changed = [&](const char* name) {
    const auto is = now.find(name), was = sent.find(name);
    return is != now.end() && (was == sent.end() || was->second != is->second);
  };
  RunFields fields;
  for (const Field& field : kTexts) {
    if (changed(field.name)) fields.*field.to = run.*field.from;
  }
  if (changed(kTags)) fields.tags = run.tags;
  if (changed(kConfig)) fields.config = config;
  return fields;
}

bool HasTags(const SentFields& sent) { return sent.contains(kTags); }

SentFields OfOthers(SentFields fields) {
  for (const char* of_this_part : {kConfig, "host", "program", "repo", "commit", "sweep"})
    fields.erase(of_this_part);
  return fields;
}

}  // namespace flarebridge::wandb
