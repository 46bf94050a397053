#include "receivers/files/durable_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#include "receivers/files/system_error.h"
#include "receivers/files/unique_fd.h"

namespace flarebridge {

Expected<void> WriteDurably(const std::filesystem::path& path, std::string_view content) {
  std::error_code failed;
  std::filesystem::create_directories(path.parent_path(), failed);
  const std::string draft = path.string() + ".new";
  {
    const UniqueFd file(open(draft.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
    if (!file) return FailSystem(draft + " can't be created");
    while (!content.empty()) {
      const ssize_t written = write(file.get(), content.data(), content.size());
      if (written < 0 && errno == EINTR) continue;
      if (written < 0) return FailSystem(draft + " can't be written");
      content.remove_prefix(static_cast<size_t>(written));
    }
    if (fsync(file.get()) != 0) return FailSystem(draft + " can't be written");
  }
  if (rename(draft.c_str(), path.c_str()) != 0) return FailSystem(draft + " can't be renamed");
  const UniqueFd folder(open(path.parent_path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!folder || fsync(folder.get()) != 0) return FailSystem(path.string() + " can't be synced");
  return {};
}

std::filesystem::path FreeName(const std::filesystem::path& path) {
  std::filesystem::path free = path;
  std::error_code failed;
  for (int number = 2; std::filesystem::exists(free, failed); ++number)
    free = path.string() + "-" + std::to_string(number);
  return free;
}

}  // namespace flarebridge
