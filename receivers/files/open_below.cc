#include "receivers/files/open_below.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <climits>
#include <deque>
#include <string>

#include "receivers/files/open_file.h"
#include "receivers/files/system_error.h"

namespace flarebridge {
namespace {

namespace fs = std::filesystem;

// A pipe without a writer would be waited for.
constexpr int kRead = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;
// As many as the system follows.
constexpr int kMostLinks = 40;

tl::unexpected<Error> RefuseLink() {
  return Fail(ErrorCode::kForbidden, "is a link or lies behind one");
}

// The file itself, if it is one that may be read.
Expected<UniqueFd> Checked(UniqueFd file, bool followed) {
  struct stat found {};
  if (fstat(file.get(), &found) != 0) return FailSystem("can't be read");
  if (!S_ISREG(found.st_mode)) return Fail(ErrorCode::kForbidden, "is no regular file");
  if (followed && found.st_uid != geteuid())
    return Fail(ErrorCode::kForbidden, "is a link to a file of another user");
  return file;
}

// Walks a path with at most kMostLinks links in it.
class Walk {
 public:
  Walk(int folder, const fs::path& relative, Links links)
      : at_(fcntl(folder, F_DUPFD_CLOEXEC, 0)), links_(links) {
    Prepend(relative);
  }

  Expected<UniqueFd> Open() {
    if (!at_) return FailSystem("can't be read");
    while (!parts_.empty()) {
      const std::string part = parts_.front();
      parts_.pop_front();
      const bool last = parts_.empty();
      UniqueFd next(openat(at_.get(), part.c_str(),
                           O_NOFOLLOW | (last ? kRead : O_PATH | O_DIRECTORY | O_CLOEXEC)));
      if (next && last) return Checked(std::move(next), followed_ > 0);
      if (next) {
        at_ = std::move(next);
        continue;
      }
      // A link: ELOOP where it was to be read, ENOTDIR where it was to be a folder.
      if (errno != ELOOP && errno != ENOTDIR) return FailSystem("can't be read");
      if (const Expected<void> followed = Follow(part); !followed) return Propagate(followed);
    }
    return Fail(ErrorCode::kForbidden, "is no regular file");
  }

 private:
  void Prepend(const fs::path& path) {
    std::deque<std::string> parts;
    for (const fs::path& part : path) {
      if (!part.empty() && part != "." && part != "/") parts.push_back(part.string());
    }
    parts_.insert(parts_.begin(), parts.begin(), parts.end());
  }

  Expected<void> Follow(const std::string& part) {
    const UniqueFd link(openat(at_.get(), part.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
    struct stat found {};
    if (!link || fstat(link.get(), &found) != 0) return FailSystem("can't be read");
    if (!S_ISLNK(found.st_mode)) return FailSystem("can't be read", ENOTDIR);
    if (links_ == Links::kRefuse) return RefuseLink();
    if (found.st_uid != geteuid() && found.st_uid != 0)
      return Fail(ErrorCode::kForbidden, "lies behind a link of another user");
    if (++followed_ > kMostLinks) return FailSystem("can't be read", ELOOP);
    std::array<char, PATH_MAX> target{};
    const ssize_t size = readlinkat(link.get(), "", target.data(), target.size() - 1);
    if (size <= 0) return FailSystem("can't be read");
    const fs::path path(std::string(target.data(), static_cast<size_t>(size)));
    if (path.is_absolute()) at_ = UniqueFd(open("/", O_PATH | O_DIRECTORY | O_CLOEXEC));
    if (!at_) return FailSystem("can't be read");
    Prepend(path);
    return {};
  }

  UniqueFd at_;
  Links links_;
  std::deque<std::string> parts_;
  int followed_ = 0;
};

}  // namespace

Expected<UniqueFd> OpenPartByPart(int folder, const fs::path& relative, Links links) {
  return Walk(folder, relative, links).Open();
}

Expected<UniqueFd> OpenBelow(const fs::path& folder, const fs::path& relative, Links links) {
  for (const fs::path& part : relative) {
    if (part == ".." || relative.is_absolute())
      return Fail(ErrorCode::kForbidden, "leads out of its folder");
  }
  const Expected<UniqueFd> open_folder = OpenFolder(folder);
  if (!open_folder) return Propagate(open_folder);
  open_how how{};
  how.flags = static_cast<uint64_t>(kRead);
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;
  UniqueFd file(static_cast<int>(
      syscall(SYS_openat2, open_folder->get(), relative.c_str(), &how, sizeof how)));
  if (file) return Checked(std::move(file), false);
  // No such call here (seccomp filters say EPERM or ENOSYS), or a link, or somebody renames on the
  // way (EAGAIN): part by part it is seen what it is.
  const bool unsure = errno == ENOSYS || errno == EPERM || errno == EAGAIN || errno == ELOOP ||
                      errno == EXDEV || errno == EINVAL;
  if (!unsure) return FailSystem("can't be read");
  return OpenPartByPart(open_folder->get(), relative, links);
}

}  // namespace flarebridge
