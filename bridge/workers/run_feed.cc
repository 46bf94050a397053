#include "bridge/workers/run_feed.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <csignal>
#include <utility>

#include "bridge/process/exit_code.h"
#include "receivers/argument_changes.h"
#include "receivers/receivers.h"

namespace flarebridge {
namespace {

// Bytes that wait in memory for one worker at most; the rest waits in the journal.
constexpr size_t kMaxOutgoing = size_t{256} << 10;
// Workers that die at the same event before it is left out. What ends a worker once may be a
// chance.
constexpr unsigned kMostDeaths = 3;
// The same with those that somebody killed among them: the kernel, where memory is short, kills who
// takes the most, and does so again for an event that takes too much.
constexpr unsigned kMostKills = 10;

bool IsFinal(const ChildProcess::Exit& exit) {
  return exit.signal == 0 && (exit.status == kExitConfig || exit.status == kExitUsage);
}

// The worker itself was at fault, and not somebody who killed it.
bool IsCrash(const ChildProcess::Exit& exit) {
  if (exit.signal == 0) return exit.status == kExitData;
  constexpr std::array kFaults = {SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL, SIGSYS, SIGTRAP};
  return std::find(kFaults.begin(), kFaults.end(), exit.signal) != kFaults.end();
}

// Each once: a map from outside may name one twice.
std::vector<std::string> NamesOf(const RunSpec& spec) {
  std::vector<std::string> names;
  spec.receivers.root().ForEachPair([&](std::string_view name, Value) {
    if (std::find(names.begin(), names.end(), name) == names.end()) names.emplace_back(name);
  });
  return names;
}

}  // namespace

RunFeed::RunFeed(Shared& shared, const Intake::RunInfo& info, std::optional<uint64_t> stored)
    : shared_(shared),
      info_(info),
      restarts_(shared.limits.restarts),
      // What the journal has forgotten, the run's receivers had on disk.
      receivers_(NamesOf(info.spec), stored ? *stored - 1 : info.last_position,
                 shared.limits.patience) {}

void RunFeed::Start(Time now) {
  progress_at_ = now;
  if (HasWork()) Act(restarts_.OnWork(now), now);
  FinishIfDone();  // an earlier bridge may have finished it, and not have got to drop it
}

void RunFeed::Offer(const Intake::Slice& slice, Time now) {
  if (HasAll()) progress_at_ = now;
  const bool caught_up = IsLive() && sent_ == info_.last_position;
  info_.last_position = slice.first_position + slice.count - 1;
  if (info_.ended && !uploads_.empty()) {
    resumed_ = true;  // it was done with, and goes on, if only to another end
    TellUploads();
  }
  info_.ended = slice.ends;
  finished_ = false;
  receivers_.OnStored(slice.body.size());
  if (failed_since_) failed_bytes_ += slice.body.size();
  // What does not join, or finds no room, is read back from the journal in its order.
  if (caught_up && outgoing_.size() < kMaxOutgoing) {
    shared_.quarantine.AppendSlice(info_, {slice.first_position, slice.count, slice.body},
                                   outgoing_);
    sent_ = info_.last_position;
  }
  if (!shared_.stopping && receivers_.WantsWorker(info_.last_position, now))
    Act(restarts_.OnWork(now), now);
  Pump();
}

void RunFeed::Stop(Time now) {
  if (!worker_) return;
  restarts_.OnStop(now);
  worker_->CloseStream();
}

bool RunFeed::IsStuckOrDone() const {
  return restarts_.state() == RestartPolicy::State::kFailed || (!HasWork() && !worker_);
}

std::string RunFeed::Describe() const {
  std::string reason = last_error_;
  for (const ReceiverStates::Receiver& receiver : receivers_.all()) {
    if (!receiver.IsOpen() && receiver.kept < info_.last_position && !receiver.why.empty())
      reason += (reason.empty() ? "" : "; ") + receiver.name + ": " + receiver.why;
  }
  return info_.spec.site + (reason.empty() ? "" : " (" + reason + ")");
}

std::string RunFeed::Remedy() const {
  std::string remedy;
  for (const ReceiverStates::Receiver& receiver : receivers_.all()) {
    if (receiver.kept >= info_.last_position || receiver.state == ReceiverStates::State::kGivenUp)
      continue;
    const Value arguments = info_.spec.receivers.root().Find(receiver.name).value_or(Value());
    std::vector<std::string> names = RefusedArguments(receiver.name, arguments);
    // It has not come to writing yet, or the disk does not take it.
    const bool failed = !last_error_.empty() || receiver.failed_since;
    if (names.empty() && failed && ParseOwnArguments(receiver.name, arguments))
      names.emplace_back(kFolderArgument);
    for (const std::string& name : names) {
      remedy += " --set " + receiver.name + "." + name + "=";
      for (const char letter : name)
        remedy += static_cast<char>(std::toupper(static_cast<unsigned char>(letter)));
    }
  }
  return remedy;
}

void RunFeed::Tell(NoticeLevel level, const std::string& text) {
  shared_.callbacks.notice(info_.id, level, text);
}

void RunFeed::TellUploads() {
  for (const UploadTarget& target : uploads_) shared_.callbacks.upload(info_.id, target);
}

// --- the worker ---

void RunFeed::Act(RestartPolicy::Action action, Time now) {
  if (action == RestartPolicy::Action::kSpawn && !shared_.stopping) Spawn(now);
  if (action == RestartPolicy::Action::kKill) Kill();
}

void RunFeed::Kill() {
  if (!worker_) return;
  killed_ = true;
  worker_->Kill();
}

void RunFeed::Spawn(Time now) {
  if (receivers_.AllGivenUp()) {  // meanwhile: there is nobody to open
    restarts_.OnStop(now);
    restarts_.OnExit(now, true, false);
    return;
  }
  WorkerHandle::Events events;
  events.readable = [this] { OnReadable(shared_.now()); };
  events.writable = [this] { Pump(); };
  events.exited = [this] { OnExit(shared_.now()); };
  Expected<std::unique_ptr<WorkerHandle>> worker = shared_.spawn(std::move(events));
  if (!worker) {
    Tell(NoticeLevel::kError, worker.error().message);
    restarts_.OnExit(now, false, false);
    return;
  }
  worker_ = std::move(*worker);
  killed_ = false;
  reader_ = FrameReader();
  outgoing_.clear();
  sent_ = 0;
  AppendOpen({info_.spec, receivers_.Open()}, outgoing_);
  Pump();
}

void RunFeed::Release() {
  worker_.reset();
  outgoing_.clear();
  receivers_.OnWorkerGone();
}

void RunFeed::OnReadable(Time now) {
  if (!worker_) return;
  std::string bytes;
  worker_->Receive(bytes);
  reader_.Feed(bytes);
  FrameReader::Frame frame{};
  while (true) {
    const Expected<bool> next = reader_.Next(frame);
    if (next && !*next) break;
    if (!next || !HandleFrame(frame, now)) {
      Kill();
      break;
    }
  }
}

bool RunFeed::HandleFrame(const FrameReader::Frame& frame, Time now) {
  switch (frame.kind) {
    case FrameKind::kNotice: {
      const Expected<Notice> notice = ParseNotice(frame.payload);
      if (!notice) return false;
      if (notice->level == NoticeLevel::kError) {
        last_error_ = notice->text;
        if (told_) return true;
        told_ = true;
      }
      Tell(notice->level, notice->text);
      return true;
    }
    case FrameKind::kUpload: {
      const Expected<UploadFrame> upload = ParseUpload(frame.payload);
      if (!upload) return false;
      const UploadTarget target{std::string(upload->kind), std::string(upload->path)};
      // A receiver that is opened anew may have begun another file; the latest of a kind counts.
      std::erase_if(uploads_, [&](const UploadTarget& old) { return old.kind == target.kind; });
      uploads_.push_back(target);
      shared_.callbacks.upload(info_.id, target);
      return true;
    }
    case FrameKind::kOpening:
      restarts_.OnProgress(now);
      shared_.last_progress = now;
      return true;
    case FrameKind::kReady:
    case FrameKind::kDurable:
      return HandleStatus(frame, now);
    default:
      return false;
  }
}

bool RunFeed::HandleStatus(const FrameReader::Frame& frame, Time now) {
  const Expected<std::vector<ReceiverStatus>> statuses = ParseStatus(frame.payload);
  if (!statuses) return false;
  const uint64_t forgotten = receivers_.Forgotten();
  const Expected<ReceiverStates::Change> change =
      receivers_.Take(*statuses, info_.last_position, now);
  if (!change) return false;
  if (frame.kind == FrameKind::kReady) {
    restarts_.OnReady(now);
    // What was durable once needs not be in a receiver's own reckoning: an event without effects
    // leaves no trace there.
    sent_ = receivers_.FedFrom();
  }
  for (ReceiverStates::Receiver* receiver : change->failed) OnFailed(*receiver);
  if (change->progress) {
    shared_.last_progress = progress_at_ = now;
    hung_ = false;
    last_error_.clear();
    told_ = false;
  }
  if (receivers_.Forgotten() > forgotten)
    shared_.callbacks.durable(info_.id, receivers_.Forgotten());
  Pump();
  StopIfDone(now);
  return true;
}

void RunFeed::StopIfDone(Time now) {
  if (IsLive() && info_.ended && receivers_.OpenOnesHave(info_.last_position)) Stop(now);
}

void RunFeed::OnExit(Time now) {
  if (!worker_) return;
  OnReadable(now);  // its last words
  const std::optional<ChildProcess::Exit> exit = worker_->Reap();
  if (!exit) return;
  const uint64_t at_work = worker_->at_work();
  Release();
  const bool expected = exit->signal == 0 && exit->status == kExitOk;
  const bool stopped = restarts_.state() == RestartPolicy::State::kStopping;
  restarts_.OnExit(now, expected, IsFinal(*exit));
  if (restarts_.state() == RestartPolicy::State::kFailed) OnRefused(now);
  if (!(expected && stopped) && !told_) {
    told_ = true;
    Tell(NoticeLevel::kWarning,
         "its worker " + exit->Describe() + "; a new one goes on from what is on disk");
  }
  const bool crashed = IsCrash(*exit);
  const bool killed = exit->signal == SIGKILL && !killed_;
  if ((crashed || killed) && at_work != 0) Suspect(at_work, crashed);
  if (!shared_.stopping && receivers_.WantsWorker(info_.last_position, now))
    Act(restarts_.OnWork(now), now);
  FinishIfDone();
}

void RunFeed::OnRefused(Time now) {
  failed_since_ = now;
  failed_bytes_ = shared_.journal.BytesAfter(info_.id, receivers_.Forgotten()).value_or(0);
  const std::string remedy = Remedy();
  if (shared_.limits.gives_up_runs || remedy.empty()) return;
  Tell(NoticeLevel::kError, "its events are kept; when the job is over, finish it with: " +
                                shared_.limits.finish_command + remedy);
}

void RunFeed::FinishIfDone() {
  if (worker_ || !info_.ended || !receivers_.OpenOnesHave(info_.last_position)) return;
  // Its earlier end may have been uploaded while it went on.
  if (resumed_) TellUploads();
  resumed_ = false;
  if (finished_ || !IsDone()) return;
  finished_ = true;
  shared_.callbacks.finished(info_.id);
}

void RunFeed::Suspect(uint64_t position, bool crashed) {
  if (position != suspect_) deaths_ = crashes_ = 0;
  suspect_ = position;
  ++deaths_;
  crashes_ += crashed ? 1 : 0;
  if (crashes_ < kMostDeaths && deaths_ < kMostKills) return;
  const unsigned deaths = std::exchange(deaths_, 0);
  crashes_ = 0;
  Expected<std::string> file = Fail(ErrorCode::kMalformed, "the journal does not hold it any more");
  const Expected<void> read =
      shared_.journal.Read(info_.id, position - 1, 1,
                           [&](uint64_t first, uint32_t count, std::string_view body, bool whole) {
                             if (whole && first <= position && position < first + count)
                               file = shared_.quarantine.Put(info_.id, position, first, body);
                           });
  if (!read) file = Propagate(read);
  const std::string event = "an event that " + std::to_string(deaths) + " workers have died at ";
  Tell(NoticeLevel::kError, file ? event + "is left out; it is kept in " + *file
                                 : event + "can't be left out: " + file.error().message);
}

// --- what the worker is fed from ---

void RunFeed::Refill() {
  bool stuck = false;
  const auto append = [&](uint64_t first, uint32_t count, std::string_view body, bool whole) {
    if (stuck) return;
    if (whole) {
      shared_.quarantine.AppendSlice(info_, {first, count, body}, outgoing_);
      sent_ = first + count - 1;
      return;
    }
    // Nothing that is said of it can be relied on, but that it is one of the run's.
    const uint64_t last = std::min(first + std::max(count, 1U) - 1, info_.last_position);
    count = static_cast<uint32_t>(last - first + 1);
    const bool ends = info_.ended && last == info_.last_position;
    const Expected<std::string> file =
        shared_.quarantine.PutDamaged(info_, {first, count, body}, ends, outgoing_);
    stuck = !file;
    if (file) sent_ = last;
    Tell(NoticeLevel::kError,
         std::to_string(count) + " events were damaged on the disk and are left out; " +
             (file ? "what is there is kept in " + *file : file.error().message));
  };
  const Expected<void> read = shared_.journal.Read(info_.id, sent_, kMaxOutgoing, append);
  if (!read) Tell(NoticeLevel::kError, read.error().message);
}

void RunFeed::Pump() {
  if (!worker_) return;
  while (true) {
    if (outgoing_.empty() && IsLive() && sent_ < info_.last_position) Refill();
    if (outgoing_.empty()) break;
    const size_t taken = worker_->Send(outgoing_);
    outgoing_.erase(0, taken);
    if (taken == 0 || !outgoing_.empty()) break;
  }
  worker_->WatchRoom(!outgoing_.empty());
}

// --- time ---

void RunFeed::OnTimer(Time now) {
  Act(restarts_.OnTimer(now), now);
  if (!shared_.stopping) GiveUpRun(now);
  if (shared_.stopping || !receivers_.AnyFailed()) return;
  const uint64_t last = info_.last_position;
  if (receivers_.RetryIsDue(last, now)) {
    // The living ones write out what they have; a new worker opens all of them anew, and those that
    // are ahead recognise what they are given again.
    if (IsLive()) Stop(now);
    Act(restarts_.OnWork(now), now);
  }
  while (ReceiverStates::Receiver* receiver = receivers_.ToGiveUp(last, IsOver(), now))
    GiveUp(*receiver, receiver->why);
  if (quarantine_again_ && now < *quarantine_again_) return;
  for (ReceiverStates::Receiver& receiver : receivers_.all()) {
    if (IsForQuarantine(receiver)) QuarantineSome(receiver, now);
  }
  FinishIfDone();
}

std::optional<RunFeed::Time> RunFeed::NextTimer() const {
  std::optional<Time> next = restarts_.NextTimer();
  const auto consider = [&next](std::optional<Time> time) {
    if (time && (!next || *time < *next)) next = time;
  };
  if (failed_since_ && shared_.limits.gives_up_runs)
    consider(*failed_since_ + shared_.limits.patience.time);
  if (shared_.stopping || !receivers_.AnyFailed()) return next;
  const bool idle = restarts_.state() == RestartPolicy::State::kIdle;
  consider(receivers_.NextTimer(info_.last_position, idle || IsLive()));
  for (const ReceiverStates::Receiver& receiver : receivers_.all()) {
    if (IsForQuarantine(receiver)) consider(quarantine_again_.value_or(Time{}));
  }
  return next;
}

}  // namespace flarebridge
