#include "bridge/uploader/found_runs.h"

#include <fnmatch.h>

#include <algorithm>
#include <map>
#include <set>

#include "bridge/commands/amounts.h"
#include "receivers/wandb/log/log_summary.h"
#include "receivers/wandb/upload/known_logs.h"
#include "receivers/wandb/upload/log_copies.h"
#include "receivers/wandb/upload/upload_notes.h"

namespace flarebridge {
namespace {

namespace fs = std::filesystem;

// A glob names the run's folder, or any part of its path.
bool IsExcluded(const fs::path& log, const std::vector<std::string>& globs) {
  const std::string folder = log.parent_path().string(), name = FolderName(log);
  return std::any_of(globs.begin(), globs.end(), [&](const std::string& glob) {
    return fnmatch(glob.c_str(), name.c_str(), 0) == 0 ||
           fnmatch(glob.c_str(), folder.c_str(), 0) == 0;
  });
}

// Why a log is not taken, or "".
std::string WhyNot(const fs::path& log, const SyncArguments& arguments, const fs::path& notes) {
  if (IsExcluded(log, arguments.exclude)) return "excluded";
  if (!arguments.again && wandb::UploadNotes(log, notes).IsMarked()) return kUploadedAlready;
  if (!arguments.include_online && wandb::IsUploadedByItsWriter(log, notes)) return kOnline;
  return "";
}

// One id is one run's, which may lie in several logs of the same name.
Expected<void> CheckId(const FoundRuns& found, const SyncArguments& arguments) {
  if (arguments.id.empty()) return {};
  std::set<fs::path> names;
  for (const fs::path& log : found.logs) names.insert(log.filename());
  if (names.size() <= 1 && !arguments.watch) return {};
  return Fail(
      ErrorCode::kConfig,
      "--id is for one run" +
          (arguments.watch ? ", and --watch takes whatever comes"
                           : "; there are " + std::to_string(names.size()) + " below the paths"));
}

// A copy's rows are on the server with those of what it is a copy of, which may be there already.
void LeaveOutCopies(FoundRuns& found) {
  std::vector<fs::path> all = found.LeftOutFor(kUploadedAlready);
  all.insert(all.end(), found.logs.begin(), found.logs.end());
  const std::vector<fs::path> each = wandb::WithoutCopies(all);
  if (each.size() == all.size()) return;
  const std::set<fs::path> taken(each.begin(), each.end());
  std::vector<fs::path> logs;
  logs.reserve(found.logs.size());
  for (fs::path& log : found.logs) {
    if (taken.count(log) > 0) {
      logs.push_back(std::move(log));
    } else {
      found.left_out.push_back({std::move(log), kCopy});
    }
  }
  found.logs = std::move(logs);
}

}  // namespace

std::vector<fs::path> FoundRuns::LeftOutFor(const std::string& why) const {
  std::vector<fs::path> found;
  for (const LeftOut& one : left_out) {
    if (one.why == why) found.push_back(one.log);
  }
  return found;
}

std::string FoundRuns::LeftOutInWords() const {
  std::map<std::string, uint64_t> counts;
  for (const LeftOut& one : left_out) ++counts[one.why];
  std::string words;
  for (const auto& [why, count] : counts)
    words += (words.empty() ? "" : ", ") + Grouped(count) + " " + why;
  return words;
}

Expected<FoundRuns> FindRuns(const SyncArguments& arguments, const fs::path& notes) {
  FoundRuns found;
  std::set<fs::path> known;
  for (const std::string& path : arguments.paths) {
    const auto logs = wandb::FindLogs(path);
    if (!logs) return Propagate(logs);
    for (const fs::path& log : *logs) {
      if (!known.insert(wandb::PlainPath(log)).second) continue;
      std::string why = WhyNot(log, arguments, notes);
      if (why.empty()) {
        found.logs.push_back(log);
      } else {
        found.left_out.push_back({log, std::move(why)});
      }
    }
  }
  LeaveOutCopies(found);
  if (Expected<void> one = CheckId(found, arguments); !one) return Propagate(one);
  return found;
}

std::string WordsOfOnline(const fs::path& log) {
  return FolderName(log) +
         ": left alone, for W&B's own client uploads it while it is written; --include-online "
         "takes it";
}

std::string FolderName(const fs::path& log) { return log.parent_path().filename().string(); }

}  // namespace flarebridge
