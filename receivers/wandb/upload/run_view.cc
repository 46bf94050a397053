#include "receivers/wandb/upload/run_view.h"

#include <algorithm>

#include "receivers/wandb/upload/metadata.h"

namespace flarebridge::wandb {
namespace {

// Fields of Record whose content is of use here (wandb_internal.proto).
constexpr uint32_t kAlert = 10, kTelemetry = 11, kMetric = 12, kPreempting = 23, kEnvironment = 26;

// What holds something of the user's and is not uploaded.
std::string LeftOutName(uint32_t field) {
  constexpr uint32_t kTensorBoard = 9;
  return field == kTensorBoard ? "TensorBoard folders" : "";
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
      TakeHistory(record);
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
      TakeOther(record);
      break;
    default:
      break;
  }
}

void RunView::TakeHistory(const ParsedRecord& record) {
  ++history_lines_;
  // Its values are in the summary record before it; only its step may be another one there.
  if (!run_.resumed) return;
  for (const ParsedRecord::ParsedItem& item : record.items) {
    if (item.key == "_step") summary_.Set(item.path, item.json);
  }
  ++summary_version_;
}

void RunView::TakeAlert(std::string_view record) {
  // More is no message to people, and a log must not fill the memory.
  constexpr size_t kMostAlerts = 1000, kMostBytes = size_t{64} << 10;
  const std::optional<Alert> alert = alerts_.size() < kMostAlerts && record.size() <= kMostBytes
                                         ? ParseAlert(record)
                                         : std::nullopt;
  if (alert) {
    alerts_.push_back(*alert);
  } else {
    ++left_out_["alerts that are too many or too large"];
  }
}

void RunView::TakeOther(const ParsedRecord& record) {
  switch (record.field) {
    case kAlert:
      TakeAlert(record.content);
      break;
    case kTelemetry:
      telemetry_.Take(record.content);
      ++run_version_;
      break;
    case kMetric:
      metrics_.Take(record.content);
      ++run_version_;
      break;
    case kEnvironment:
      TakeEnvironment(record.content);
      ++run_version_;
      break;
    case kPreempting:
      preempting_ = true;
      break;
    default:
      if (const std::string name = LeftOutName(record.field); !name.empty()) ++left_out_[name];
  }
}

void RunView::TakeRun(const ParsedRecord& record) {
  const RunRecord& newer = record.run;
  for (const auto field :
       {&RunRecord::run_id, &RunRecord::entity, &RunRecord::project, &RunRecord::group,
        &RunRecord::job_type, &RunRecord::display_name, &RunRecord::notes, &RunRecord::host,
        &RunRecord::sweep, &RunRecord::repo, &RunRecord::commit}) {
    if (!(newer.*field).empty()) run_.*field = newer.*field;
  }
  run_.resumed |= newer.resumed;
  telemetry_.Take(record.telemetry);
  if (!newer.tags.empty()) run_.tags = newer.tags;
  // The first one counts: times in lines that were sent must not change.
  if (run_.start_time == 0) run_.start_time = newer.start_time;
}

void RunView::TakeEnvironment(std::string_view record) {
  // The SDK tells what it knows in several records. Protobuf merges messages that stand one behind
  // the other.
  constexpr size_t kMost = size_t{1} << 20;
  if (environment_.size() + record.size() <= kMost) environment_ += record;
  run_.program = EnvironmentText(environment_, environment_field::kProgram);
}

void RunView::TakeFiles(const ParsedRecord& record) {
  for (const std::string_view path : record.files) {
    if (known_files_.emplace(path).second) files_.emplace_back(path);
  }
}

std::string RunView::UploadConfig(std::string_view earlier) const {
  return ConfigJson(UploadedConfig(Sources(), earlier));
}

std::map<std::string, std::string> RunView::MadeFiles(std::string_view earlier) const {
  std::map<std::string, std::string> files;
  files["wandb-summary.json"] = summary_.Text();
  if (!environment_.empty()) files["wandb-metadata.json"] = MetadataJson(environment_);
  files["config.yaml"] = ConfigYaml(UploadedConfig(Sources(), earlier));
  return files;
}

}  // namespace flarebridge::wandb
