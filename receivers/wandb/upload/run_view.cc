#include "receivers/wandb/upload/run_view.h"

#include <algorithm>

#include "receivers/json.h"
#include "receivers/wandb/upload/metadata.h"
#include "receivers/wandb/upload/strict_json.h"

namespace flarebridge::wandb {
namespace {

// Fields of Record whose content is of use here (wandb_internal.proto).
constexpr uint32_t kMetric = 12, kEnvironment = 26;

// What holds something of the user's and is not uploaded.
std::string LeftOutName(uint32_t field) {
  switch (field) {
    case 8:
    case 25:
      return "artifacts";
    case 9:
      return "TensorBoard folders";
    case 10:
      return "alerts";
    default:
      return "";
  }
}

void SetAll(const ParsedRecord& record, JsonObject& object) {
  for (const ParsedRecord::ParsedItem& item : record.items) {
    if (!item.path.empty()) object.Set(item.path, item.json);
  }
  for (const ParsedRecord::ParsedItem& item : record.removed) {
    if (!item.path.empty()) object.Remove(item.path);
  }
}

}  // namespace

void RunView::Take(const ParsedRecord& record) {
  if (record.left_out > 0) left_out_["values of records of over a million"] += record.left_out;
  switch (record.kind) {
    case ParsedRecord::Kind::kRun:
      TakeRun(record);
      [[fallthrough]];
    case ParsedRecord::Kind::kConfig:
      SetAll(record, config_);
      ++run_version_;
      break;
    case ParsedRecord::Kind::kHistory:
      ++history_lines_;  // its values are in the summary record before it
      break;
    case ParsedRecord::Kind::kSummary:
      SetAll(record, summary_);
      ++summary_version_;
      break;
    case ParsedRecord::Kind::kOutput:
      ++output_lines_;
      break;
    case ParsedRecord::Kind::kFiles:
      TakeFiles(record);
      break;
    case ParsedRecord::Kind::kExit:
      ended_ = true;
      exit_code_ = record.exit_code;
      break;
    case ParsedRecord::Kind::kOther:
      if (record.field == kMetric) {
        metrics_.Take(record.content);
        ++run_version_;
      } else if (record.field == kEnvironment) {
        TakeEnvironment(record.content);
      } else if (const std::string name = LeftOutName(record.field); !name.empty()) {
        ++left_out_[name];
      }
      break;
    default:
      break;
  }
}

void RunView::TakeRun(const ParsedRecord& record) {
  const RunRecord& newer = record.run;
  for (const auto field :
       {&RunRecord::run_id, &RunRecord::entity, &RunRecord::project, &RunRecord::group,
        &RunRecord::job_type, &RunRecord::display_name, &RunRecord::notes, &RunRecord::host}) {
    if (!(newer.*field).empty()) run_.*field = newer.*field;
  }
  if (!newer.tags.empty()) run_.tags = newer.tags;
  // The first one counts: times in lines that were sent must not change.
  if (run_.start_time == 0) run_.start_time = newer.start_time;
}

void RunView::TakeEnvironment(std::string_view record) {
  // The SDK tells what it knows in several records. Protobuf merges messages that stand one behind
  // the other.
  constexpr size_t kMost = size_t{1} << 20;
  if (environment_.size() + record.size() <= kMost) environment_ += record;
}

void RunView::TakeFiles(const ParsedRecord& record) {
  for (const std::string_view path : record.files) {
    if (known_files_.emplace(path).second) files_.emplace_back(path);
  }
}

std::string RunView::UploadConfig() const {
  std::string text = "{";
  for (const auto& [key, json] : config_.Members()) {
    if (key == "_wandb") continue;
    AppendJson(std::string_view(key), text);
    text += R"(:{"value":)" + StrictJson(json) + "},";
  }
  // A run is only resumable if its config has telemetry (core/internal/runbranch/resume.go).
  text += R"("_wandb":{"value":{"cli_version":"flarebridge )" + std::string(FLAREBRIDGE_VERSION) +
          R"(","t":{})";
  if (!metrics_.empty()) text += R"(,"m":)" + metrics_.Json();
  return text + "}}}";
}

std::map<std::string, std::string> RunView::MadeFiles() const {
  std::map<std::string, std::string> files;
  files["wandb-summary.json"] = summary_.Text();
  if (!environment_.empty()) files["wandb-metadata.json"] = MetadataJson(environment_);
  // JSON values are YAML, too.
  std::string& config = files["config.yaml"];
  for (const auto& [key, json] : config_.Members()) {
    if (key == "_wandb") continue;
    AppendJson(std::string_view(key), config);
    config += ":\n  value: " + json + "\n";
  }
  return files;
}

}  // namespace flarebridge::wandb
