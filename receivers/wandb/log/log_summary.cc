#include "receivers/wandb/log/log_summary.h"

#include <system_error>
#include <utility>

#include "receivers/files/find_files.h"
#include "receivers/files/open_file.h"
#include "receivers/files/system_error.h"
#include "receivers/latest_values.h"
#include "receivers/wandb/log/record_stream.h"

namespace flarebridge::wandb {
namespace {

namespace fs = std::filesystem;

// Gives how many of a record's values are not kept.
uint64_t Update(const ParsedRecord& record, LatestValues& latest) {
  uint64_t left_out = 0;
  for (const ParsedRecord::ParsedItem& item : record.items) {
    if (!item.key.starts_with('_') && !latest.Set(item.key, std::string(item.json))) ++left_out;
  }
  for (const ParsedRecord::ParsedItem& item : record.removed) latest.Remove(item.key);
  return left_out;
}

class Summing {
 public:
  Summing(const RowVisitor& visit, LogSummary& log, OtherVisitor visit_other = {})
      : visit_(visit),
        visit_other_(std::move(visit_other)),
        log_(log),
        config_(log.config),
        summary_(log.summary) {}
  void Take(const ParsedRecord& record);

 private:
  const RowVisitor& visit_;
  OtherVisitor visit_other_;
  LogSummary& log_;
  LatestValues config_;
  LatestValues summary_;
};

void Summing::Take(const ParsedRecord& record) {
  using Kind = ParsedRecord::Kind;
  log_.left_out += record.left_out;
  switch (record.kind) {
    case Kind::kRun:
      log_.run = record.run;
      log_.left_out += Update(record, config_);
      break;
    case Kind::kConfig:
      log_.left_out += Update(record, config_);
      break;
    case Kind::kSummary:
      log_.left_out += Update(record, summary_);
      break;
    case Kind::kHistory:
      ++log_.rows;
      if (visit_) visit_(record.items);
      break;
    case Kind::kExit:
      log_.exit_code = record.exit_code;
      log_.state =
          record.exit_code == 0 ? LogSummary::State::kFinished : LogSummary::State::kFailed;
      break;
    case Kind::kOutput:
    case Kind::kFiles:
      if (visit_other_) visit_other_(record);
      break;
    default:
      break;
  }
}

Expected<LogSummary> ReadOpenLog(int fd, const RowVisitor& visit, const OtherVisitor& visit_other) {
  LogSummary log;
  Summing summing(visit, log, visit_other);
  const Expected<LogEnd> end =
      ReadRecords(fd, OnDamage::kSkip,
                  [&](const ParsedRecord& record, uint64_t /*start*/) { summing.Take(record); });
  if (!end) return Propagate(end);
  log.torn = end->torn;
  log.bad_bytes = end->bad_bytes;
  return log;
}

}  // namespace

Expected<LogSummary> ReadLog(const fs::path& log, const RowVisitor& visit,
                             const OtherVisitor& visit_other) {
  const Expected<UniqueFd> file = OpenToRead(log);
  if (!file) return FailIo(log.string(), file);
  Expected<LogSummary> summary = ReadOpenLog(file->get(), visit, visit_other);
  if (!summary) return Fail(summary.error().code, log.string() + ": " + summary.error().message);
  return summary;
}

bool IsLog(const fs::path& path) {
  const std::string name = path.filename().string();
  return name.starts_with("run-") && name.ends_with(".wandb");
}

Expected<std::vector<fs::path>> FindLogs(const fs::path& path) { return FindFiles(path, IsLog); }

}  // namespace flarebridge::wandb
