// What the intake asks of whoever takes over large values: the files that events name beside the
// journal. BlobStore is one; a test has another. The bridge's one thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "events/blob_ref.h"
#include "events/error.h"

namespace flarebridge {

class BlobKeeper {
 public:
  enum class State : uint8_t {
    kStored,   // on the disk, and the bridge's own: the event that names it may be acknowledged
    kPending,  // on its way there: ask again when something is ready
  };
  virtual ~BlobKeeper() = default;

  // A session's event for a run (0: it is not there yet) names a large value. Errors: why it can't
  // be had; the event is to be rejected then.
  virtual Expected<State> Take(const std::string& session, int64_t run, const BlobRef& blob) = 0;
  // Nobody wants the event, or it is rejected.
  virtual void Discard(const std::string& session, std::string_view id) = 0;
  // The run's event at the position, which is stored, needs it.
  virtual void Name(int64_t run, uint64_t position, std::string_view id) = 0;
  // All receivers of the run have its events up to the position.
  virtual void Forget(int64_t run, uint64_t position) = 0;
};

}  // namespace flarebridge
