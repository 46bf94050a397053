// What becomes of the events of receivers that failed: the part of RunFeed that fills quarantine.
#include <algorithm>

#include "bridge/workers/run_feed.h"

namespace flarebridge {
namespace {

// A file of events of a receiver that was given up: written between two turns of the bridge's loop.
constexpr size_t kQuarantinePiece = size_t{4} << 20;
// Once given up, a receiver's further events go to quarantine in files of about this size.
constexpr uint64_t kQuarantineStep = uint64_t{1} << 20;
constexpr std::chrono::seconds kQuarantineRetry{30};

}  // namespace

void RunFeed::OnFailed(ReceiverStates::Receiver& receiver) {
  const Expected<uint64_t> stored = shared_.journal.BytesAfter(info_.id, receiver.kept);
  receiver.backlog = stored.value_or(0);
  // Where none lives the worker ends, and its last words tell.
  const auto& all = receivers_.all();
  const bool others = std::any_of(all.begin(), all.end(), [](const auto& other) {
    return other.state == ReceiverStates::State::kLives;
  });
  if (receiver.told || !others) return;
  receiver.told = true;
  Tell(NoticeLevel::kError,
       receiver.name + ": " + receiver.why + "; the run's other receivers go on, this one " +
           (receiver.state == ReceiverStates::State::kFailed ? "is tried again and catches up"
                                                             : "is left out"));
}

void RunFeed::GiveUp(ReceiverStates::Receiver& receiver, const std::string& why) {
  receivers_.GiveUp(receiver);
  quarantined_until_ = info_.last_position;
  Tell(NoticeLevel::kError, receiver.name + " is given up (" + why +
                                "): events that it lacks are kept in " +
                                shared_.quarantine.folder().string());
}

void RunFeed::GiveUpRun(Time now) {
  const ReceiverStates::Patience& patience = shared_.limits.patience;
  if (!failed_since_ || !shared_.limits.gives_up_runs) return;
  if (now - *failed_since_ < patience.time && failed_bytes_ <= patience.bytes) return;
  failed_since_.reset();
  for (ReceiverStates::Receiver& receiver : receivers_.all()) {
    if (receiver.state == ReceiverStates::State::kGivenUp) continue;
    receiver.backlog = shared_.journal.BytesAfter(info_.id, receiver.kept).value_or(0);
    GiveUp(receiver, last_error_);
  }
}

bool RunFeed::IsStuck(Time now) const {
  return HasWork() && now - progress_at_ >= shared_.limits.stuck_after;
}

uint64_t RunFeed::JournalBytes() const {
  return shared_.journal.BytesAfter(info_.id, receivers_.Forgotten()).value_or(0);
}

bool RunFeed::IsSettingAside() const {
  const auto& all = receivers_.all();
  return std::any_of(all.begin(), all.end(), [this](const ReceiverStates::Receiver& receiver) {
    return IsForQuarantine(receiver);
  });
}

void RunFeed::GiveUpStuck(Time now) {
  if (worker_ && !hung_) {
    hung_ = true;
    progress_at_ = now;  // the next one has its time
    Tell(NoticeLevel::kWarning,
         "its worker gets no further while the journal is nearly full: another one is started");
    Kill();
    return;
  }
  failed_since_.reset();
  const std::string why = "others need the journal's room, and it gets no further" +
                          (last_error_.empty() ? "" : "; " + last_error_);
  for (ReceiverStates::Receiver& receiver : receivers_.all()) {
    if (receiver.state == ReceiverStates::State::kGivenUp || receiver.kept >= info_.last_position)
      continue;
    receiver.backlog = shared_.journal.BytesAfter(info_.id, receiver.kept).value_or(0);
    GiveUp(receiver, why);
  }
  Kill();
}

void RunFeed::GiveUpLargest() {
  ReceiverStates::Receiver* receiver = receivers_.LargestBacklog(info_.last_position);
  if (receiver == nullptr) return;
  GiveUp(*receiver, "the journal keeps too much for receivers that failed; " + receiver->why);
}

bool RunFeed::IsOver() const { return info_.ended && !worker_ && !HasWork(); }

bool RunFeed::IsForQuarantine(const ReceiverStates::Receiver& receiver) const {
  if (receiver.state != ReceiverStates::State::kGivenUp || receiver.kept >= info_.last_position)
    return false;
  return receiver.kept < quarantined_until_ || receiver.backlog >= kQuarantineStep || IsOver();
}

void RunFeed::QuarantineSome(ReceiverStates::Receiver& receiver, Time now) {
  std::string events;
  std::optional<uint64_t> first;
  std::optional<uint64_t> last;
  Expected<void> kept;
  const auto take = [&](uint64_t position, uint32_t count, std::string_view body, bool whole) {
    last = std::min(position + std::max(count, 1U) - 1, info_.last_position);
    if (whole) {
      if (!first) first = position;
      events += body;
      return;
    }
    std::string unused;
    const auto file = shared_.quarantine.PutDamaged(info_, {position, count, body}, false, unused);
    if (!file) kept = Propagate(file);
  };
  Expected<void> done = shared_.journal.Read(info_.id, receiver.kept, kQuarantinePiece, take);
  if (done) done = kept;
  if (done && first) {
    const Expected<std::string> file =
        shared_.quarantine.PutBacklog(info_.id, receiver.name, *first, events);
    if (!file) done = Propagate(file);
  }
  if (!done) {
    quarantine_again_ = now + kQuarantineRetry;
    if (!receiver.told) Tell(NoticeLevel::kError, done.error().message);
    receiver.told = true;
    return;
  }
  quarantine_again_.reset();
  receiver.told = false;
  const uint64_t forgotten = receivers_.Forgotten();
  // Where the journal holds nothing more, there is nothing to wait for.
  receiver.kept = last.value_or(info_.last_position);
  receiver.backlog -= std::min<uint64_t>(receiver.backlog, events.size());
  if (receivers_.Forgotten() > forgotten)
    shared_.callbacks.durable(info_.id, receivers_.Forgotten());
}

}  // namespace flarebridge
