#include "bridge/uploader/dry_run.h"

#include <iostream>

#include "bridge/commands/amounts.h"
#include "bridge/process/environment.h"
#include "bridge/process/exit_code.h"
#include "events/printable.h"
#include "receivers/files/file_info.h"
#include "receivers/wandb/log/log_summary.h"
#include "receivers/wandb/upload/account.h"

namespace flarebridge {
namespace {

namespace fs = std::filesystem;

// "entity/project" on the server, as far as it is known here.
std::string PlaceOf(const wandb::RunRecord& run) {
  const std::string project = run.project.empty() ? "the server's default project" : run.project;
  return (run.entity.empty() ? "the key's own entity" : run.entity) + "/" + project;
}

// One log in words. Errors: as ReadLog().
Expected<std::string> Describe(const fs::path& log, const wandb::UploadChoices& choices,
                               const wandb::Account& account, uint64_t& rows) {
  const Expected<wandb::LogSummary> summary = wandb::ReadLog(log, nullptr);
  if (!summary) return Propagate(summary);
  const Expected<FileInfo> info = InfoOf(log);
  const wandb::RunRecord run =
      wandb::Chosen(summary->run, choices, account.entity, account.project);
  std::string words = run.display_name.empty() ? run.run_id : run.display_name;
  words += ": " + Counted(summary->rows, "row") + ", " +
           BytesInWords(info ? static_cast<double>(info->size) : 0) + ", to " + account.base_url +
           " " + PlaceOf(run) + ", run " + run.run_id;
  if (summary->state == wandb::LogSummary::State::kRunning) words += "; without an end";
  if (summary->bad_bytes > 0)
    words +=
        "; damaged, " + BytesInWords(static_cast<double>(summary->bad_bytes)) + " can't be read";
  rows += summary->rows;
  return words + "; " + log.parent_path().string();
}

}  // namespace

int DryRun(const FoundRuns& found, const wandb::UploadChoices& choices) {
  const Expected<wandb::NamedServer> server = wandb::FindServer(FromEnvironment);
  const Expected<wandb::Account> account =
      server ? wandb::FindAccountWithoutKey(FromEnvironment, *server)
             : Expected<wandb::Account>(Propagate(server));
  if (!account) {
    std::cerr << "flarebridge: " << Printable(account.error().message) << "\n";
    return kExitConfig;
  }
  uint64_t rows = 0;
  size_t runs = 0, unreadable = 0;
  for (const fs::path& log : found.logs) {
    const Expected<std::string> words = Describe(log, choices, *account, rows);
    if (words) {
      ++runs;
      std::cout << Printable(*words) << "\n";
    } else {
      ++unreadable;
      std::cout << "left out, can't be read: " << Printable(words.error().message) << "\n";
    }
  }
  for (const FoundRuns::LeftOut& left : found.left_out)
    std::cout << "left out, " << left.why << ": " << Printable(left.log.parent_path().string())
              << "\n";
  const size_t left_out = found.left_out.size() + unreadable;
  std::cout << "would upload " << Counted(runs, "run") << ", " << Counted(rows, "row")
            << (left_out > 0 ? ", " + Grouped(left_out) + " left out" : "") << "\n";
  if (const auto key = wandb::FindAccount(FromEnvironment); !key)
    std::cerr << "flarebridge: " << Printable(key.error().message) << "\n";
  return kExitOk;
}

}  // namespace flarebridge
