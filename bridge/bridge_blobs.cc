// Large values beside the journal: the part of Bridge that opens, tends and leaves BlobStore.
#include <sys/epoll.h>

#include <filesystem>
#include <limits>

#include "bridge/bridge.h"
#include "events/clock.h"
#include "events/event_codec.h"

namespace flarebridge {
namespace {

// How often what nobody names is looked for.
constexpr std::chrono::minutes kSweepInterval{10};

}  // namespace

Expected<void> Bridge::OpenBlobs() {
  Expected<std::unique_ptr<BlobStore>> blobs = BlobStore::Open(options_.state, options_.blobs);
  if (!blobs) return Propagate(blobs);
  blobs_ = std::move(*blobs);
  options_.limits.blobs_folder = options_.state + "/blobs";
  return loop_->Add(blobs_->fd(), EPOLLIN, [this](uint32_t) {
    blobs_->OnReady();
    intake_->BlobsAreReady();
  });
}

void Bridge::RememberBlobs() {
  std::error_code failed;
  if (std::filesystem::is_empty(options_.state + "/blobs", failed)) return;
  EventDecoder decoder;
  for (const Intake::RunInfo& run : intake_->KnownRuns()) {
    const auto remember = [&](uint64_t first, uint32_t count, std::string_view body, bool whole) {
      for (uint32_t i = 0; whole && i < count; ++i) {
        const DecodedEvent decoded = decoder.Decode(body);
        if (!decoded.event) return;  // who delivers it tells
        body.remove_prefix(decoded.size);
        const auto* data = std::get_if<Data>(&*decoded.event);
        const auto named = data != nullptr ? BlobsOf(*data) : std::vector<BlobRef>();
        for (const BlobRef& blob : named.value_or(std::vector<BlobRef>()))
          blobs_->Remember(run.id, first + i, blob);
      }
    };
    const Expected<void> read =
        journal_->Read(run.id, 0, std::numeric_limits<size_t>::max(), remember);
    // What is not known of is not deleted while the journal can't say that nobody names it.
    if (!read) sweeps_blobs_ = false;
  }
}

void Bridge::TendBlobs(Time now) {
  if (!sweeps_blobs_ || (swept_at_ && now - *swept_at_ < kSweepInterval)) return;
  swept_at_ = now;
  blobs_->SweepOld(intake_->SessionIds());
}

void Bridge::LeaveBlobs(const std::set<std::string>& sessions) {
  for (const std::string& session : sessions) blobs_->DropSession(session);
  blobs_->SweepOld({});  // of those, too, that never came
  loop_->Remove(blobs_->fd());
  blobs_.reset();  // what it was told is done
  std::error_code ignored;
  std::filesystem::remove_all(options_.state + "/blobs", ignored);
}

}  // namespace flarebridge
