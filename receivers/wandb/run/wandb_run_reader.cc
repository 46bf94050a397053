#include "receivers/wandb/run/wandb_run_reader.h"

#include <utility>

#include "receivers/files/file_lock.h"
#include "receivers/files/keep_and_cut.h"
#include "receivers/files/open_below.h"
#include "receivers/files/open_file.h"
#include "receivers/wandb/log/log_repair.h"
#include "receivers/wandb/log/log_summary.h"
#include "receivers/wandb/log/record_stream.h"
#include "receivers/wandb/log/run_folder.h"

namespace flarebridge {
namespace {

namespace fs = std::filesystem;

RunSummary::State StateOf(wandb::LogSummary::State state) {
  switch (state) {
    case wandb::LogSummary::State::kFinished:
      return RunSummary::State::kFinished;
    case wandb::LogSummary::State::kFailed:
      return RunSummary::State::kFailed;
    default:
      return RunSummary::State::kRunning;
  }
}

// The text of a JSON string without escapes, as a site's name is; else nothing.
std::string TextOf(const std::string& json) {
  if (json.size() < 2 || json.front() != '"' || json.find('\\') != std::string::npos) return "";
  return json.substr(1, json.size() - 2);
}

RunSummary::Written WrittenOf(const wandb::LogSummary& log) {
  switch (log.run.side) {
    case wandb::RunRecord::Side::kServer:
      return RunSummary::Written::kServer;
    case wandb::RunRecord::Side::kClient:
      return RunSummary::Written::kSite;
    default:
      // Earlier versions of flarebridge wrote no side, but marks.
      return log.ours || log.run.run_id.empty() ? RunSummary::Written::kUnknown
                                                : RunSummary::Written::kOther;
  }
}

RunSummary ForPeople(wandb::LogSummary log) {
  RunSummary run;
  run.written = WrittenOf(log);
  run.id = std::move(log.run.run_id);
  run.name = std::move(log.run.display_name);
  run.project = std::move(log.run.project);
  run.entity = std::move(log.run.entity);
  run.group = std::move(log.run.group);
  run.job_type = std::move(log.run.job_type);
  run.notes = std::move(log.run.notes);
  run.tags = std::move(log.run.tags);
  run.started = log.run.start_time;
  // As IdentifyRun() has it.
  if (const auto client = log.config.find("client"); client != log.config.end())
    run.site = TextOf(client->second);
  run.config = std::move(log.config);
  run.summary = std::move(log.summary);
  run.left_out = log.left_out;
  run.rows = log.rows;
  run.state = StateOf(log.state);
  run.exit_code = log.exit_code;
  run.bad_bytes = log.bad_bytes;
  return run;
}

// Gives each row's items to a visitor of rows.
wandb::RowVisitor ItemsTo(const RowVisitor& visit) {
  if (!visit) return {};
  return [&visit, row = Row()](const std::vector<wandb::ParsedRecord::ParsedItem>& items) mutable {
    row.clear();
    for (const auto& item : items) row.push_back({item.key, item.json});
    visit(row);
  };
}

class Follower : public RunFollower {
 public:
  explicit Follower(const fs::path& log) : path_(log), log_(log) {}

  Expected<const RunSummary*> Read(const RowVisitor& visit) override {
    const Expected<const wandb::LogSummary*> summary = log_.Read(ItemsTo(visit));
    if (!summary) return Propagate(summary);
    if (*summary != nullptr) run_ = ForPeople(**summary);
    run_.uploaded = wandb::IsUploaded(path_);
    return &run_;
  }

  bool IsPast() const override { return log_.IsPast(); }

 private:
  fs::path path_;
  wandb::GrowingLog log_;
  RunSummary run_;
};

class Reader : public RunReader {
 public:
  bool IsLog(const fs::path& file) const override { return wandb::IsLog(file); }

  std::string IdOf(const fs::path& log) const override {
    const std::string stem = log.stem().string();
    return wandb::IsLog(log) ? stem.substr(stem.find('-') + 1) : "";
  }

  using RunReader::Read;
  Expected<RunSummary> Read(const fs::path& log, const RunVisitor& visit) const override {
    Expected<wandb::LogSummary> summary =
        wandb::ReadLog(log, ItemsTo(visit.row), [&](const wandb::ParsedRecord& record) {
          if (visit.console && record.kind == wandb::ParsedRecord::Kind::kOutput)
            visit.console(record.line);
          for (const std::string_view file : record.files) {
            if (visit.file) visit.file(file, file);
          }
        });
    if (!summary) return Propagate(std::move(summary));
    RunSummary run = ForPeople(std::move(*summary));
    run.uploaded = wandb::IsUploaded(log);
    return run;
  }

  Expected<std::string> ReadFile(const fs::path& log, std::string_view place,
                                 size_t most) const override {
    // Others may have made the folder, and written the place.
    const Expected<UniqueFd> file =
        OpenBelow(log.parent_path() / "files", fs::path(place), Links::kRefuse);
    if (!file) return Propagate(file);
    return ReadWhole(file->get(), most);
  }

  std::unique_ptr<RunFollower> Follow(const fs::path& log) const override {
    return std::make_unique<Follower>(log);
  }

  Expected<LogCondition> Check(const fs::path& log) const override {
    const Expected<UniqueFd> file = OpenToRead(log);
    if (!file) return Propagate(file);
    LogCondition condition;
    condition.written = !FileLock::Shared(log);  // nor can it be locked by us
    const Expected<wandb::LogEnd> end = wandb::ReadRecords(
        file->get(), wandb::OnDamage::kSkip, [&](const wandb::ParsedRecord& record, uint64_t) {
          ++condition.records;
          condition.rows += record.kind == wandb::ParsedRecord::Kind::kHistory ? 1 : 0;
          condition.ended = condition.ended || record.kind == wandb::ParsedRecord::Kind::kExit;
        });
    if (!end) return Propagate(end);
    if (end->torn) condition.damage = LogCondition::Damage::kCutOff;
    if (end->corrupt) condition.damage = LogCondition::Damage::kDamaged;
    condition.whole_end = end->whole_end;
    std::error_code ignored;
    condition.unreadable = end->bad_bytes;
    const uint64_t size = fs::file_size(log, ignored);
    if (end->torn && !ignored && size > end->read_end) condition.unreadable += size - end->read_end;
    return condition;
  }

  Expected<std::string> Repair(const fs::path& log, const LogCondition& condition) const override {
    if (condition.damage == LogCondition::Damage::kDamaged)
      return KeepAndReplace(log, wandb::CopyReadable);
    return KeepAndCut(log, condition.whole_end);
  }
};

}  // namespace

const RunReader& WandbRunReader() {
  static const Reader reader;
  return reader;
}

}  // namespace flarebridge
