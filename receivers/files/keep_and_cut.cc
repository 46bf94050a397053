#include "receivers/files/keep_and_cut.h"

#include <system_error>
#include <vector>

#include "receivers/files/durable_file.h"
#include "receivers/files/file_info.h"
#include "receivers/files/folders.h"
#include "receivers/files/open_file.h"
#include "receivers/files/system_error.h"

namespace flarebridge {

namespace fs = std::filesystem;

namespace {

// Takes back what was made for a repair that did not come about.
tl::unexpected<Error> GiveUp(const std::vector<fs::path>& made, tl::unexpected<Error> failure) {
  std::error_code ignored;
  for (const fs::path& file : made) fs::remove(file, ignored);
  return failure;
}

}  // namespace

Expected<std::string> KeepAndCut(const fs::path& file, uint64_t end) {
  const fs::path kept = FreeName(file.string() + ".before-repair");
  const Expected<UniqueFd> open_file = OpenToChange(file);
  if (!open_file) return FailOf(file.string(), open_file);
  if (const Expected<void> copied = CopyDurably(file, kept); !copied) return Propagate(copied);
  if (const Expected<void> cut = CutFile(open_file->get(), end); !cut)
    return GiveUp({kept}, FailOf(file.string(), cut));
  // From here on the copy is what has all.
  if (const Expected<void> persisted = PersistFile(open_file->get()); !persisted)
    return FailOf(file.string(), persisted);
  return kept.filename().string();
}

Expected<std::string> KeepAndReplace(const fs::path& file, const CopyPart& copy) {
  const Expected<UniqueFd> from = OpenToRead(file);
  if (!from) return FailOf(file.string(), from);
  const Expected<FileInfo> info = InfoOf(from->get());
  if (!info) return FailOf(file.string(), info);
  const fs::path draft = file.string() + ".new";
  {
    const Expected<UniqueFd> to = CreateFile(draft, info->rights & 0777, Existing::kEmpty);
    if (!to) return FailOf(draft.string(), to);
    Expected<void> written = copy(from->get(), to->get());
    if (written) written = PersistFile(to->get());
    if (!written) return GiveUp({draft}, FailOf(draft.string(), written));
  }
  const fs::path kept = FreeName(file.string() + ".before-repair");
  if (const Expected<void> copied = CopyDurably(file, kept); !copied)
    return GiveUp({draft}, Propagate(copied));
  std::error_code failed;
  fs::rename(draft, file, failed);
  if (failed)
    return GiveUp({draft, kept}, FailSystem(draft.string() + " can't be renamed", failed.value()));
  if (const Expected<void> persisted = PersistFolder(fs::absolute(file).parent_path()); !persisted)
    return FailOf(file.string(), persisted);
  return kept.filename().string();
}

}  // namespace flarebridge
