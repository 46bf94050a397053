#include "receivers/files/append_only_file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>
#include <utility>

namespace flarebridge {

AppendOnlyFile::AppendOnlyFile(AppendOnlyFile&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)), path_(std::move(other.path_)), size_(other.size_) {}

AppendOnlyFile& AppendOnlyFile::operator=(AppendOnlyFile&& other) noexcept {
  std::swap(fd_, other.fd_);
  std::swap(path_, other.path_);
  std::swap(size_, other.size_);
  return *this;
}

AppendOnlyFile::~AppendOnlyFile() {
  if (fd_ >= 0) close(fd_);
}

tl::unexpected<Error> AppendOnlyFile::FailFile(const char* what, int error_number) const {
  return Fail(ErrorCode::kIo, "the run log " + path_.string() + " can't be " + what + ": " +
                                  std::generic_category().message(error_number));
}

Expected<AppendOnlyFile> AppendOnlyFile::Open(const std::filesystem::path& path) {
  AppendOnlyFile file(open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666), path);
  if (file.fd_ < 0) return file.FailFile("opened", errno);
  if (flock(file.fd_, LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) return file.FailFile("locked", errno);
    return Fail(ErrorCode::kBusy, "another process writes the run log " + path.string());
  }
  struct stat info {};
  if (fstat(file.fd_, &info) != 0) return file.FailFile("read", errno);
  file.size_ = static_cast<uint64_t>(info.st_size);
  return file;
}

Expected<void> AppendOnlyFile::Append(std::string_view bytes) {
  uint64_t at = size_;
  while (!bytes.empty()) {
    const ssize_t written = pwrite(fd_, bytes.data(), bytes.size(), static_cast<off_t>(at));
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) {
      const int error_number = errno;
      (void)CutTo(size_);
      return FailFile("written", error_number);
    }
    at += static_cast<uint64_t>(written);
    bytes.remove_prefix(static_cast<size_t>(written));
  }
  size_ = at;
  return {};
}

Expected<void> AppendOnlyFile::CutTo(uint64_t size) {
  if (ftruncate(fd_, static_cast<off_t>(size)) != 0) return FailFile("cut", errno);
  size_ = size;
  return {};
}

Expected<void> AppendOnlyFile::Persist() {
  if (fdatasync(fd_) != 0) return FailFile("brought to the disk", errno);
  return {};
}

}  // namespace flarebridge
