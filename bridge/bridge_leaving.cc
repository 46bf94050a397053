// When the bridge leaves, and what it leaves behind: the part of Bridge that asks Leaving.
#include <spdlog/spdlog.h>

#include <filesystem>

#include "bridge/bridge.h"
#include "events/clock.h"

namespace flarebridge {
namespace {

// How often silent sessions are looked for that may be forgotten.
constexpr std::chrono::seconds kForgetInterval{1};

}  // namespace

void Bridge::TendSilentSessions(Time now) {
  // While nothing is taken from the link, the silence is ours.
  if (intake_->waiting_bytes() >= kMostPerCommit) return;
  EndLostSessions(now);
  if (forgot_at_ && now - *forgot_at_ < kForgetInterval) return;
  forgot_at_ = now;
  const auto left = intake_->LeaveForSilent(now, options_.session_timeout);
  for (const std::string& session : left) log_->info("session {} is forgotten", session);
  if (!left.empty()) StoreSoon(now);
}

void Bridge::EndLostSessions(Time now) {
  const std::optional<Time> since = leaving_.LostIfSilentSince(seen_, now);
  std::vector<std::string> lost;
  if (since) lost = intake_->SilentSince(*since);
  if (processes_) {
    // Whoever lives may be silent, and who is dead has said what it had to say.
    std::erase_if(lost, [this](const std::string& session) {
      return processes_->Lives(session) || processes_->HasEnded(session);
    });
    if (processes_->AnyHasEnded()) {
      for (const std::string& session : intake_->SilentSince(now - Leaving::kLastWords))
        if (processes_->HasEnded(session)) lost.push_back(session);
    }
  }
  if (lost.empty()) return;
  for (const std::string& session : lost) log_->warn("session {} ended without saying so", session);
  intake_->EndLost(lost, "the training process ended without ending the run", EpochNow());
}

Leaving::Decision Bridge::DecideToLeave(Time now) {
  seen_.served = conversations_->served();
  seen_.process_gone = processes_ && processes_->AnyHasEnded();
  if (options_.own) {
    seen_.any_session_alive = intake_->AnyAlive(now - Leaving::kEndedSilence);
    seen_.all_sessions_ended = intake_->AllEnded();
  }
  if (seen_.asked || seen_.all_sessions_ended) {
    seen_.runs_done = supervisor_->AllDone();
    seen_.runs_stuck = supervisor_->NothingMoves();
    seen_.workers_left = supervisor_->workers() > 0;
    seen_.last_progress = supervisor_->last_progress();
    seen_.uploads_done = uploader_->Done();
  }
  return leaving_.Decide(seen_, now);
}

void Bridge::TakeLeave(Leaving::Why why) {
  // Its queue stays, and the next start goes on with it.
  if (seen_.asked) uploader_->Stop();
  switch (why) {
    case Leaving::Why::kAllDone:
      CleanUp();
      break;
    case Leaving::Why::kUploadsGoOn:
      log_->warn(
          "not everything is uploaded yet: that goes on without the bridge; should it be ended, "
          "too, finish it with: flarebridge sync FOLDER");
      CleanUp();
      break;
    case Leaving::Why::kAsked:
      break;
    case Leaving::Why::kUndelivered:
      for (const std::string& run : supervisor_->Undone())
        log_->error("not delivered: run of {}", run);
      log_->error(
          "what is not delivered stays in {}/journal.db; when the cause is mended, finish it with: "
          "{}",
          options_.state, FinishCommand());
      for (const std::string& changes : supervisor_->Remedies())
        log_->error("or, with another argument, with: {}{}", FinishCommand(), changes);
      break;
    case Leaving::Why::kNeverStored:
      log_->error(
          "the journal could not be written to the end: events that were never acknowledged are "
          "lost");
      break;
  }
  if (filtered_ > 0) log_->info("{} events were wanted by no receiver", filtered_);
}

std::string Bridge::FinishCommand() const {
  return "flarebridge serve --own --state " + options_.state;
}

void Bridge::CleanUp() {
  // Everything is in its run: the journal has nothing to tell a later start.
  supervisor_.reset();
  const std::set<std::string> sessions = intake_->SessionIds();
  intake_.reset();
  LeaveBlobs(sessions);
  journal_.reset();
  std::error_code ignored;
  // The file last: without it the WAL would be taken for what is left of a journal.
  for (const char* name : {"/journal.db-wal", "/journal.db-shm", "/journal.db"}) {
    std::filesystem::remove(options_.state + name, ignored);
  }
}

}  // namespace flarebridge
