// Which event a worker is at, told by a page that it shares with the bridge: it costs one store an
// event and survives the worker's death. One writer, one reader.
#pragma once

#include <cstdint>

#include "receivers/files/unique_fd.h"

namespace flarebridge {

class WorkMark {
 public:
  // The bridge's side makes it. Where the system has no memory for it, it always tells 0.
  static WorkMark Create();
  // The worker's side; closes the descriptor.
  static WorkMark Open(int fd);
  ~WorkMark();
  WorkMark(WorkMark&& other) noexcept;
  WorkMark& operator=(WorkMark&&) = delete;
  WorkMark(const WorkMark&) = delete;
  WorkMark& operator=(const WorkMark&) = delete;

  // To be given to the worker at its start; -1 without memory.
  int fd() const { return fd_.get(); }
  // The worker has it: the page stays.
  void CloseFd() { fd_ = UniqueFd(); }
  // The journal's position of the event at work, 0: none.
  void Set(uint64_t position) { __atomic_store_n(page_, position, __ATOMIC_RELAXED); }
  uint64_t Get() const { return __atomic_load_n(page_, __ATOMIC_RELAXED); }

 private:
  explicit WorkMark(UniqueFd fd);

  UniqueFd fd_;
  uint64_t none_ = 0;
  uint64_t* page_ = &none_;
};

}  // namespace flarebridge
