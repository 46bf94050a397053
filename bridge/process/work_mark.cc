#include "bridge/process/work_mark.h"

#include <fcntl.h>
#include <sys/mman.h>

#include <utility>

namespace flarebridge {
namespace {

constexpr size_t kBytes = sizeof(uint64_t);  // of which the system makes a page
// Above the numbers that a process of ours finds its descriptors at: they are put there in turn.
constexpr int kLowest = 10;

}  // namespace

WorkMark::WorkMark(UniqueFd fd) : fd_(std::move(fd)) {
  if (!fd_) return;
  void* memory = mmap(nullptr, kBytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd_.get(), 0);
  if (memory != MAP_FAILED) page_ = static_cast<uint64_t*>(memory);
}

WorkMark WorkMark::Create() {
  UniqueFd fd(memfd_create("flarebridge-worker", MFD_CLOEXEC));
  if (fd) fd = UniqueFd(fcntl(fd.get(), F_DUPFD_CLOEXEC, kLowest));
  if (fd && ftruncate(fd.get(), kBytes) != 0) fd = UniqueFd();
  return WorkMark(std::move(fd));
}

WorkMark WorkMark::Open(int fd) {
  WorkMark mark{UniqueFd(fd)};
  mark.CloseFd();
  return mark;
}

WorkMark::WorkMark(WorkMark&& other) noexcept
    : fd_(std::move(other.fd_)),
      page_(other.page_ == &other.none_ ? &none_ : std::exchange(other.page_, &other.none_)) {}

WorkMark::~WorkMark() {
  if (page_ != &none_) munmap(page_, kBytes);
}

}  // namespace flarebridge
