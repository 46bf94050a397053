#include "receivers/wandb/run/open_log.h"

#include <optional>

#include "receivers/files/folders.h"
#include "receivers/files/open_file.h"
#include "receivers/files/system_error.h"
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
                               uint64_t durable, const OnProgress& on_progress) {
  Expected<AppendOnlyFile> file = AppendOnlyFile::Open(LogPath(folder, id));
  if (!file) return Propagate(file);
  Expected<Recovered> recovered = Recover(file->fd(), journal, on_progress);
  if (!recovered && recovered.error().code == ErrorCode::kIo) return Propagate(recovered);
  if (!recovered) {
    Recovered damaged;
    damaged.corrupt = true;
    return OpenedLog{folder, std::move(*file), damaged, {}};
  }
  if (IsTornOnly(*recovered, durable)) recovered->corrupt = false;
  return OpenedLog{folder, std::move(*file), std::move(*recovered), {}};
}

// The newest log that the run goes on in, if there is one: what the journal has not forgotten yet
// will be given again, also of what was uploaded meanwhile.
Expected<std::optional<fs::path>> FindFolder(const fs::path& wandb_folder, const std::string& id,
                                             uint64_t journal, const OnProgress& on_progress) {
  for (const fs::path& folder : FindRunFolders(wandb_folder, id)) {
    const fs::path log = LogPath(folder, id);
    if (!IsUploaded(log)) return folder;
    const Expected<UniqueFd> file = OpenToRead(log);
    if (!file) return FailIo(log.string(), file);
    const Expected<Recovered> there = Recover(file->get(), journal, on_progress);
    if (!there && there.error().code == ErrorCode::kIo) return Propagate(there);
    if (there && there->applied.knows_journal()) return folder;
  }
  return std::nullopt;
}

}  // namespace

Expected<OpenedLog> OpenLog(const fs::path& root, const RunRecord& run, uint64_t journal,
                            uint64_t durable, bool online, const OnProgress& on_progress) {
  const fs::path wandb_folder = WandbFolder(root);
  std::string set_aside;
  const Expected<std::optional<fs::path>> found =
      FindFolder(wandb_folder, run.run_id, journal, on_progress);
  if (!found) return Propagate(found);
  if (*found) {
    Expected<OpenedLog> opened = OpenFolder(**found, run.run_id, journal, durable, on_progress);
    if (!opened || !opened->recovered.corrupt) return opened;
    // It must not be found again: its name says what it is, and `flarebridge show` still reads it.
    const Expected<fs::path> aside = SetAside(**found);
    if (!aside) return Propagate(aside);
    set_aside = "the run log was damaged: what it held until then is in " + aside->string() +
                ", the run goes on in a new folder";
  }
  const Expected<fs::path> made = MakeRunFolder(wandb_folder, run.run_id, run.start_time, online);
  if (!made) return Propagate(made);
  Expected<OpenedLog> opened = OpenFolder(*made, run.run_id, journal, durable, on_progress);
  if (opened) opened->set_aside = std::move(set_aside);
  return opened;
}

}  // namespace flarebridge::wandb
