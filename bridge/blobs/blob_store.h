// Large values beside the journal: which there are, whose events need them, and when they go. Each
// is taken over from its shim's spool folder, and brought to the disk, by a thread of its own, so
// that nobody waits for 5 GiB; events behind one wait for it, in their session alone. Owned by the
// Bridge, used by the intake; the bridge's one thread, but for what that thread does.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "bridge/intake/blob_keeper.h"
#include "events/mutex.h"
#include "receivers/files/unique_fd.h"

namespace flarebridge {

struct BlobLimits {
  uint64_t one = uint64_t{8} << 30;   // bytes of a value
  uint64_t all = uint64_t{64} << 30;  // of those that no receiver has yet; of a run: half of it
};

class BlobStore : public BlobKeeper {
 public:
  // Makes the folder for them below `state`, which is locked for this process. Errors: kTemporary.
  static Expected<std::unique_ptr<BlobStore>> Open(std::filesystem::path state,
                                                   const BlobLimits& limits);
  // What was begun is done first.
  ~BlobStore() override;

  Expected<State> Take(const std::string& session, int64_t run, const BlobRef& blob) override;
  void Discard(const std::string& session, std::string_view id) override;
  void Name(int64_t run, uint64_t position, std::string_view id) override;
  void Forget(int64_t run, uint64_t position) override;

  // The run's event at the position, which was stored before the start, needs it.
  void Remember(int64_t run, uint64_t position, const BlobRef& blob);
  // Nobody will hear of the session again.
  void DropSession(const std::string& session);
  // Removes what nobody will name any more: of processes that are gone, or unchanged for an hour.
  void SweepOld(std::set<std::string> sessions);

  // Readable when a value that was pending is stored or can't be had.
  int fd() const { return ready_.get(); }
  // Takes note of these.
  void OnReady();
  uint64_t held_bytes() const { return held_bytes_; }

 private:
  struct Blob {
    std::string session;
    uint64_t size = 0;
    std::optional<Expected<void>> taken = {};  // nothing yet: it is pending
    size_t uses = 0;                           // events that need it
  };
  using Blobs = std::map<std::string, Blob, std::less<>>;

  BlobStore(std::filesystem::path state, const BlobLimits& limits)
      : state_(std::move(state)), limits_(limits) {}

  Expected<void> Fits(int64_t run, uint64_t size) const;
  void Erase(Blobs::iterator blob);
  // The thread, which is started by the first.
  void Do(std::function<void()> job);
  void Work();

  const std::filesystem::path state_;
  const BlobLimits limits_;
  Blobs blobs_;
  std::map<int64_t, std::multimap<uint64_t, std::string>> named_;  // of a run, by position
  uint64_t held_bytes_ = 0;

  UniqueFd ready_;
  Mutex mutex_;
  std::condition_variable work_;
  std::deque<std::function<void()>> jobs_ GUARDED_BY(mutex_);
  std::vector<std::pair<std::string, Expected<void>>> results_ GUARDED_BY(mutex_);
  bool stop_ GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace flarebridge
