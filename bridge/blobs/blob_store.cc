#include "bridge/blobs/blob_store.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include "receivers/files/blob_files.h"
#include "receivers/files/folders.h"
#include "receivers/files/system_error.h"

namespace flarebridge {
namespace {

// How long what nobody names is kept: a shim may be about to name it.
constexpr std::chrono::hours kUnnamed{1};

}  // namespace

Expected<std::unique_ptr<BlobStore>> BlobStore::Open(std::filesystem::path state,
                                                     const BlobLimits& limits) {
  std::unique_ptr<BlobStore> store(new BlobStore(std::move(state), limits));
  // Workers that are started from now on reach it. If it can't be made now, it is tried again when
  // a value comes.
  (void)MakePrivateFolder(BlobsFolder(store->state_));
  store->ready_ = UniqueFd(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!store->ready_) return FailSystem("eventfd");
  return store;
}

BlobStore::~BlobStore() {
  if (!thread_.joinable()) return;
  {
    const MutexLock lock(mutex_);
    stop_ = true;
  }
  work_.notify_one();
  thread_.join();
}

// --- what events name ---

Expected<BlobKeeper::State> BlobStore::Take(const std::string& session, int64_t run,
                                            const BlobRef& blob) {
  const auto found = blobs_.find(blob.id);
  if (found != blobs_.end()) {
    const Blob& known = found->second;
    if (known.session != session || known.size != blob.size)
      return Fail(ErrorCode::kForbidden, "a large value is another event's");
    if (!known.taken) return State::kPending;
    if (*known.taken) return State::kStored;
    const Expected<void> failed = *known.taken;
    Erase(found);
    return Propagate(failed);
  }
  if (Expected<void> fits = Fits(run, blob.size); !fits) return Propagate(fits);
  const std::string id(blob.id);
  blobs_.emplace(id, Blob{session, blob.size});
  held_bytes_ += blob.size;
  Do([this, session, id, size = blob.size] {
    Expected<void> taken = TakeOver(state_, session, id, size);
    {
      const MutexLock lock(mutex_);
      results_.emplace_back(id, std::move(taken));
    }
    const uint64_t one = 1;
    (void)!write(ready_.get(), &one, sizeof one);
  });
  return State::kPending;
}

Expected<void> BlobStore::Fits(int64_t run, uint64_t size) const {
  const auto mebibytes = [](uint64_t bytes) { return std::to_string(bytes >> 20) + " MiB"; };
  if (size > limits_.one)
    return Fail(ErrorCode::kTooLarge, "a value of " + mebibytes(size) + " is larger than " +
                                          mebibytes(limits_.one) + " (--blob-max)");
  uint64_t of_run = 0;
  if (const auto named = named_.find(run); named != named_.end()) {
    for (const auto& [position, id] : named->second) {
      const auto blob = blobs_.find(id);
      if (blob != blobs_.end()) of_run += blob->second.size;
    }
  }
  if (held_bytes_ + size > limits_.all || of_run + size > limits_.all / 2)
    return Fail(ErrorCode::kTooLarge,
                "there is no room for a value of " + mebibytes(size) +
                    ": those that are not in their runs yet fill it (--blobs-max)");
  return {};
}

void BlobStore::Discard(const std::string& session, std::string_view id) {
  const auto found = blobs_.find(id);
  if (found == blobs_.end()) {
    Do([this, session, name = std::string(id)] { RemoveSpooled(state_, session, name); });
  } else if (found->second.session == session && found->second.uses == 0) {
    Erase(found);
  }
}

void BlobStore::Name(int64_t run, uint64_t position, std::string_view id) {
  const auto found = blobs_.find(id);
  if (found == blobs_.end()) return;
  ++found->second.uses;
  named_[run].emplace(position, id);
}

void BlobStore::Remember(int64_t run, uint64_t position, const BlobRef& blob) {
  const auto [found, is_new] =
      blobs_.try_emplace(std::string(blob.id), Blob{{}, blob.size, Expected<void>()});
  if (is_new) held_bytes_ += blob.size;
  Name(run, position, found->first);
}

void BlobStore::Forget(int64_t run, uint64_t position) {
  const auto named = named_.find(run);
  if (named == named_.end()) return;
  const auto end = named->second.upper_bound(position);
  for (auto one = named->second.begin(); one != end; one = named->second.erase(one)) {
    const auto blob = blobs_.find(one->second);
    if (blob != blobs_.end() && --blob->second.uses == 0) Erase(blob);
  }
  if (named->second.empty()) named_.erase(named);
}

void BlobStore::Erase(Blobs::iterator blob) {
  held_bytes_ -= blob->second.size;
  Do([this, session = blob->second.session, id = blob->first] {
    RemoveBlob(state_, id);
    if (!session.empty()) RemoveSpooled(state_, session, id);
  });
  blobs_.erase(blob);
}

void BlobStore::DropSession(const std::string& session) {
  for (auto blob = blobs_.begin(); blob != blobs_.end();) {
    const auto next = std::next(blob);
    if (blob->second.session == session && blob->second.uses == 0) Erase(blob);
    blob = next;
  }
  Do([this, session] { RemoveSpool(state_, session); });
}

void BlobStore::SweepOld(std::set<std::string> sessions) {
  std::set<std::string> known;
  for (const auto& [id, blob] : blobs_) known.insert(id);
  Do([this, sessions = std::move(sessions), known = std::move(known)] {
    (void)Sweep(state_, sessions, known, kUnnamed);
  });
}

void BlobStore::OnReady() {
  uint64_t count = 0;
  (void)!read(ready_.get(), &count, sizeof count);
  std::vector<std::pair<std::string, Expected<void>>> results;
  {
    const MutexLock lock(mutex_);
    results.swap(results_);
  }
  for (auto& [id, taken] : results) {
    const auto blob = blobs_.find(id);
    if (blob != blobs_.end()) blob->second.taken = std::move(taken);
  }
}

// --- the thread ---

void BlobStore::Do(std::function<void()> job) {
  {
    const MutexLock lock(mutex_);
    jobs_.push_back(std::move(job));
  }
  if (!thread_.joinable()) thread_ = std::thread([this] { Work(); });
  work_.notify_one();
}

void BlobStore::Work() {
  MutexLock lock(mutex_);
  while (true) {
    while (jobs_.empty() && !stop_) work_.wait(lock.waitable());
    if (jobs_.empty()) return;
    const std::function<void()> job = std::move(jobs_.front());
    jobs_.pop_front();
    lock.Unlock();
    job();
    lock.Lock();
  }
}

}  // namespace flarebridge
