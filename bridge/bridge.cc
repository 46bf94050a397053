#include "bridge/bridge.h"

#include <signal.h>
#include <spdlog/spdlog.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <thread>

#include "bridge/workers/watched_worker.h"
#include "events/clock.h"
#include "events/printable.h"
#include "receivers/files/file_info.h"
#include "receivers/files/system_error.h"

namespace flarebridge {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr seconds kCommitRetry{1};
// What is not urgent: one commit a second does it for all runs when nothing else is stored.
constexpr seconds kStoreSoon{1};
// How long the state folder's lock may be held by a bridge that is just finishing.
constexpr seconds kLockDeadline{5};
// That the journal is full is told this often.
constexpr seconds kFullInterval{60};
// Reasons of rejected events are logged at most this often.
constexpr seconds kRejectionInterval{10};

Leaving::Terms TermsOf(const ServeOptions& options) {
  Leaving::Terms terms;
  terms.own = options.own;
  terms.serves = !options.endpoint.empty();
  terms.watches_parent = options.parent != 0;
  terms.finish_timeout = options.finish_timeout;
  terms.upload_timeout = options.upload_timeout;
  terms.session_timeout = options.session_timeout;
  return terms;
}

}  // namespace

// --- what the program is made of ---

Expected<std::unique_ptr<Bridge>> Bridge::Start(const ServeOptions& options,
                                                std::shared_ptr<spdlog::logger> log) {
  std::unique_ptr<Bridge> bridge(new Bridge(options, std::move(log)));
  if (Expected<void> ready = bridge->Prepare(); !ready) return Propagate(ready);
  return bridge;
}

Bridge::Bridge(const ServeOptions& options, std::shared_ptr<spdlog::logger> log)
    : options_(options), log_(std::move(log)), leaving_(TermsOf(options)) {}

Bridge::~Bridge() {
  conversations_.reset();
  // The shim made the folder of an own bridge's socket for it alone; the last one out removes it.
  constexpr std::string_view kIpc = "ipc://";
  if (options_.own && options_.endpoint.starts_with(kIpc)) {
    rmdir(std::filesystem::path(options_.endpoint.substr(kIpc.size())).parent_path().c_str());
  }
}

Expected<void> Bridge::Prepare() {
  if (Expected<void> locked = TakeLock(); !locked) return locked;
  Expected<std::unique_ptr<EventLoop>> loop = EventLoop::Create();
  if (!loop) return Propagate(loop);
  loop_ = std::move(*loop);
  if (options_.own && options_.parent == 0) processes_ = std::make_unique<SessionProcesses>(*loop_);
  if (Expected<void> watched = WatchSignals(); !watched) return watched;
  if (Expected<void> watched = WatchParent(); !watched) return watched;
  if (Expected<void> opened = OpenBlobs(); !opened) return opened;
  if (Expected<void> opened = OpenJournal(); !opened) return opened;
  if (Expected<void> opened = OpenConversations(); !opened) return opened;
  MakeSupervisor();
  MakeUploader();
  TellOfPlatform();
  return {};
}

Expected<void> Bridge::TakeLock() {
  const Time deadline = Clock::now() + kLockDeadline;
  while (true) {
    Expected<FileLock> lock = FileLock::OfFile(options_.state + "/bridge.lock");
    if (lock) {
      lock_ = std::move(*lock);
      return {};
    }
    if (lock.error().code != ErrorCode::kBusy) return Propagate(lock);
    if (Clock::now() >= deadline) {
      return Fail(ErrorCode::kBusy, "another bridge still works in " + options_.state +
                                        "; it leaves when its runs are finished");
    }
    std::this_thread::sleep_for(milliseconds(50));
  }
}

void Bridge::TellOfPlatform() {
  if (!lock_.excludes())
    log_->warn(
        "this file system has no locks: two bridges in one folder would not notice each other ({})",
        options_.state);
  const Expected<FileInfo> folder = InfoOf(std::filesystem::path(options_.state));
  if (folder && folder->IsOpenToOthers())
    log_->warn("others may look into {}, where events are: close it with chmod 700",
               options_.state);
}

Expected<void> Bridge::WatchSignals() {
  sigset_t mask;
  sigemptyset(&mask);
  for (const int number : {SIGTERM, SIGINT}) sigaddset(&mask, number);
  sigprocmask(SIG_BLOCK, &mask, nullptr);
  signals_ = UniqueFd(signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!signals_) return FailSystem("signalfd");
  return loop_->Add(signals_.get(), EPOLLIN, [this](uint32_t) {
    signalfd_siginfo info{};
    if (read(signals_.get(), &info, sizeof(info)) != sizeof(info)) return;
    log_->info("signal {}: leaving; events that are not in their runs yet stay in the journal",
               info.ssi_signo);
    seen_.asked = true;
  });
}

