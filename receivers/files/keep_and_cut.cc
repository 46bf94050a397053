#include "receivers/files/keep_and_cut.h"

#include <fcntl.h>
#include <unistd.h>

#include "receivers/files/durable_file.h"
#include "receivers/files/system_error.h"
#include "receivers/files/unique_fd.h"

namespace flarebridge {

namespace fs = std::filesystem;

Expected<std::string> KeepAndCut(const fs::path& file, uint64_t end) {
  const fs::path kept = FreeName(file.string() + ".before-repair");
  std::error_code failed;
  fs::copy_file(file, kept, failed);
  if (failed) return FailSystem(kept.string() + " can't be made", failed.value());
  const UniqueFd open_file(open(file.c_str(), O_WRONLY | O_CLOEXEC));
  if (!open_file || ftruncate(open_file.get(), static_cast<off_t>(end)) != 0 ||
      fsync(open_file.get()) != 0)
    return FailSystem(file.string() + " can't be cut");
  return kept.filename().string();
}

}  // namespace flarebridge
