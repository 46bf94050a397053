#include "bridge/workers/supervisor.h"

#include <sys/epoll.h>

#include <algorithm>
#include <array>
#include <csignal>

#include "bridge/process/exit_code.h"
#include "events/clock.h"

namespace flarebridge {
namespace {

// Bytes that wait in memory for one worker at most; the rest waits in the journal.
constexpr size_t kMaxOutgoing = size_t{256} << 10;
// Workers that die at the same event before it is left out. What ends a worker once may be a
// chance.
constexpr unsigned kMostDeaths = 3;

bool IsFinal(const ChildProcess::Exit& exit) {
  return exit.signal == 0 && (exit.status == kExitConfig || exit.status == kExitUsage);
}

// The worker itself was at fault, and not somebody who killed it.
bool IsCrash(const ChildProcess::Exit& exit) {
  if (exit.signal == 0) return exit.status == kExitData;
  constexpr std::array kFaults = {SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL, SIGSYS, SIGTRAP};
  return std::find(kFaults.begin(), kFaults.end(), exit.signal) != kFaults.end();
}

}  // namespace

struct Supervisor::Run {
  Run(const Intake::RunInfo& run_info, const RestartPolicy::Deadlines& policy)
      : info(run_info), restarts(policy) {}

  bool HasWork() const { return durable < info.last_position; }
  bool IsLive() const { return restarts.state() == RestartPolicy::State::kRunning; }

