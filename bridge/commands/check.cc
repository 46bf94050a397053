#include "bridge/commands/check.h"

#include <CLI/CLI.hpp>
#include <filesystem>
#include <iostream>

#include "bridge/journal/journal_repair.h"
#include "bridge/process/exit_code.h"
#include "receivers/files/durable_file.h"
#include "receivers/files/file_lock.h"
#include "receivers/files/folders.h"
#include "receivers/files/open_file.h"
#include "receivers/files/system_error.h"
#include "receivers/wandb/log/log_summary.h"
#include "receivers/wandb/log/record_stream.h"

namespace flarebridge {
namespace {

namespace fs = std::filesystem;

// What was found at one path.
struct Finding {
  bool whole = false;
  std::string words;
};

// Copies the file and cuts the original behind its last whole record. Gives the copy's name.
Expected<std::string> CutTo(const fs::path& log, uint64_t end) {
  const fs::path kept = FreeName(log.string() + ".before-repair");
  if (const Expected<void> copied = CopyDurably(log, kept); !copied) return Propagate(copied);
  const Expected<UniqueFd> file = OpenToChange(log);
  if (!file) return FailOf(log.string(), file);
  Expected<void> cut = CutFile(file->get(), end);
  if (cut) cut = PersistFile(file->get());
  if (!cut) return FailOf(log.string(), cut);
  return kept.filename().string();
}

Finding CheckLog(const fs::path& log, bool repair) {
  const Expected<UniqueFd> file = OpenToRead(log);
  if (!file) return {false, file.error().message};
  const bool written = !FileLock::Shared(log);  // nor can it be locked by us
  uint64_t records = 0, rows = 0;
  bool ended = false;
  const Expected<wandb::LogEnd> end =
      wandb::ReadRecords(file->get(), [&](const wandb::ParsedRecord& record, uint64_t) {
        ++records;
        rows += record.kind == wandb::ParsedRecord::Kind::kHistory ? 1 : 0;
        ended = ended || record.kind == wandb::ParsedRecord::Kind::kExit;
      });
  if (!end) return {false, end.error().message};
  std::error_code ignored;
  const uint64_t behind = fs::file_size(log, ignored) - end->whole_end;
  const std::string content =
      std::to_string(records) + " records, " + std::to_string(rows) + " rows";
  if (!end->torn && !end->corrupt) {
    return {true, "whole, " + content +
                      (ended     ? ""
                       : written ? ", still written"
                                 : ", without an end")};
  }
  if (written) return {true, "being written, " + content + " until now"};
  const std::string where = (end->corrupt ? "damaged" : "cut off") + std::string(" at byte ") +
                            std::to_string(end->whole_end) + ", " + std::to_string(behind) +
                            " bytes can't be read; before them " + content;
  if (!repair) return {false, where + "; --repair keeps those, and the file as it is beside it"};
  const Expected<std::string> cut = CutTo(log, end->whole_end);
  if (!cut) return {false, where + "; not repaired: " + cut.error().message};
  return {true, where + "; repaired, the file as it was is " + *cut};
}

Finding ToFinding(const Expected<std::string>& words) {
  return words ? Finding{true, *words} : Finding{false, words.error().message};
}

Finding CheckOneJournal(const std::string& path, bool repair) {
  const Expected<std::string> checked = CheckJournal(path);
  if (checked || checked.error().code != ErrorCode::kCorrupt) return ToFinding(checked);
  if (!repair)
    return {false,
            checked.error().message + "; --repair keeps what is whole, and the file as it is"};
  const Expected<std::string> repaired = RepairJournal(path);
  return repaired ? Finding{true, "repaired, " + *repaired} : ToFinding(repaired);
}

}  // namespace

void AddCheck(CLI::App& app, CheckArguments& to) {
  CLI::App* check = app.add_subcommand(
      "check", "Tell whether run logs, and the journals of bridges that do not run, are whole");
  check->add_option("path", to.paths, "Run logs, journal.db files, or folders with any of them")
      ->default_val(std::vector<std::string>{"."});
  check->add_flag("--repair", to.repair,
                  "Cut what can't be read off run logs, and save what is whole of journals; each "
                  "file is kept as it was beside it");
}

int Check(const CheckArguments& arguments) {
  size_t found = 0, broken = 0;
  const auto tell = [&](const fs::path& path, const Finding& finding) {
    ++found;
    if (!finding.whole) ++broken;
    std::cout << path.string() << ": " << finding.words << "\n";
  };
  for (const std::string& given : arguments.paths) {
    const bool is_journal = fs::path(given).filename() == "journal.db";
    const auto logs = is_journal ? Expected<std::vector<fs::path>>() : wandb::FindLogs(given);
    if (!logs) {
      std::cerr << "flarebridge: " << logs.error().message << "\n";
      return kExitNoInput;
    }
    for (const fs::path& log : *logs) tell(log, CheckLog(log, arguments.repair));
    std::error_code failed;
    if (is_journal) tell(given, CheckOneJournal(given, arguments.repair));
    fs::recursive_directory_iterator entries(given, fs::directory_options::skip_permission_denied,
                                             failed);
    for (; !failed && entries != fs::recursive_directory_iterator(); entries.increment(failed)) {
      if (entries->path().filename() == "journal.db")
        tell(entries->path(), CheckOneJournal(entries->path().string(), arguments.repair));
    }
  }
  if (found == 0) {
    std::cerr << "flarebridge: no run log and no journal there\n";
    return kExitNoInput;
  }
  return broken > 0 ? kExitData : kExitOk;
}

}  // namespace flarebridge
