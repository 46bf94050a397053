#include "receivers/wandb/log/log_summary.h"

#include <system_error>
#include <utility>

#include "receivers/files/find_files.h"
#include "receivers/files/open_file.h"
#include "receivers/files/system_error.h"
#include "receivers/latest_values.h"
#include "receivers/wandb/log/log_follower.h"
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
  log_.ours = log_.ours || record.mark.has_value();
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

// Of a file that may grow, all that belongs together.
struct GrowingLog::Parts {
  explicit Parts(const fs::path& file) : path(file), follower(file, OnDamage::kSkip) {}

  const fs::path path;
  LogFollower follower;
  uint64_t size_read = 0;  // of the file, when it was read last
  LogSummary log;
  RowVisitor visit;
  Summing summing{visit, log};
};

GrowingLog::GrowingLog(const fs::path& log) : parts_(std::make_unique<Parts>(log)) {}
GrowingLog::~GrowingLog() = default;

Expected<const LogSummary*> GrowingLog::Read(const RowVisitor& visit) {
  Parts& parts = *parts_;
  const uint64_t size = parts.follower.Position().second;
  if (size > 0 && size == parts.size_read) return nullptr;
  parts.visit = visit;
  const Expected<LogFollower::End> end = parts.follower.Read([&](const ParsedRecord& record) {
    parts.summing.Take(record);
    return true;
  });
  parts.visit = {};
  if (!end) {
    // What it says of opening names the log already.
    const bool named = end.error().message.starts_with(parts.path.string());
    return named ? Propagate(end) : FailIo(parts.path.string(), end);
  }
  const auto [read, all] = parts.follower.Position();
  parts.size_read = size;  // of before: what came meanwhile is looked at again
  parts.log.torn = *end == LogFollower::End::kTorn;
  parts.log.bad_bytes = parts.follower.bad_bytes();
  // Nothing behind this was read.
  if (*end == LogFollower::End::kCorrupt && all > read) parts.log.bad_bytes += all - read;
  return &parts.log;
}

bool GrowingLog::IsPast() const {
  return parts_->follower.IsShorterThanRead() || parts_->follower.IsReplaced();
}

bool IsLog(const fs::path& path) {
  const std::string name = path.filename().string();
  return name.starts_with("run-") && name.ends_with(".wandb");
}

Expected<std::vector<fs::path>> FindLogs(const fs::path& path) { return FindFiles(path, IsLog); }

}  // namespace flarebridge::wandb
