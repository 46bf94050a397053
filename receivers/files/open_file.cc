#include "receivers/files/open_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "receivers/files/file_info.h"
#include "receivers/files/system_error.h"

namespace flarebridge {
Expected<UniqueFd> OpenToRead(const std::filesystem::path& path) {
  UniqueFd file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file) return FailSystem("can't be read");
  return file;
}

Expected<UniqueFd> OpenToChange(const std::filesystem::path& path) {
  UniqueFd file(open(path.c_str(), O_RDWR | O_CLOEXEC));
  if (!file) return FailSystem("can't be written");
  return file;
}

Expected<UniqueFd> OpenFolder(const std::filesystem::path& path) {
  UniqueFd folder(open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!folder) return FailSystem("can't be opened");
  return folder;
}

Expected<UniqueFd> CreateFile(const std::filesystem::path& path, mode_t mode, Existing existing) {
  const int flags = existing == Existing::kEmpty    ? O_WRONLY | O_TRUNC
                    : existing == Existing::kRefuse ? O_WRONLY | O_EXCL
                                                    : O_RDWR;
  UniqueFd file(open(path.c_str(), O_CREAT | O_CLOEXEC | O_NOFOLLOW | flags, mode));
  if (!file) return FailPath("can't be made");
  return file;
}

Expected<size_t> ReadAt(int fd, uint64_t at, char* to, size_t size) {
  size_t done = 0;
  while (done < size) {
    const ssize_t got = pread(fd, to + done, size - done, static_cast<off_t>(at + done));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return FailSystem("can't be read");
    if (got == 0) break;
    done += static_cast<size_t>(got);
  }
  return done;
}

Expected<void> WriteAt(int fd, uint64_t at, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = pwrite(fd, bytes.data(), bytes.size(), static_cast<off_t>(at));
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return FailSystem("can't be written");
    at += static_cast<uint64_t>(written);
    bytes.remove_prefix(static_cast<size_t>(written));
  }
  return {};
}

Expected<void> CutFile(int fd, uint64_t size) {
  if (ftruncate(fd, static_cast<off_t>(size)) != 0) return FailSystem("can't be cut");
  return {};
}

Expected<void> PersistFile(int fd) {
  if (fsync(fd) != 0) return FailSystem("can't be brought to the disk");
  return {};
}

Expected<void> PersistContent(int fd) {
  if (fdatasync(fd) != 0) return FailSystem("can't be brought to the disk");
  return {};
}

Expected<void> PersistOthers(int fd) {
  // EINVAL: the file system has no such call, because it is never written (squashfs, iso9660).
  if (fdatasync(fd) != 0 && errno != EROFS && errno != EINVAL)
    return FailSystem("can't be brought to the disk");
  return {};
}

Expected<std::string> ReadWhole(const std::filesystem::path& path, size_t most) {
  const Expected<UniqueFd> file = OpenToRead(path);
  if (!file) return FailOf(path.string(), file);
  Expected<std::string> content = ReadWhole(file->get(), most);
  if (!content) return FailOf(path.string(), content);
  return content;
}

Expected<std::string> ReadWhole(int fd, size_t most) {
  const Expected<FileInfo> info = InfoOf(fd);
  if (!info) return Propagate(info);
  const auto too_large = [most] {
    return Fail(ErrorCode::kTooLarge, "has more than " + std::to_string(most) + " bytes");
  };
  if (info->size > most) return too_large();
  // A byte more than there are, so that the first read tells the end. Files that the kernel makes
  // up, as in /proc, tell no size.
  constexpr uint64_t kLeast = 4096;
  const uint64_t step = std::min<uint64_t>(std::max(kLeast, info->size + 1), most + 1);
  std::string content;
  while (content.size() <= most) {
    const size_t had = content.size();
    content.resize(had + std::max<size_t>(step, had));
    const Expected<size_t> got = ReadAt(fd, had, content.data() + had, content.size() - had);
    if (!got) return Propagate(got);
    const bool end = had + *got < content.size();
    content.resize(had + *got);
    if (end && content.size() <= most) return content;
  }
  return too_large();
}

std::optional<std::string> ReadRange(int fd, uint64_t begin, uint64_t end) {
  std::string bytes(end - begin, 0);
  const Expected<size_t> got = ReadAt(fd, begin, bytes.data(), bytes.size());
  if (!got || *got < bytes.size()) return std::nullopt;
  return bytes;
}

}  // namespace flarebridge