  Intake::RunInfo info;
  RestartPolicy restarts;
  std::unique_ptr<ChildProcess> worker;
  FrameReader reader;
  std::string outgoing;
  uint64_t sent = 0;       // positions up to here are in the worker or in `outgoing`
  uint64_t durable = 0;    // positions up to here are on disk in every receiver
  bool resumed = false;    // it has gone on after an end
  std::string upload;      // a file to be uploaded, or empty
  std::string last_error;  // the worker's last words
  bool told = false;       // this failure has been told
  uint64_t suspect = 0;    // position of the event at which workers die
  unsigned deaths = 0;     // of workers at the suspect, in a row
};

Supervisor::Supervisor(EventLoop& loop, Journal& journal, Quarantine quarantine,
                       Callbacks callbacks, const RestartPolicy::Deadlines& policy)
    : loop_(loop),
      journal_(journal),
      quarantine_(std::move(quarantine)),
      callbacks_(std::move(callbacks)),
      policy_(policy) {}

Supervisor::~Supervisor() {
  for (auto& [id, run] : runs_) Release(*run);
}

void Supervisor::Add(const Intake::RunInfo& info, std::optional<uint64_t> stored, Time now) {
  auto& run = runs_[info.id];
  run = std::make_unique<Run>(info, policy_);
  // What the journal has forgotten, the run's receivers had on disk.
  run->durable = stored ? *stored - 1 : info.last_position;
  if (stored) Act(*run, run->restarts.OnWork(now), now);
}

void Supervisor::Offer(const Intake::Slice& slice, Time now) {
  Run& run = *runs_.at(slice.run);
  const bool caught_up = run.IsLive() && run.sent == run.info.last_position;
  run.info.last_position = slice.first_position + slice.count - 1;
  if (run.info.ended && !slice.ends && !run.upload.empty()) {
    run.resumed = true;  // it was done with, and goes on
    callbacks_.upload(run.info.id, run.upload);
  }
  run.info.ended = slice.ends;
  // What does not join, or finds no room, is read back from the journal in its order.
  if (caught_up && run.outgoing.size() < kMaxOutgoing) {
    quarantine_.AppendSlice(run.info, {slice.first_position, slice.count, slice.body},
                            run.outgoing);
    run.sent = run.info.last_position;
  }
  if (!stopping_) Act(run, run.restarts.OnWork(now), now);
  Pump(run);
}

void Supervisor::Remove(int64_t run) { runs_.erase(run); }

bool Supervisor::AllDone() const {
  return std::all_of(runs_.begin(), runs_.end(), [](const auto& entry) {
    return !entry.second->HasWork() && !entry.second->worker;
  });
}

bool Supervisor::NothingMoves() const {
  return std::all_of(runs_.begin(), runs_.end(), [](const auto& entry) {
    const Run& run = *entry.second;
    return run.restarts.state() == RestartPolicy::State::kFailed || (!run.HasWork() && !run.worker);
  });
}

std::vector<std::string> Supervisor::Undone() const {
  std::vector<std::string> undone;
  for (const auto& [id, run] : runs_) {
    if (!run->HasWork()) continue;
    undone.push_back(run->info.spec.site +
                     (run->last_error.empty() ? "" : " (" + run->last_error + ")"));
  }
  return undone;
}

size_t Supervisor::workers() const {
  return static_cast<size_t>(std::count_if(runs_.begin(), runs_.end(), [](const auto& entry) {
    return entry.second->worker != nullptr;
  }));
}

void Supervisor::StopAll(Time now) {
  stopping_ = true;
  for (auto& [id, run] : runs_) {
    if (!run->worker) continue;
    run->restarts.OnStop(now);
    run->worker->CloseStream();
  }
}

void Supervisor::Act(Run& run, RestartPolicy::Action action, Time now) {
  if (action == RestartPolicy::Action::kSpawn && !stopping_) Spawn(run, now);
  if (action == RestartPolicy::Action::kKill && run.worker) run.worker->Kill();
}

void Supervisor::Spawn(Run& run, Time now) {
  Expected<std::unique_ptr<ChildProcess>> worker =
      ChildProcess::Spawn({"worker"}, ChildProcess::Kind::kWorker);
  if (!worker) {
    callbacks_.notice(run.info.id, NoticeLevel::kError, worker.error().message);
    run.restarts.OnExit(now, false, false);
    return;
  }
  run.worker = std::move(*worker);
  run.reader = FrameReader();
  run.outgoing.clear();
  run.sent = 0;
  run.info.spec.durable = run.durable;
  AppendOpen(run.info.spec, run.outgoing);
  Run* target = &run;
  const auto watched_socket =
      loop_.Add(run.worker->socket(), EPOLLIN, [this, target](uint32_t events) {
        if ((events & EPOLLOUT) != 0) Pump(*target);
        if ((events & ~uint32_t{EPOLLOUT}) != 0) OnReadable(*target, Clock::now());
      });
  const auto watched_exit = loop_.Add(run.worker->pidfd(), EPOLLIN,
                                      [this, target](uint32_t) { OnExit(*target, Clock::now()); });
  if (!watched_socket || !watched_exit) {
    Release(run);
    run.restarts.OnExit(now, false, false);
    return;
  }
  Pump(run);
}

void Supervisor::OnReadable(Run& run, Time now) {
  if (!run.worker) return;
  std::string bytes;
  const bool open = run.worker->Receive(bytes);
  run.reader.Feed(bytes);
  FrameReader::Frame frame{};
  while (true) {
    const Expected<bool> next = run.reader.Next(frame);
    if (next && !*next) break;
    if (!next || !HandleFrame(run, frame, now)) {
      run.worker->Kill();
      break;
    }
  }
  // Its end is closed or spoilt: the pidfd tells the rest.
  if (!open) loop_.Remove(run.worker->socket());
}

bool Supervisor::HandleFrame(Run& run, const FrameReader::Frame& frame, Time now) {
  if (frame.kind == FrameKind::kNotice) {
    const Expected<Notice> notice = ParseNotice(frame.payload);
    if (!notice) return false;
    if (notice->level == NoticeLevel::kError) {
      run.last_error = notice->text;
      if (run.told) return true;
      run.told = true;
    }
    callbacks_.notice(run.info.id, notice->level, notice->text);
    return true;
  }
  if (frame.kind == FrameKind::kUpload) {
    const Expected<std::string> path = ParseUpload(frame.payload);
    if (!path) return false;
    run.upload = *path;
    callbacks_.upload(run.info.id, run.upload);
    return true;
  }
  const Expected<uint64_t> position = ParsePosition(frame.payload);
  if (!position || *position > run.info.last_position) return false;
  if (frame.kind == FrameKind::kReady) {
    run.restarts.OnReady(now);
    // What was durable once needs not be in the run's own reckoning: an event without effects
    // leaves no trace there.
    run.sent = std::max(*position, run.durable);
  } else if (frame.kind != FrameKind::kDurable) {
    return false;
  }
  if (*position > run.durable) {
    run.durable = *position;
    last_progress_ = now;
    run.last_error.clear();
    run.told = false;
    callbacks_.durable(run.info.id, run.durable);
  }
  Pump(run);
  StopIfDone(run, now);
  return true;
}

void Supervisor::StopIfDone(Run& run, Time now) {
  if (!run.IsLive() || !run.info.ended || run.HasWork()) return;
  run.restarts.OnStop(now);
  run.worker->CloseStream();
}

void Supervisor::OnExit(Run& run, Time now) {
  if (!run.worker) return;
  OnReadable(run, now);  // its last words
  const std::optional<ChildProcess::Exit> exit = run.worker->Reap();
  if (!exit) return;
  const uint64_t at_work = run.worker->at_work();
  Release(run);
  const bool expected = exit->signal == 0 && exit->status == kExitOk;
  const bool stopped = run.restarts.state() == RestartPolicy::State::kStopping;
  run.restarts.OnExit(now, expected, IsFinal(*exit));
  if (!(expected && stopped) && !run.told) {
    run.told = true;
    callbacks_.notice(
        run.info.id, NoticeLevel::kWarning,
        "its worker " + exit->Describe() + "; a new one goes on from what is on disk");
  }
  if (IsCrash(*exit) && at_work != 0) Suspect(run, at_work);
  if (run.HasWork() && !stopping_) Act(run, run.restarts.OnWork(now), now);
  if (run.HasWork() || run.worker || !run.info.ended) return;
  // Its earlier end may have been uploaded while it went on.
  if (run.resumed) callbacks_.upload(run.info.id, run.upload);
  run.resumed = false;
  callbacks_.finished(run.info.id);
}

void Supervisor::Release(Run& run) {
  if (!run.worker) return;
  loop_.Remove(run.worker->socket());
  loop_.Remove(run.worker->pidfd());
  run.worker.reset();
  run.outgoing.clear();
}

void Supervisor::Suspect(Run& run, uint64_t position) {
  run.deaths = position == run.suspect ? run.deaths + 1 : 1;
  run.suspect = position;
  if (run.deaths < kMostDeaths) return;
  run.deaths = 0;
  Expected<std::string> file = Fail(ErrorCode::kMalformed, "the journal does not hold it any more");
  const Expected<void> read =
      journal_.Read(run.info.id, position - 1, 1,
                    [&](uint64_t first, uint32_t count, std::string_view body, bool whole) {
                      if (whole && first <= position && position < first + count)
                        file = quarantine_.Put(run.info.id, position, first, body);
                    });
  if (!read) file = Propagate(read);
  const std::string event =
      "an event that " + std::to_string(kMostDeaths) + " workers have died at ";
  callbacks_.notice(run.info.id, NoticeLevel::kError,
                    file ? event + "is left out; it is kept in " + *file
                         : event + "can't be left out: " + file.error().message);
}

void Supervisor::Refill(Run& run) {
  bool stuck = false;
  const auto append = [&](uint64_t first, uint32_t count, std::string_view body, bool whole) {
    if (stuck) return;
    if (whole) {
      quarantine_.AppendSlice(run.info, {first, count, body}, run.outgoing);
      run.sent = first + count - 1;
      return;
    }
    // Nothing that is said of it can be relied on, but that it is one of the run's.
    const uint64_t last = std::min(first + std::max(count, 1U) - 1, run.info.last_position);
    count = static_cast<uint32_t>(last - first + 1);
    const bool ends = run.info.ended && last == run.info.last_position;
    const Expected<std::string> file =
        quarantine_.PutDamaged(run.info, {first, count, body}, ends, run.outgoing);
    stuck = !file;
    if (file) run.sent = last;
    callbacks_.notice(run.info.id, NoticeLevel::kError,
                      std::to_string(count) +
                          " events were damaged on the disk and are left out; " +
                          (file ? "what is there is kept in " + *file : file.error().message));
  };
  const Expected<void> read = journal_.Read(run.info.id, run.sent, kMaxOutgoing, append);
  if (!read) callbacks_.notice(run.info.id, NoticeLevel::kError, read.error().message);
}

void Supervisor::Pump(Run& run) {
  if (!run.worker) return;
  while (true) {
    if (run.outgoing.empty() && run.IsLive() && run.sent < run.info.last_position) Refill(run);
    if (run.outgoing.empty()) break;
    const size_t taken = run.worker->Send(run.outgoing);
    run.outgoing.erase(0, taken);
    if (taken == 0 || !run.outgoing.empty()) break;
  }
  loop_.Modify(run.worker->socket(), run.outgoing.empty() ? EPOLLIN : EPOLLIN | EPOLLOUT);
}

void Supervisor::OnTimer(Time now) {
  for (auto& [id, run] : runs_) Act(*run, run->restarts.OnTimer(now), now);
}

std::optional<Supervisor::Time> Supervisor::NextTimer() const {
  std::optional<Time> next;
  for (const auto& [id, run] : runs_) {
    const std::optional<Time> timer = run->restarts.NextTimer();
    if (timer && (!next || *timer < *next)) next = timer;
  }
  return next;
}

}  // namespace flarebridge
