#include "bridge/bridge.h"

#include <signal.h>
#include <spdlog/spdlog.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <thread>

#include "bridge/process/exit_code.h"
#include "bridge/workers/watched_worker.h"
#include "events/clock.h"
#include "receivers/files/system_error.h"

namespace flarebridge {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// Bytes taken before they are stored; what is behind waits in ZeroMQ and in the shims.
constexpr size_t kMostPerCommit = size_t{4} << 20;
constexpr seconds kCommitRetry{1};
// Forgetting is not urgent; one commit a second does it for all runs when nothing else is stored.
constexpr seconds kForgetInterval{1};
// How long the state folder's lock may be held by a bridge that is just finishing.
constexpr seconds kLockDeadline{5};
// An own bridge to which nobody ever came leaves.
constexpr seconds kFirstSession{60};
// After its parent's death, what the kernel still holds of its messages arrives within this.
constexpr milliseconds kLastWords{200};
// A session whose end is stored and that has been silent for this long has no need of the bridge.
constexpr seconds kEndedSilence{5};
// Sessions that the journal remembers come back to a restarted bridge within this, or never.
constexpr seconds kReturn{15};
// Reasons of rejected events are logged at most this often.
constexpr seconds kRejectionInterval{10};
// How long workers may take to write out after a signal.
constexpr seconds kStopDeadline{15};

spdlog::level::level_enum SeverityOf(NoticeLevel level) {
  switch (level) {
    case NoticeLevel::kError:
      return spdlog::level::err;
    case NoticeLevel::kWarning:
      return spdlog::level::warn;
    default:
      return spdlog::level::info;
  }
}

}  // namespace

Expected<std::unique_ptr<Bridge>> Bridge::Start(const ServeOptions& options,
                                                std::shared_ptr<spdlog::logger> log) {
  std::unique_ptr<Bridge> bridge(new Bridge(options, std::move(log)));
  if (Expected<void> ready = bridge->Prepare(); !ready) return Propagate(ready);
  return bridge;
}

Bridge::~Bridge() {
  link_.reset();
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
  if (Expected<void> watched = WatchSignals(); !watched) return watched;
  if (Expected<void> watched = WatchParent(); !watched) return watched;

  Expected<std::unique_ptr<Journal>> journal = Journal::Open(options_.state + "/journal.db");
  if (!journal) return Propagate(journal);
  journal_ = std::move(*journal);
  Expected<std::unique_ptr<Intake>> intake = Intake::Load(*journal_, options_.limits);
  if (!intake) return Propagate(intake);
  intake_ = std::move(*intake);

  Supervisor::Callbacks callbacks;
  callbacks.durable = [this](int64_t run, uint64_t position) {
    intake_->Forget(run, position);
    if (!forget_at_) forget_at_ = Clock::now() + kForgetInterval;
  };
  callbacks.finished = [this](int64_t run) {
    intake_->Finished(run);
    if (!forget_at_) forget_at_ = Clock::now() + kForgetInterval;
  };
  callbacks.upload = [this](int64_t, const UploadTarget& target) {
    uploader_->Add(target.path, Clock::now());
  };
  callbacks.notice = [this](int64_t run, NoticeLevel level, const std::string& text) {
    TellRun(run, level, text);
  };
  Supervisor::Seams seams;
  seams.spawn = [this](const WorkerHandle::Events& events) {
    return WatchedWorker::Spawn(*loop_, events);
  };
  seams.now = Clock::now;
  Supervisor::Limits limits;
  // However small the journal is, most of it is for receivers that live.
  limits.backlog_bytes = std::min(limits.backlog_bytes, options_.limits.journal_bytes / 4);
  supervisor_ = std::make_unique<Supervisor>(
      *journal_, Quarantine(options_.state + "/quarantine", journal_->id()), std::move(callbacks),
      std::move(seams), limits);

  uploader_ = std::make_unique<UploadSupervisor>(*loop_, options_.state + "/uploads",
                                                 [this](const Notice& notice) { TellAll(notice); });

  if (!options_.endpoint.empty()) {
    Expected<std::unique_ptr<Link>> link = Link::Bind(options_.endpoint, options_.security);
    if (!link) return Propagate(link);
    link_ = std::move(*link);
    return loop_->Add(link_->fd(), EPOLLIN,
                      [](uint32_t) {});  // wakes the loop; Run() does the rest
  }
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
    asked_to_leave_ = true;
  });
}

