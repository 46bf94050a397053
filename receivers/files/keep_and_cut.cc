#include "receivers/files/keep_and_cut.h"

#include <system_error>

#include "receivers/files/durable_file.h"
#include "receivers/files/file_info.h"
#include "receivers/files/folders.h"
#include "receivers/files/open_file.h"
#include "receivers/files/system_error.h"

namespace flarebridge {

namespace fs = std::filesystem;

Expected<std::string> KeepAndCut(const fs::path& file, uint64_t end) {
  const fs::path kept = FreeName(file.string() + ".before-repair");
  if (const Expected<void> copied = CopyDurably(file, kept); !copied) return Propagate(copied);
  const Expected<UniqueFd> open_file = OpenToChange(file);
  if (!open_file) return FailOf(file.string(), open_file);
  Expected<void> cut = CutFile(open_file->get(), end);
  if (cut) cut = PersistFile(open_file->get());
  if (!cut) return FailOf(file.string(), cut);
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
    if (!written) {
      std::error_code ignored;
      fs::remove(draft, ignored);
      return FailOf(draft.string(), written);
    }
  }
  const fs::path kept = FreeName(file.string() + ".before-repair");
  if (const Expected<void> copied = CopyDurably(file, kept); !copied) return Propagate(copied);
  std::error_code failed;
  fs::rename(draft, file, failed);
  if (failed) return FailSystem(draft.string() + " can't be renamed", failed.value());
  if (const Expected<void> persisted = PersistFolder(fs::absolute(file).parent_path()); !persisted)
    return FailOf(file.string(), persisted);
  return kept.filename().string();
}

}  // namespace flarebridge
