// What a run log says of its run, as far as an upload needs it at once: everything but the lines of
// its streams, which are sent piece by piece. Memory depends on the number of keys and files, not
// of rows. One thread.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "receivers/wandb/log/record_reader.h"
#include "receivers/wandb/upload/alert.h"
#include "receivers/wandb/upload/json_object.h"
#include "receivers/wandb/upload/metric_definitions.h"
#include "receivers/wandb/upload/telemetry.h"
#include "receivers/wandb/upload/upload_config.h"

namespace flarebridge::wandb {

class RunView {
 public:
  void Take(const ParsedRecord& record);

  // The newest of each field; without config.
  const RunRecord& run() const { return run_; }
  const JsonObject& summary() const { return summary_; }
  // Below files/, as the log names them, each once.
  const std::vector<std::string>& files() const { return files_; }
  uint64_t history_lines() const { return history_lines_; }
  uint64_t output_lines() const { return output_lines_; }
  bool ended() const { return ended_; }
  int32_t exit_code() const { return exit_code_; }
  // In the log's order.
  const std::vector<Alert>& alerts() const { return alerts_; }
  // Kinds of what the user has logged and no upload takes, and how many of each.
  const std::map<std::string, uint64_t>& left_out() const { return left_out_; }

  // It was told that it is about to be taken from its machine.
  bool preempting() const { return preempting_; }

  // Rise with each change of what UpsertConfig() and run(), and summary(), give.
  uint64_t run_version() const { return run_version_; }
  uint64_t summary_version() const { return summary_version_; }

  // The config as W&B's API wants it: {"key": {"value": ...}}, strict JSON. `earlier`: the same of
  // the run's earlier parts, or empty (upload_config.h).
  std::string UploadConfig(std::string_view earlier = {}) const;
  // The files that W&B's pages look for and that a log has instead of: config.yaml,
  // wandb-summary.json and wandb-metadata.json.
  std::map<std::string, std::string> MadeFiles(std::string_view earlier = {}) const;

 private:
  void TakeRun(const ParsedRecord& record);
  void TakeEnvironment(std::string_view record);
  void TakeFiles(const ParsedRecord& record);
  void TakeHistory(const ParsedRecord& record);
  void TakeOther(const ParsedRecord& record);
  void TakeAlert(std::string_view record);
  ConfigSources Sources() const {
    return {config_, telemetry_, metrics_, environment_, run_.run_id};
  }

  RunRecord run_;
  JsonObject config_, summary_;
  MetricDefinitions metrics_;
  Telemetry telemetry_;
  std::string environment_;  // EnvironmentRecords one behind the other: their merger
  std::vector<Alert> alerts_;
  std::vector<std::string> files_;
  std::set<std::string, std::less<>> known_files_;
  uint64_t history_lines_ = 0, output_lines_ = 0;
  uint64_t run_version_ = 0, summary_version_ = 0;
  bool ended_ = false, preempting_ = false;
  int32_t exit_code_ = 0;
  std::map<std::string, uint64_t> left_out_;
};

}  // namespace flarebridge::wandb
