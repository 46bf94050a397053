#include "bridge/commands/check.h"

#include <CLI/CLI.hpp>
#include <filesystem>
#include <iostream>

#include "bridge/journal/journal_repair.h"
#include "bridge/process/exit_code.h"
#include "receivers/readers.h"

namespace flarebridge {
namespace {

namespace fs = std::filesystem;

// What was found at one path.
struct Finding {
  bool whole = false;
  std::string words;
};

Finding CheckRun(const FoundRun& run, bool repair) {
  const Expected<LogCondition> found = run.reader->Check(run.log);
  if (!found) return {false, found.error().message};
  const std::string content =
      std::to_string(found->records) + " records, " + std::to_string(found->rows) + " rows";
  if (found->damage == LogCondition::Damage::kNone) {
    return {true, "whole, " + content +
                      (found->ended     ? ""
                       : found->written ? ", still written"
                                        : ", without an end")};
  }
  if (found->written) return {true, "being written, " + content + " until now"};
  const bool damaged = found->damage == LogCondition::Damage::kDamaged;
  const std::string where = (damaged ? "damaged" : "cut off") + std::string(" at byte ") +
                            std::to_string(found->whole_end) + ", " +
                            std::to_string(found->unreadable) +
                            " bytes can't be read; the rest has " + content;
  if (!repair) return {false, where + "; --repair keeps that, and the file as it is beside it"};
  const Expected<std::string> kept = run.reader->Repair(run.log, *found);
  if (!kept) return {false, where + "; not repaired: " + kept.error().message};
  return {true, where + "; repaired, the file as it was is " + *kept};
}

Finding ToFinding(const Expected<std::string>& words) {
  return words ? Finding{true, *words} : Finding{false, words.error().message};
}

Finding CheckOneJournal(const std::string& path, bool repair) {
  const Expected<std::string> checked = CheckJournal(path);
  if (checked && repair) (void)ForgetRepair(path);
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
  check->add_flag(
      "--repair", to.repair,
      "Take what can't be read out of run logs, and save what is whole of journals; each "
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
    const auto runs = is_journal ? Expected<std::vector<FoundRun>>() : FindRunLogs(given);
    if (!runs) {
      std::cerr << "flarebridge: " << runs.error().message << "\n";
      return kExitNoInput;
    }
    for (const FoundRun& run : *runs) tell(run.log, CheckRun(run, arguments.repair));
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
