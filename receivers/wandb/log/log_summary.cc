#include "receivers/wandb/log/log_summary.h"

#include <algorithm>
#include <system_error>

#include "receivers/files/open_file.h"
#include "receivers/files/system_error.h"
#include "receivers/wandb/log/record_stream.h"

namespace flarebridge::wandb {
namespace {

namespace fs = std::filesystem;

void Update(const ParsedRecord& record, std::map<std::string, std::string>& to) {
  for (const ParsedRecord::ParsedItem& item : record.items) {
    if (!item.key.starts_with('_')) to[item.key] = item.json;
  }
  for (const ParsedRecord::ParsedItem& item : record.removed) to.erase(item.key);
}

void Take(const ParsedRecord& record, const RowVisitor& visit, LogSummary& log) {
  using Kind = ParsedRecord::Kind;
  switch (record.kind) {
    case Kind::kRun:
      log.run = record.run;
      Update(record, log.config);
      break;
    case Kind::kConfig:
      Update(record, log.config);
      break;
    case Kind::kSummary:
      Update(record, log.summary);
      break;
    case Kind::kHistory:
      ++log.rows;
      if (visit) visit(record.items);
      break;
    case Kind::kExit:
      log.exit_code = record.exit_code;
      log.state = record.exit_code == 0 ? LogSummary::State::kFinished : LogSummary::State::kFailed;
      break;
    default:
      break;
  }
}

Expected<LogSummary> ReadOpenLog(int fd, const RowVisitor& visit) {
  LogSummary log;
  const Expected<LogEnd> end = ReadRecords(
      fd, [&](const ParsedRecord& record, uint64_t /*start*/) { Take(record, visit, log); });
  if (!end) return Propagate(end);
  log.torn = end->torn;
  log.corrupt = end->corrupt;
  return log;
}

bool IsLog(const fs::path& path) {
  const std::string name = path.filename().string();
  return name.starts_with("run-") && name.ends_with(".wandb");
}

}  // namespace

Expected<LogSummary> ReadLog(const fs::path& log, const RowVisitor& visit) {
  const Expected<UniqueFd> file = OpenToRead(log);
  if (!file) return FailIo(log.string(), file);
  Expected<LogSummary> summary = ReadOpenLog(file->get(), visit);
  if (!summary) return Fail(summary.error().code, log.string() + ": " + summary.error().message);
  return summary;
}

Expected<std::vector<fs::path>> FindLogs(const fs::path& path) {
  std::error_code failed;
  const fs::path start = fs::canonical(path, failed);  // `latest-run` is a link
  if (failed) return Fail(ErrorCode::kIo, path.string() + ": " + failed.message());
  if (fs::is_regular_file(start, failed)) return std::vector<fs::path>{start};
  std::vector<fs::path> logs;
  constexpr auto kSkip = fs::directory_options::skip_permission_denied;
  fs::recursive_directory_iterator entries(start, kSkip, failed);
  for (; !failed && entries != fs::recursive_directory_iterator(); entries.increment(failed)) {
    std::error_code ignored;
    if (entries->is_regular_file(ignored) && IsLog(entries->path()))
      logs.push_back(entries->path());
  }
  if (failed) return Fail(ErrorCode::kIo, start.string() + ": " + failed.message());
  std::sort(logs.begin(), logs.end());
  return logs;
}

}  // namespace flarebridge::wandb