Expected<void> Bridge::WatchParent() {
  if (options_.parent == 0) return {};
  parent_ = UniqueFd(static_cast<int>(syscall(SYS_pidfd_open, options_.parent, 0)));
  if (!parent_) {
    parent_gone_ = true;  // it died before we looked
    return {};
  }
  return loop_->Add(parent_.get(), EPOLLIN, [this](uint32_t) {
    log_->info("process {} has ended", options_.parent);
    parent_gone_ = true;
    loop_->Remove(parent_.get());
  });
}

void Bridge::GoOnWithKnownRuns(Time now) {
  for (const Intake::RunInfo& run : intake_->KnownRuns()) {
    std::optional<uint64_t> stored;
    const Expected<void> read = journal_->Read(
        run.id, 0, 1,
        [&stored](uint64_t first, uint32_t, std::string_view, bool) { stored = first; });
    if (!read) log_->error("{}", read.error().message);
    if (stored) log_->info("going on with the run of {}", run.spec.site);
    supervisor_->Add(run, stored, now);
  }
}

int Bridge::Run() {
  started_ = last_input_ = Clock::now();
  GoOnWithKnownRuns(started_);
  uploader_->Start(started_);
  std::optional<int> status;
  while (!status) {
    const bool input = link_ && link_->HasInput() && intake_->waiting_bytes() < kMostPerCommit;
    loop_->RunOnce(input ? milliseconds(0) : Patience(Clock::now()));
    const Time now = Clock::now();
    ReceiveAll(now);
    Store(now);
    supervisor_->OnTimer(now);
    uploader_->OnTimer(now);
    EndLostSessions(now);
    status = LeaveStatus(now);
  }
  if (filtered_ > 0) log_->info("{} events were wanted by no receiver", filtered_);
  log_->info("leaving with status {}", *status);
  return *status;
}

void Bridge::ReceiveAll(Time now) {
  if (!link_) return;
  while (intake_->waiting_bytes() < kMostPerCommit &&
         link_->Receive([&](const Link::Incoming& incoming) { Handle(incoming, now); })) {
    last_input_ = now;
  }
}

void Bridge::Handle(const Link::Incoming& incoming, Time now) {
  if (incoming.message) {
    HandleMessage(incoming.peer, incoming.client, *incoming.message, now);
    return;
  }
  const Error& error = incoming.message.error();
  log_->warn("a message was refused: {}", error.message);
  const RefusalCode code =
      error.code == ErrorCode::kForbidden ? RefusalCode::kForbidden : RefusalCode::kMalformed;
  link_->Send(incoming.peer, Refusal{code, error.message});
}

void Bridge::HandleMessage(const Link::Peer& peer, const std::string& client,
                           const ShimMessage& message, Time now) {
  if (const auto* hello = std::get_if<Hello>(&message)) {
    const Expected<Welcome> welcome = intake_->Hello(*hello, client, now);
    if (!welcome) {
      const RefusalCode code = welcome.error().code == ErrorCode::kUnsupported
                                   ? RefusalCode::kVersion
                                   : RefusalCode::kForbidden;
      link_->Send(peer, Refusal{code, welcome.error().message});
      return;
    }
    log_->info("session {} of {}{} from event {}", hello->session, hello->producer,
               client.empty() ? "" : " by " + client, welcome->acked_seq + 1);
    if (const auto old = peer_of_session_.find(hello->session); old != peer_of_session_.end()) {
      session_of_peer_.erase(old->second);
    }
    served_ = true;
    session_of_peer_[peer] = hello->session;
    peer_of_session_[hello->session] = peer;
    link_->Send(peer, *welcome);
    return;
  }
  const auto found = session_of_peer_.find(peer);
  if (found == session_of_peer_.end()) {
    link_->Send(peer, Refusal{RefusalCode::kUnknownSession, "say hello first"});
    return;
  }
  const std::string session = found->second;
  if (const auto* batch = std::get_if<Batch>(&message)) {
    if (const std::optional<Refusal> refusal = intake_->Take(session, *batch, now)) {
      log_->warn("a batch was refused: {}", refusal->text);
      link_->Send(peer, *refusal);
    }
  } else if (std::holds_alternative<Ping>(message)) {
    intake_->Heard(session, now);
    link_->Send(peer, intake_->AckOf(session));
  } else {
    log_->info("session {} is done", session);
    intake_->Bye(session);
    // Whoever leaves without an end has none to tell; nothing happens where it has told one.
    intake_->EndLost({session}, "the training process left without ending the run", EpochNow());
    if (!forget_at_) forget_at_ = now + kForgetInterval;
    session_of_peer_.erase(peer);
    peer_of_session_.erase(session);
  }
}

