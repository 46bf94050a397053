// Whose run is meant when somebody asks on a server that it be stopped: the uploader says what it
// uploads, and only a run's worker says that this is the run's, which after a restart of the bridge
// may come later. No I/O. Used by the bridge, on its one thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>

#include "receivers/upload_target.h"

namespace flarebridge {

class StopRequests {
 public:
  // Requests that wait until their run is known, at most; as many as a bridge has runs by default.
  // Beyond it one is not kept.
  static constexpr size_t kMostWaiting = 1000;

  // That is uploaded of the run. Gives what was asked of it before this was known.
  std::optional<std::string> Place(int64_t run, const UploadTarget& target);
  // Gives whose run it is. Nothing: it is not known yet, and Place() gives the words when it is.
  std::optional<int64_t> Asked(const UploadTarget& target, const std::string& words);
  // The run is over.
  void Forget(int64_t run);

 private:
  using Key = std::pair<std::string, std::string>;  // kind and path

  std::map<Key, int64_t> runs_;
  std::map<Key, std::string> waiting_;  // words
};

}  // namespace flarebridge
