#include "receivers/files/keep_and_cut.h"

#include "receivers/files/durable_file.h"
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

}  // namespace flarebridge
