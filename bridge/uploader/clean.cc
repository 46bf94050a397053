#include "bridge/uploader/clean.h"

#include <array>
#include <filesystem>
#include <iostream>
#include <optional>
#include <string>
#include <system_error>
#include <vector>

#include "bridge/commands/amounts.h"
#include "bridge/process/environment.h"
#include "bridge/process/exit_code.h"
#include "events/printable.h"
#include "receivers/files/file_lock.h"
#include "receivers/files/folders.h"
#include "receivers/files/open_file.h"
#include "receivers/wandb/log/log_summary.h"
#include "receivers/wandb/log/run_folder.h"
#include "receivers/wandb/upload/parts.h"
#include "receivers/wandb/upload/upload_notes.h"

namespace flarebridge {
namespace {

namespace fs = std::filesystem;

// Run folders that may go, and what speaks against the others.
struct Sorted {
  struct Kept {
    fs::path folder;
    std::string why;
  };
  std::vector<fs::path> logs;
  std::vector<Kept> kept;
};

// What a run folder has besides its log: W&B's client (wandb_settings.py) and flarebridge make no
// more.
bool IsOfRun(const fs::path& entry, const std::string& log) {
  const std::string name = entry.filename().string();
  if (name == "files" || name == "logs" || name == "tmp") return true;
  return name.starts_with(log);  // the log itself, .synced, .syncstate, .upload
}

// Why the log's folder stays, or "".
std::string WhyKept(const fs::path& log, const fs::path& notes_folder) {
  std::error_code failed;
  const wandb::UploadNotes notes(log, notes_folder);
  if (!notes.IsMarked()) return "it is not marked as uploaded";
  const fs::path folder = log.parent_path();
  if (wandb::TimeAndId(folder.filename().string()).empty())
    return "it is no run's folder by its name";
  const Expected<UniqueFd> open = OpenToRead(log);
  if (!open) return "its log " + open.error().message;
  if (IsLocked(open->get())) return "its log is being written or uploaded";
  for (const fs::directory_entry& entry : fs::directory_iterator(folder, failed)) {
    if (!IsOfRun(entry.path(), log.filename().string()))
      return "it holds something of somebody else's: " + entry.path().filename().string();
  }
  if (failed) return "it can't be read: " + failed.message();
  const Expected<wandb::LogSummary> summary = wandb::ReadLog(log, nullptr);
  if (!summary) return summary.error().message;
  if (summary->bad_bytes > 0) return "its log is damaged";
  const std::optional<wandb::UploadState> confirmed = notes.Latest();
  if (!confirmed) return "there is no note of what the server has confirmed";
  if (const uint64_t rows = wandb::RowsIn(confirmed->lines); rows < summary->rows) {
    return "the server has confirmed " + Grouped(rows) + " of " + Counted(summary->rows, "row");
  }
  for (const fs::path& changed : {folder, fs::absolute(folder).parent_path()}) {
    if (const Expected<void> may = MayChange(changed); !may)
      return "it can't be removed: " + may.error().message;
  }
  return "";
}

Expected<Sorted> Sort(const CleanArguments& arguments, const fs::path& notes) {
  Sorted sorted;
  for (const std::string& path : arguments.paths) {
    std::error_code ignored;
    if (fs::is_symlink(path, ignored)) {
      sorted.kept.push_back({path, "it is a link"});
      continue;
    }
    const auto logs = wandb::FindLogs(path);
    if (!logs) return Propagate(logs);
    for (const fs::path& log : *logs) {
      std::string why = WhyKept(log, notes);
      if (why.empty()) {
        sorted.logs.push_back(log);
      } else {
        sorted.kept.push_back({log.parent_path(), std::move(why)});
      }
    }
  }
  return sorted;
}

// The log goes behind what it names and before its marks: half a folder is never uploaded again.
// Links in it go, and what they lead to stays.
bool Remove(const fs::path& log, const fs::path& notes) {
  const fs::path folder = log.parent_path();
  std::error_code failed;
  const std::optional<fs::path> note = wandb::UploadNotes(log, notes).PlaceElsewhere();
  for (const char* name : {"files", "logs", "tmp"}) {
    fs::remove_all(folder / name, failed);
    if (failed) break;
  }
  if (!failed) fs::remove(log, failed);
  if (!failed) fs::remove_all(folder, failed);
  if (!failed && note) fs::remove(*note, failed);
  if (!failed) return true;
  std::cerr << "flarebridge: "
            << Printable(folder.string() + " can't be removed: " + failed.message()) << "\n";
  return false;
}

bool IsAgreed(const CleanArguments& arguments, size_t count) {
  if (arguments.yes) return true;
  std::cout << "remove " << Counted(count, "folder") << "? [y/N] " << std::flush;
  std::string answer;
  std::getline(std::cin, answer);
  return answer == "y" || answer == "Y" || answer == "yes";
}

}  // namespace

int Clean(const CleanArguments& arguments) {
  const fs::path notes =
      arguments.notes.empty() ? wandb::NotesFolder(FromEnvironment) : fs::absolute(arguments.notes);
  const Expected<Sorted> sorted = Sort(arguments, notes);
  if (!sorted) {
    std::cerr << "flarebridge: " << Printable(sorted.error().message) << "\n";
    return kExitNoInput;
  }
  for (const Sorted::Kept& kept : sorted->kept)
    std::cout << "stays: " << Printable(kept.folder.string() + ": " + kept.why) << "\n";
  if (sorted->logs.empty()) {
    std::cout << "no run folder there is wholly uploaded\n";
    return kExitOk;
  }
  for (const fs::path& log : sorted->logs)
    std::cout << "wholly uploaded: " << Printable(log.parent_path().string()) << "\n";
  if (!IsAgreed(arguments, sorted->logs.size())) {
    std::cout << "nothing was removed\n";
    return kExitOk;
  }
  size_t removed = 0;
  for (const fs::path& log : sorted->logs) {
    // Somebody may have gone on with it while it was asked.
    if (!WhyKept(log, notes).empty() || !Remove(log, notes)) continue;
    ++removed;
    std::cout << "removed: " << Printable(log.parent_path().string()) << "\n";
  }
  return removed == sorted->logs.size() ? kExitOk : kExitIncomplete;
}

}  // namespace flarebridge