Expected<void> Bridge::WatchParent() {
  if (options_.parent == 0) return {};
  Expected<ProcessWatch> watch = ProcessWatch::Of(options_.parent);
  if (!watch) return Propagate(watch);
  parent_ = std::move(*watch);
  return loop_->Add(parent_->fd(), EPOLLIN, [this](uint32_t) {
    if (!parent_->HasEnded()) return;
    log_->info("process {} has ended", options_.parent);
    seen_.parent_gone = true;
    loop_->Remove(parent_->fd());
  });
}

Expected<void> Bridge::OpenJournal() {
  Expected<std::unique_ptr<Journal>> journal = Journal::Open(options_.state + "/journal.db");
  if (!journal) return Propagate(journal);
  journal_ = std::move(*journal);
  Intake::Start start;
  // Sessions of a shared bridge do not notice a restart; a job's own has those of its parent only.
  if (options_.parent == 0 && !options_.endpoint.empty()) start = {Clock::now(), EpochNow()};
  Expected<std::unique_ptr<Intake>> intake =
      Intake::Load(*journal_, options_.limits, start, blobs_.get());
  if (!intake) return Propagate(intake);
  intake_ = std::move(*intake);
  RememberBlobs();
  return ChangeArguments();
}

Expected<void> Bridge::ChangeArguments() {
  if (options_.changes.empty()) return {};
  const Expected<size_t> changed = intake_->ChangeArguments(options_.changes);
  if (!changed) return PropagateFrom("--set", changed);
  log_->info("{} runs have other arguments from now on (--set)", *changed);
  return {};
}

Expected<void> Bridge::OpenConversations() {
  std::unique_ptr<Link> link;
  // Others than this machine's own processes can't write into it.
  const bool here = options_.endpoint.starts_with("ipc://");
  const std::string spool = here ? options_.state + "/spool" : "";
  if (!options_.endpoint.empty()) {
    Expected<std::unique_ptr<Link>> bound = Link::Bind(options_.endpoint, options_.security);
    if (!bound) return Propagate(bound);
    link = std::move(*bound);
    // It wakes the loop; Run() does the rest.
    Expected<void> watched = loop_->Add(link->fd(), EPOLLIN, [](uint32_t) {});
    if (!watched) return watched;
  }
  conversations_ = std::make_unique<Conversations>(
      std::move(link), *intake_, log_, [this](Time now) { StoreSoon(now); }, spool);
  return {};
}

void Bridge::MakeSupervisor() {
  Supervisor::Callbacks callbacks;
  callbacks.durable = [this](int64_t run, uint64_t position) {
    intake_->Forget(run, position);
    StoreSoon(Clock::now());
  };
  callbacks.finished = [this](int64_t run) {
    intake_->Finished(run);
    StoreSoon(Clock::now());
  };
  callbacks.upload = [this](int64_t run, const UploadTarget& target) {
    uploader_->Add(target, Clock::now());
    if (const auto words = stops_.Place(run, target)) conversations_->AnnounceStop(run, *words);
  };
  callbacks.notice = [this](int64_t run, NoticeLevel level, const std::string& text) {
    conversations_->AnnounceOfRun(run, level, text);
  };
  Supervisor::Seams seams;
  seams.spawn = [this](const WorkerHandle::Events& events) {
    return WatchedWorker::Spawn(*loop_, events, options_.require_confinement);
  };
  seams.now = Clock::now;
  Supervisor::Limits limits;
  // However small the journal is, most of it is for receivers that live.
  limits.backlog_bytes = std::min(limits.backlog_bytes, options_.limits.journal_bytes / 4);
  // In a shared bridge a job may have half of it, when it is alone (IntakeLimits::shares).
  limits.crowded_bytes = options_.limits.journal_bytes / (options_.limits.shares ? 8 : 4) * 3;
  limits.finish_command = FinishCommand();
  // A later start can finish what a job's own bridge leaves; a shared one must go on.
  limits.gives_up_runs = !options_.own;
  supervisor_ = std::make_unique<Supervisor>(
      *journal_, Quarantine(options_.state + "/quarantine", journal_->id()), std::move(callbacks),
      std::move(seams), limits);
}

void Bridge::MakeUploader() {
  UploadSupervisor::Callbacks callbacks;
  callbacks.notice = [this](const Notice& notice) { conversations_->Announce(notice); };
  callbacks.stop = [this](const UploadTarget& target, const std::string& words) {
    OnStopAsked(target, words);
  };
  uploader_ = std::make_unique<UploadSupervisor>(*loop_, options_.state + "/uploads",
                                                 options_.secrets, std::move(callbacks));
}

// --- what it does ---

int Bridge::Run() {
  const Time started = Clock::now();
  seen_.started = seen_.last_input = started;
  GoOnWithKnownRuns(started);
  if (processes_) processes_->WatchThese(intake_->Processes());
  uploader_->Start(started);
  Leaving::Decision decision{Leaving::Step::kStay, started};  // looks round at once
  while (decision.step != Leaving::Step::kLeave) {
    const bool input = conversations_->HasInput() && intake_->waiting_bytes() < kMostPerCommit;
    loop_->RunOnce(input ? milliseconds(0) : Patience(decision.until, Clock::now()));
    const Time now = Clock::now();
    Receive(now);
    Store(now);
    TellFull(now);
    supervisor_->OnTimer(now);
    uploader_->OnTimer(now);
    TendSilentSessions(now);
    TendBlobs(now);
    decision = DecideToLeave(now);
    if (decision.step == Leaving::Step::kStopWorkers) supervisor_->StopAll(now);
    if (decision.step == Leaving::Step::kFinishUploads) uploader_->Finish(now);
  }
  TakeLeave(decision.why);
  log_->info("leaving with status {}", decision.status);
  return decision.status;
}