void Bridge::Store(Time now) {
  if (retry_commit_ && now < *retry_commit_) return;
  retry_commit_.reset();
  const bool forget_due = forget_at_ && now >= *forget_at_;
  if (forget_due) forget_at_.reset();
  if (!forget_due && !(intake_->HasEvents() && intake_->HasWork())) return;
  const Expected<Intake::Committed> committed = intake_->Commit();
  if (!committed) {
    retry_commit_ = now + kCommitRetry;
    if (!blocked_since_) {
      blocked_since_ = now;
      log_->error("nothing is acknowledged: {}", committed.error().message);
      for (const auto& [session, peer] : peer_of_session_) {
        Tell(session, Notice{NoticeLevel::kError,
                             "events wait in the training process until the journal can be "
                             "written again: " +
                                 committed.error().message});
      }
    }
    return;
  }
  filtered_ = intake_->filtered();
  if (blocked_since_) log_->info("the journal can be written again");
  blocked_since_.reset();
  forget_at_.reset();
  for (const std::string& session : committed->sessions) Tell(session, intake_->AckOf(session));
  TellRejections(committed->notices, now);
  for (const Intake::RunInfo& run : committed->new_runs) {
    log_->info("a run for {} of job {}", run.spec.site, run.spec.job);
    supervisor_->Add(run, std::nullopt, now);
  }
  for (const Intake::Slice& slice : committed->slices) supervisor_->Offer(slice, now);
  for (const int64_t run : committed->dropped_runs) supervisor_->Remove(run);
}

void Bridge::TellRejections(const std::vector<std::string>& reasons, Time now) {
  // The number is in every acknowledgement; the reasons are for a person, who needs a few of them.
  if (reasons.empty() || (rejections_told_ && now - *rejections_told_ < kRejectionInterval)) return;
  rejections_told_ = now;
  for (const std::string& reason : reasons) log_->warn("{}", reason);
}

void Bridge::EndLostSessions(Time now) {
  std::vector<std::string> lost;
  if (parent_gone_ || !link_) {
    if (now - last_input_ >= kLastWords) lost = intake_->SilentSince(now);
  } else if (options_.parent == 0) {
    lost = intake_->SilentSince(now - options_.session_timeout);
  } else if (now - started_ >= kReturn) {
    // Sessions of an earlier process, which this one's parent replaced.
    lost = intake_->SilentSince(Time{});
  }
  if (lost.empty()) return;
  for (const std::string& session : lost) log_->warn("session {} ended without saying so", session);
  intake_->EndLost(lost, "the training process ended without ending the run", EpochNow());
}

void Bridge::Tell(const std::string& session, const BridgeMessage& message) {
  const auto peer = peer_of_session_.find(session);
  if (peer != peer_of_session_.end()) link_->Send(peer->second, message);
}

void Bridge::TellAll(const Notice& notice) {
  log_->log(SeverityOf(notice.level), "{}", notice.text);
  for (const auto& [session, peer] : peer_of_session_) link_->Send(peer, notice);
}

void Bridge::TellRun(int64_t run, NoticeLevel level, const std::string& text) {
  const std::string words = "run of " + intake_->SiteOfRun(run) + ": " + text;
  log_->log(SeverityOf(level), "{}", words);
  for (const std::string& session : intake_->SessionsOf(run)) Tell(session, Notice{level, words});
}

