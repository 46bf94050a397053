#include "receivers/wandb/log/log_summary.h"

#include <algorithm>
#include <system_error>

#include "receivers/files/find_files.h"
#include "receivers/files/open_file.h"
#include "receivers/files/system_error.h"
#include "receivers/wandb/log/log_follower.h"
#include "receivers/wandb/log/record_stream.h"

namespace flarebridge::wandb {
namespace {

namespace fs = std::filesystem;

// The latest values of keys, as many as are kept.
class Latest {
 public:
  explicit Latest(std::map<std::string, std::string>& values) : values_(values) {}

  // Gives how many values it did not keep.
  uint64_t Update(const ParsedRecord& record) {
    uint64_t left_out = 0;
    for (const ParsedRecord::ParsedItem& item : record.items) {
      if (item.key.starts_with('_')) continue;
      Erase(item.key);
      const size_t bytes = item.key.size() + item.json.size();
      if (values_.size() >= kMaxKeys || bytes_ + bytes > kMaxKeyBytes) {
        ++left_out;
        continue;
      }
      bytes_ += bytes;
      values_.emplace(item.key, item.json);
    }
    for (const ParsedRecord::ParsedItem& item : record.removed) Erase(item.key);
    return left_out;
  }

 private:
  void Erase(const std::string& key) {
    const auto found = values_.find(key);
    if (found == values_.end()) return;
    bytes_ -= found->first.size() + found->second.size();
    values_.erase(found);
  }

  std::map<std::string, std::string>& values_;
  size_t bytes_ = 0;
};

class Summing {
 public:
  Summing(const RowVisitor& visit, LogSummary& log)
      : visit_(visit), log_(log), config_(log.config), summary_(log.summary) {}
  void Take(const ParsedRecord& record);

 private:
  const RowVisitor& visit_;
  LogSummary& log_;
  Latest config_;
  Latest summary_;
};

void Summing::Take(const ParsedRecord& record) {
  using Kind = ParsedRecord::Kind;
  log_.left_out += record.left_out;
  log_.ours = log_.ours || record.mark.has_value();
  switch (record.kind) {
    case Kind::kRun:
      log_.run = record.run;
      log_.left_out += config_.Update(record);
      break;
    case Kind::kConfig:
      log_.left_out += config_.Update(record);
      break;
    case Kind::kSummary:
      log_.left_out += summary_.Update(record);
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
    default:
      break;
  }
}

Expected<LogSummary> ReadOpenLog(int fd, const RowVisitor& visit) {
  LogSummary log;
  Summing summing(visit, log);
  const Expected<LogEnd> end =
      ReadRecords(fd, OnDamage::kSkip,
                  [&](const ParsedRecord& record, uint64_t /*start*/) { summing.Take(record); });
  if (!end) return Propagate(end);
  log.torn = end->torn;
  log.bad_bytes = end->bad_bytes;
  return log;
}

}  // namespace

Expected<LogSummary> ReadLog(const fs::path& log, const RowVisitor& visit) {
  const Expected<UniqueFd> file = OpenToRead(log);
  if (!file) return FailIo(log.string(), file);
  Expected<LogSummary> summary = ReadOpenLog(file->get(), visit);
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