void Bridge::GoOnWithKnownRuns(Time now) {
  for (const Intake::RunInfo& run : intake_->KnownRuns()) {
    std::optional<uint64_t> stored;
    const Expected<void> read = journal_->Read(
        run.id, 0, 1,
        [&stored](uint64_t first, uint32_t, std::string_view, bool) { stored = first; });
    if (!read) log_->error("{}", read.error().message);
    if (stored) {
      log_->info("going on with the run of {}", run.spec.site);
      intake_->HasUnwritten(run.id, *stored);
    }
    supervisor_->Add(run, stored, now);
  }
}

void Bridge::Receive(Time now) {
  if (conversations_->ReceiveAll(kMostPerCommit, now)) seen_.last_input = now;
}

void Bridge::Store(Time now) {
  if (retry_commit_ && now < *retry_commit_) return;
  retry_commit_.reset();
  const bool due = store_at_ && now >= *store_at_;
  if (due) store_at_.reset();
  if (!due && !(intake_->HasEvents() && intake_->HasWork())) return;
  const Expected<Intake::Committed> committed = intake_->Commit(EpochNow());
  if (!committed) {
    OnBlocked(committed.error(), now);
    return;
  }
  if (seen_.journal_blocked_since) log_->info("the journal can be written again");
  seen_.journal_blocked_since.reset();
  store_at_.reset();
  HandOut(*committed, now);
}

void Bridge::OnBlocked(const Error& error, Time now) {
  retry_commit_ = now + kCommitRetry;
  if (seen_.journal_blocked_since) return;
  seen_.journal_blocked_since = now;
  log_->error("nothing is acknowledged: {}", error.message);
  conversations_->TellAll(
      Notice{NoticeLevel::kError,
             "events wait in the training process until the journal can be written again: " +
                 error.message});
}

void Bridge::HandOut(const Intake::Committed& committed, Time now) {
  filtered_ = intake_->filtered();
  for (const std::string& session : committed.sessions)
    conversations_->Tell(session, intake_->AckOf(session));
  for (const std::string& session : committed.held) conversations_->SendAgain(session);
  TellRejections(committed.notices, now);
  for (const Intake::RunInfo& run : committed.new_runs) {
    log_->info("a run for {} of job {}", run.spec.site, run.spec.job);
    supervisor_->Add(run, std::nullopt, now);
  }
  for (const Intake::Slice& slice : committed.slices) supervisor_->Offer(slice, now);
  for (const int64_t run : committed.dropped_runs) {
    supervisor_->Remove(run);
    stops_.Forget(run);
    conversations_->ForgetRun(run);
  }
  for (const std::string& session : committed.dropped_sessions) {
    conversations_->Forget(session);
    blobs_->DropSession(session);
  }
  if (processes_) processes_->WatchThese(intake_->Processes());
}

void Bridge::OnStopAsked(const UploadTarget& target, const std::string& words) {
  if (const std::optional<int64_t> run = stops_.Asked(target, words))
    conversations_->AnnounceStop(*run, words);
  else
    log_->info("{} was {}; who feeds it is told when it goes on", target.path, Printable(words));
}

void Bridge::TellFull(Time now) {
  if (!intake_->IsFull()) {
    if (full_told_) log_->info("the journal has room again");
    full_told_.reset();
    return;
  }
  if (full_told_ && now - *full_told_ < kFullInterval) return;
  full_told_ = now;
  const std::string words =
      "the journal is full (--journal-max): events wait in the training processes; most of it is ";
  conversations_->Announce({NoticeLevel::kError, words + intake_->FillsMost()});
}

void Bridge::TellRejections(const std::vector<std::string>& reasons, Time now) {
  // The number is in every acknowledgement; the reasons are for a person, who needs a few of them.
  if (reasons.empty() || (rejections_told_ && now - *rejections_told_ < kRejectionInterval)) return;
  rejections_told_ = now;
  for (const std::string& reason : reasons) log_->warn("{}", reason);
}

void Bridge::StoreSoon(Time now) {
  if (!store_at_) store_at_ = now + kStoreSoon;
}

std::optional<milliseconds> Bridge::Patience(std::optional<Time> leaving, Time now) const {
  std::optional<Time> next = leaving;
  for (const std::optional<Time>& time :
       {retry_commit_, store_at_, supervisor_->NextTimer(), uploader_->NextTimer()}) {
    if (time && (!next || *time < *next)) next = time;
  }
  if (!next) return std::nullopt;
  return std::max(milliseconds(0), std::chrono::ceil<milliseconds>(*next - now));
}

}  // namespace flarebridge