bool Bridge::ShimsAreGone(Time now) const {
  if (!link_) return true;
  if (parent_gone_) return now - last_input_ >= kLastWords;
  if (!served_) return now - started_ >= kFirstSession;
  return !intake_->AnyAlive(now - kEndedSilence);
}

std::optional<int> Bridge::LeaveStatus(Time now) {
  // Nobody is left to send again what the journal does not take: waiting has an end.
  const bool hopeless = options_.own && blocked_since_ && ShimsAreGone(now) &&
                        now - std::max(*blocked_since_, last_input_) >= options_.finish_timeout;
  if (hopeless) {
    log_->error(
        "the journal could not be written to the end: events that were never acknowledged are "
        "lost");
    return kExitIncomplete;
  }
  const bool leave = asked_to_leave_ || (options_.own && ShimsAreGone(now) && intake_->AllEnded());
  if (!leave) {
    finish_deadline_.reset();
    upload_deadline_.reset();
    return std::nullopt;
  }
  if (!finish_deadline_) {
    finish_deadline_ = now + (asked_to_leave_ ? kStopDeadline : options_.finish_timeout);
    if (asked_to_leave_) supervisor_->StopAll(now);
  }
  if (supervisor_->AllDone()) {
    if (!UploadsAreSettled(now)) return std::nullopt;
    if (!asked_to_leave_) CleanUp();
    return kExitOk;
  }
  if (!asked_to_leave_) {
    finish_deadline_ =
        std::max(*finish_deadline_, supervisor_->last_progress() + options_.finish_timeout);
  }
  const bool workers_left = supervisor_->workers() > 0;
  if (now < *finish_deadline_ &&
      (workers_left || !(asked_to_leave_ || supervisor_->NothingMoves()))) {
    return std::nullopt;
  }
  for (const std::string& run : supervisor_->Undone()) log_->error("not delivered: run of {}", run);
  log_->error(
      "what is not delivered stays in {}/journal.db; when the cause is mended, finish it with: "
      "flarebridge serve --own --state {}",
      options_.state, options_.state);
  return kExitIncomplete;
}

bool Bridge::UploadsAreSettled(Time now) {
  if (asked_to_leave_) {
    uploader_->Stop();  // its queue stays, and the next start goes on with it
    return true;
  }
  if (!upload_deadline_) upload_deadline_ = now + options_.upload_timeout;
  uploader_->Finish(now);
  if (uploader_->Done()) return true;
  if (now < *upload_deadline_) return false;
  log_->warn(
      "not everything is uploaded yet: that goes on without the bridge; should it be ended, too, "
      "finish it with: flarebridge sync FOLDER");
  return true;
}

std::optional<milliseconds> Bridge::Patience(Time now) const {
  std::optional<Time> next = supervisor_->NextTimer();
  const auto consider = [&next](std::optional<Time> time) {
    if (time && (!next || *time < *next)) next = time;
  };
  consider(retry_commit_);
  consider(forget_at_);
  consider(finish_deadline_);
  consider(upload_deadline_);
  consider(uploader_->NextTimer());
  // States that end by time alone are looked at now and then.
  if (parent_gone_ || !link_) consider(now + kLastWords);
  if (!options_.own) consider(now + options_.session_timeout);
  if (options_.own && intake_->AllEnded()) consider(now + seconds(1));
  if (options_.parent != 0 && now - started_ < kReturn) consider(started_ + kReturn);
  if (!next) return std::nullopt;
  return std::max(milliseconds(0), std::chrono::ceil<milliseconds>(*next - now));
}

void Bridge::CleanUp() {
  // Everything is in its run: the journal has nothing to tell a later start.
  supervisor_.reset();
  intake_.reset();
  journal_.reset();
  std::error_code ignored;
  for (const char* name : {"/journal.db", "/journal.db-wal", "/journal.db-shm"}) {
    std::filesystem::remove(options_.state + name, ignored);
  }
}

}  // namespace flarebridge
