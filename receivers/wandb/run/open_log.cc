#include "receivers/wandb/run/open_log.h"

#include <optional>

#include "receivers/files/folders.h"
#include "receivers/wandb/log/run_folder.h"

namespace flarebridge::wandb {
namespace {

namespace fs = std::filesystem;

// What of a damaged log is behind its damage is needed no more if all that was ever said to be on
// disk is before it: a power cut may leave any of the rest, and the journal has it.
bool IsTornOnly(const Recovered& recovered, uint64_t durable) {
  return recovered.has_run && recovered.applied.knows_journal() &&
         recovered.applied.floor() >= durable;
}

Expected<OpenedLog> OpenFolder(const fs::path& folder, const std::string& id, uint64_t journal,
                               uint64_t durable) {
  Expected<AppendOnlyFile> file = AppendOnlyFile::Open(LogPath(folder, id));
  if (!file) return Propagate(file);
  Expected<Recovered> recovered = Recover(file->fd(), journal);
  if (!recovered && recovered.error().code == ErrorCode::kIo) return Propagate(recovered);
  if (!recovered) {
    Recovered damaged;
    damaged.corrupt = true;
    return OpenedLog{folder, std::move(*file), damaged, {}};
  }
  if (IsTornOnly(*recovered, durable)) recovered->corrupt = false;
  return OpenedLog{folder, std::move(*file), std::move(*recovered), {}};
}

}  // namespace

Expected<OpenedLog> OpenLog(const fs::path& root, const RunRecord& run, uint64_t journal,
                            uint64_t durable, bool online) {
  const fs::path wandb_folder = WandbFolder(root);
  std::string set_aside;
  if (const std::optional<fs::path> found = FindRunFolder(wandb_folder, run.run_id)) {
    Expected<OpenedLog> opened = OpenFolder(*found, run.run_id, journal, durable);
    if (!opened || !opened->recovered.corrupt) return opened;
    // It must not be found again: its name says what it is, and `flarebridge show` still reads it.
    const Expected<fs::path> aside = SetAside(*found);
    if (!aside) return Propagate(aside);
    set_aside = "the run log was damaged: what it held until then is in " + aside->string() +
                ", the run goes on in a new folder";
  }
  const Expected<fs::path> made = MakeRunFolder(wandb_folder, run.run_id, run.start_time, online);
  if (!made) return Propagate(made);
  Expected<OpenedLog> opened = OpenFolder(*made, run.run_id, journal, durable);
  if (opened) opened->set_aside = std::move(set_aside);
  return opened;
}

}  // namespace flarebridge::wandb
