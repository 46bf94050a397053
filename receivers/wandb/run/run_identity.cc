#include "receivers/wandb/run/run_identity.h"

#include <algorithm>

#include "receivers/files/stable_hash.h"
#include "receivers/json.h"
#include "receivers/wandb/log/utf8_cut.h"

namespace flarebridge::wandb {
namespace {

// W&B's limits, in characters (wandb/sdk/wandb_settings.py at 0.28.3).
constexpr size_t kMaxProjectCharacters = 128;
constexpr size_t kMaxTagCharacters = 64;
constexpr std::string_view kForbiddenInProject = "/\\#?%:";
constexpr std::string_view kDefaultProject = "uncategorized";

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

// Reads an optional text argument; the first wrong one is kept in `wrong`.
std::string TextArgument(const Value& arguments, std::string_view name,
                         std::optional<Error>& wrong) {
  const Value value = arguments.Find(name).value_or(Value());
  if (!value.IsNull() && !value.AsText() && !wrong) {
    wrong = Error{ErrorCode::kConfig, "wandb argument " + std::string(name) + " must be a text"};
  }
  return std::string(value.AsText().value_or(""));
}

void AddTags(const Value& tags, RunRecord& run, std::optional<Error>& wrong) {
  if (const auto one = tags.AsText()) {
    if (!one->empty()) run.tags.emplace_back(FitTag(*one));
    return;
  }
  bool valid = tags.IsNull() || tags.kind() == ValueKind::kList;
  tags.ForEachItem([&](Value tag) {
    const auto text = tag.AsText();
    valid = valid && text && !text->empty();
    if (text && !text->empty()) run.tags.emplace_back(FitTag(*text));
  });
  if (!valid && !wrong)
    wrong = Error{ErrorCode::kConfig, "wandb argument tags must be a list of texts"};
}

void AddConfig(const RunSpec& spec, const Value& config, RunRecord& run,
               std::optional<Error>& wrong) {
  if (!config.IsNull() && config.kind() != ValueKind::kMap && !wrong) {
    wrong = Error{ErrorCode::kConfig, "wandb argument config must be a dict"};
  }
  config.ForEachPair([&](std::string_view key, Value value) {
    if (key != "job_id" && key != "client" && key != "run_name")
      run.config.emplace_back(key, ToJson(value));
  });
  run.config.emplace_back("job_id", ToJson(std::string_view(spec.job)));
  run.config.emplace_back("client", ToJson(std::string_view(spec.site)));
  run.config.emplace_back("run_name", ToJson(std::string_view(spec.run_name)));
}

}  // namespace

Expected<RunRecord> IdentifyRun(const RunSpec& spec, const Value& arguments) {
  std::optional<Error> wrong;
  RunRecord run;
  run.run_id = MakeId(spec, TextArgument(arguments, "id", wrong));
  run.display_name = spec.site + "-" + spec.job + "-" + spec.run_name;
  run.group = spec.run_name + "-" + spec.job;
  run.project = TextArgument(arguments, "project", wrong);
  if (run.project.empty()) run.project = kDefaultProject;
  if (FirstCharacters(run.project, kMaxProjectCharacters) != run.project ||
      run.project.find_first_of(kForbiddenInProject) != std::string::npos) {
    return Fail(ErrorCode::kConfig, "W&B refuses the project name \"" + run.project +
                                        "\": it may have 128 characters and none of / \\ # ? % :");
  }
  run.entity = TextArgument(arguments, "entity", wrong);
  run.job_type = TextArgument(arguments, "job_type", wrong);
  run.notes = TextArgument(arguments, "notes", wrong);
  run.start_time = std::min(spec.started, kMaxTime);
  AddTags(arguments.Find("tags").value_or(Value()), run, wrong);
  AddConfig(spec, arguments.Find("config").value_or(Value()), run, wrong);
  if (wrong) return tl::unexpected<Error>(*wrong);
  return run;
}

std::string_view FitTag(std::string_view text) { return FirstCharacters(text, kMaxTagCharacters); }

}  // namespace flarebridge::wandb
