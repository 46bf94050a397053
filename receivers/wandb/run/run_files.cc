#include "receivers/wandb/run/run_files.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <system_error>

#include "receivers/wandb/log/run_folder.h"
#include "receivers/wandb/log/utf8_cut.h"

namespace flarebridge::wandb {
namespace {

namespace fs = std::filesystem;

bool IsImpossiblePath(int error_number) {
  return error_number == ENOTDIR || error_number == EISDIR || error_number == ENAMETOOLONG ||
         error_number == ELOOP || error_number == EINVAL || error_number == EILSEQ;
}

tl::unexpected<Error> FailFile(const fs::path& path, int error_number) {
  return Fail(ErrorCode::kIo, "the file " + path.string() + " can't be written: " +
                                  std::generic_category().message(error_number));
}

// 0 or the error's number.
int WriteAndSync(int fd, std::string_view content) {
  while (!content.empty()) {
    const ssize_t written = write(fd, content.data(), content.size());
    if (written < 0 && errno != EINTR) return errno;
    if (written > 0) content.remove_prefix(static_cast<size_t>(written));
  }
  return fsync(fd) == 0 ? 0 : errno;
}

}  // namespace

fs::path SafeRelativePath(std::string_view text) {
  constexpr size_t kMaxComponent = 200;  // file systems take 255 bytes
  constexpr int kMaxComponents = 16;
  fs::path path;
  int components = 0;
  while (!text.empty() && components < kMaxComponents) {
    const size_t slash = text.find_first_of("/\\");
    std::string component(FirstBytes(text.substr(0, slash), kMaxComponent));
    text.remove_prefix(slash == std::string_view::npos ? text.size() : slash + 1);
    for (char& c : component) {
      if (static_cast<unsigned char>(c) < 0x20) c = '_';
    }
    if (component.empty() || component == "." || component == "..") component = "_";
    path /= component;
    ++components;
  }
  return path.empty() ? fs::path("_") : path;
}

Expected<bool> WriteRunFile(const fs::path& files, const fs::path& relative,
                            std::string_view content) {
  const fs::path path = files / relative;
  std::error_code failed;
  fs::create_directories(path.parent_path(), failed);
  if (failed && IsImpossiblePath(failed.value())) return false;
  if (failed) return FailFile(path.parent_path(), failed.value());
  const int fd = open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0666);
  if (fd < 0 && IsImpossiblePath(errno)) return false;
  if (fd < 0) return FailFile(path, errno);
  const int error_number = WriteAndSync(fd, content);
  close(fd);
  if (error_number != 0) return FailFile(path, error_number);
  // The names on the way are to be there after a power cut, too.
  for (fs::path folder = relative; folder.has_relative_path();) {
    folder = folder.parent_path();
    if (Expected<void> synced = PersistFolder(files / folder); !synced) return Propagate(synced);
  }
  return true;
}

}  // namespace flarebridge::wandb
