// The requests of an upload of a run, and what their answers mean; see run_upload.h. What to do
// next is decided in run_upload.cc.
#include <sys/random.h>

#include <algorithm>
#include <utility>

#include "receivers/wandb/upload/run_upload.h"

namespace flarebridge::wandb {
namespace {

using std::chrono::seconds;

// Changes of the config are gathered (runupdatework.go at 0.28.3).
constexpr seconds kRunInterval{5};
// Tries to make a run that conflicts with what is there (20 more than one, as wandb-core's api.go
// at 0.28.3 has it).
constexpr unsigned kMostConflicts = 21;

// Before it is seen whether an alert can be noted now.
constexpr seconds kNoteAgain{30};

double Random() {
  uint32_t number = 0;
  if (getrandom(&number, sizeof number, 0) != sizeof number) number = 1U << 31;
  return number / 4294967296.0;
}

// A way on for a person.
constexpr const char* kOtherId =
    "; the id of a run that was deleted on the server is not taken again: upload it under another "
    "with --id";

// The server takes none below 0. One of these is a process that a signal ended, and has failed: as
// a shell has it.
int32_t ExitCodeOf(int32_t code) { return code < 0 ? 128 - std::max(code, -127) : code; }

}  // namespace

const char* RunUpload::NameOf(Task task) {
  switch (task) {
    case Task::kNone:
      return "";
    case Task::kLook:
      return "asking what the server has of the run";
    case Task::kAskFeatures:
      return "asking what the server can do";
    case Task::kCreate:
      return "creating the run";
    case Task::kFiles:
      return "uploading files";
    case Task::kArtifacts:
      return "uploading artifacts";
    case Task::kLines:
      return "sending rows";
    case Task::kAlert:
      return "sending an alert";
    case Task::kAlive:
      return "a sign of life";
    case Task::kCount:
      return "counting the rows";
    case Task::kEnd:
      return "ending the run";
  }
  return "";
}

Attempt RunUpload::Perform(Task task, Api& api, Time now) {
  switch (task) {
    case Task::kLook:
      return api.Look(Target(), there_);
    case Task::kAskFeatures: {
      bool structured = false;
      Attempt attempt = api.AskFeatures(structured);
      if (attempt.outcome == Outcome::kSuccess)
        service_.console =
            structured ? UploadService::Console::kStructured : UploadService::Console::kPlain;
      return attempt;
    }
    case Task::kAlert:
      return api.Send(address_, run_.view().alerts().at(state_.alerts - 1));
    case Task::kCreate: {
      const RunRecord run = Target();
      const std::string config = run_.view().UploadConfig(earlier_config_.value_or(""));
      sending_ = FieldsOf(run, config);
      RunFields changed = ChangedFields(run, config, state_.sent);
      // A log that tells no tags leaves those on the server; one whose tags were all taken away by
      // choice does not.
      if (HasTags(state_.sent) && run.tags.empty() && !run_.view().run().tags.empty())
        changed.tags.emplace();
      return api.UpsertRun(run, changed, address_, inserted_);
    }
    case Task::kCount:
      return api.CountRows(address_, counted_);
    default:
      return Stream(task, api, now);
  }
}

Attempt RunUpload::Stream(Task task, Api& api, Time now) {
  const RunView& view = run_.view();
  Api::Lines lines;
  if (task == Task::kLines) {
    lines.parts = &run_.lines().parts();
    lines.base = &*state_.base;
    lines.preempting = PreemptingIsDue();
  }
  if (task != Task::kAlive && SummaryIsDue(task, now))
    lines.summary = summary_.Take(view.summary().Text(), view.summary_version());
  else
    summary_.LeaveOut();
  lines.uploaded = state_.unreported;
  if (task == Task::kEnd) lines.exit_code = ExitCodeOf(view.exit_code());
  return api.Stream(address_, lines, stop_asked_);
}

std::optional<int64_t> RunUpload::FirstStep() const {
  const uint64_t rows = RowsIn(*state_.base);
  if (!run_.view().run().resumed || rows == 0) return std::nullopt;
  const bool all_from_here = rows == RowsIn(earlier_.lines);
  const std::optional<int64_t> last = StepOf(
      all_from_here ? RowOfParts(PartsOf(log_, Search()), rows - 1, Search()) : there_.last_row);
  return last ? std::optional(*last + 1) : std::nullopt;
}

void RunUpload::CountOn(std::optional<int64_t> first_step) {
  if (!first_step || state_.first_step == first_step) return;
  state_.first_step = first_step;
  Restart();
}

Expected<void> RunUpload::SettleLook(Time now) {
  if (!earlier_config_) earlier_config_ = run_.view().run().resumed ? there_.config : "";
  if (claimed_) return {};  // it was asked for the config alone
  const RunClaim::Local local{earlier_.lines, run_.view().run().start_time, [this](uint64_t row) {
                                return RowOfParts(PartsOf(log_, Search()), row, Search());
                              }};
  Expected<std::optional<RunClaim::Lines>> base = claim_.Decide(there_, local, now);
  if (!base) return Propagate(base);
  if (!*base) {
    waiting_ = "the server has rows of the run already, and may not have counted all of them yet";
    return {};
  }
  looked_ = claimed_ = true;
  state_.base = std::move(**base);
  const std::optional<int64_t> first_step = FirstStep();
  if (run_version_ && !state_.sent.empty()) {
    CountOn(first_step);
    SaveState();
    return {};
  }
  ForgetConfirmed();
  CountOn(first_step);
  if (claim_.existed()) {
    // Of the log's own fields: what is chosen for this upload is sent.
    state_.sent = earlier_.sent.empty()
                      ? OfOthers(FieldsOf(run_.view().run(), run_.view().UploadConfig()))
                      : earlier_.sent;
  }
  return {};
}

void RunUpload::ForgetConfirmed() {
  const bool any = !state_.lines.empty() || !state_.files.empty() || !state_.artifacts.empty();
  state_.lines.clear();
  state_.files.clear();
  state_.unreported.clear();
  state_.sent.clear();
  state_.artifacts.clear();
  state_.parts.clear();
  state_.first_step.reset();
  if (any) Restart();
}

Expected<void> RunUpload::SettleRun(Time now) {
  const bool first = !run_version_;
  run_version_ = run_.view().run_version();
  run_due_ = now + kRunInterval;
  const std::string run = address_.entity + "/" + address_.project + "/" + address_.run_id;
  const bool noted = state_.run == run;
  if (first && !looked_ && (!noted || inserted_)) {
    // What the note confirms was confirmed of another run: of one that was deleted since, or of
    // another entity that the log does not name. All of it is sent, once it is seen what is there.
    if (RowsIn(*state_.base) > 0)
      return Fail(ErrorCode::kForbidden,
                  "the server does not have this run any more, of which an earlier part was "
                  "uploaded; upload all parts anew with --again");
    ForgetConfirmed();
    run_version_ = 0;
    run_due_ = {};
    state_.run = run;
    claimed_ = inserted_;
    if (inserted_) SaveState();
    return {};
  }
  state_.sent = sending_;
  state_.run = run;
  // Somebody has made it since it was asked for, or this upload has and the answer was lost: what
  // is there now is to be seen again.
  if (first && !noted && !inserted_ && !there_.exists) {
    claimed_ = looked_ = false;
    return {};
  }
  SaveState();
  return {};
}

void RunUpload::SettleLines(Time now) {
  const bool full = run_.lines().full();
  for (const auto& [stream, part] : run_.lines().parts())
    state_.lines[stream] = part.offset + part.count;
  run_.LinesAreSent();
  preempting_told_ = run_.view().preempting();
  if (run_.lines().parts().empty()) GiveRoom();
  pace_.Sent(now, full);
  summary_.Confirm(now);
  state_.unreported.clear();
  SaveState();
}

void RunUpload::SettleCount(Time now) {
  const uint64_t expected = RowsThere();
  const RowCount::Verdict verdict = count_.Counted(counted_, expected, now);
  if (verdict == RowCount::Verdict::kEqual) return;
  waiting_ = "the server has counted " + std::to_string(counted_) + " of " +
             std::to_string(expected) + " rows";
  if (verdict != RowCount::Verdict::kSendAgain) return;
  state_.lines.clear();
  Restart();
}

bool RunUpload::NoteAlert(Time now) {
  if (alert_noted_) return true;
  ++state_.alerts;
  alert_noted_ = SaveState();
  if (alert_noted_) return true;
  --state_.alerts;
  alert_due_ = now + kNoteAgain;
  return false;
}

Expected<void> RunUpload::Settle(Task task, Time now) {
  retries_.Over();
  waiting_.clear();
  switch (task) {
    case Task::kLook:
      return SettleLook(now);
    case Task::kCreate:
      return SettleRun(now);
    case Task::kLines:
      SettleLines(now);
      return {};
    case Task::kAlert:
      alert_noted_ = false;
      return {};
    case Task::kAlive:
      pace_.Sent(now, false);
      if (state_.unreported.empty()) return {};
      state_.unreported.clear();
      SaveState();
      return {};
    case Task::kCount:
      SettleCount(now);
      return {};
    case Task::kEnd:
      done_ = true;
      return {};
    default:
      return {};
  }
}

Expected<void> RunUpload::SettleFailure(Task task, const Attempt& attempt, Time now) {
  if (attempt.status == 429) {
    service_.limit.Busy(now, attempt.retry_after);
    pace_.SlowDown();
  }
  const bool refused = attempt.outcome == Outcome::kRefused;
  if (task == Task::kCount && count_.Failed(refused, now)) {
    retries_.Over();
    return {};
  }
  if (task == Task::kAskFeatures && refused) {
    retries_.Over();
    service_.console = UploadService::Console::kPlain;  // an older server
    return {};
  }
  // Only with this status it is sure that nobody was told.
  if (task == Task::kAlert && attempt.status != 429) {
    retries_.Over();
    alert_noted_ = false;
    ++alerts_lost_;
    return {};
  }
  // A server may not answer for a project that is not there yet: what it says when the run is made
  // tells the rest.
  const bool unknown = attempt.status != 401 && attempt.status != 403;
  if (task == Task::kLook && refused && unknown && !run_version_ && earlier_.lines.empty()) {
    retries_.Over();
    earlier_config_.emplace();
    if (claimed_) return {};
    looked_ = true;
    state_.base.emplace();
    ForgetConfirmed();
    return {};
  }
  const std::string what = NameOf(task);
  if (IdIsGone(task, attempt))
    return Fail(ErrorCode::kForbidden, what + " was refused: " + attempt.words + kOtherId);
  if (refused) return Fail(ErrorCode::kForbidden, what + " was refused: " + attempt.words);
  const std::optional<Time> again = retries_.Failed(now, service_.account.retry_waits, Random(),
                                                    attempt.retry_after, options_.retry_for);
  const bool conflict = task == Task::kCreate && attempt.status == 409;
  if (!again)
    return Fail(ErrorCode::kIo,
                what + " failed for too long: " + attempt.words + (conflict ? kOtherId : ""));
  task_ = task;
  next_ = again_ = *again;
  waiting_ = what + ": " + attempt.words;
  return {};
}

bool RunUpload::IdIsGone(Task task, const Attempt& attempt) {
  if (task != Task::kCreate) return false;
  // In the server's words: "previously created and deleted; try a new run id".
  if (attempt.words.find("created and deleted") != std::string::npos) return true;
  return attempt.status == 409 && ++conflicts_ >= kMostConflicts;
}

void RunUpload::SendFiles(Time now) {
  // They ask the server first; what follows goes to a storage of its own.
  if (const std::optional<Time> later = service_.limit.Take(now)) {
    next_ = std::min(next_, *later);
    return;
  }
  errands_.push_back(files_.Send(service_.account, address_, now));
  next_ = now;
}

void RunUpload::SendArtifacts(Time now) {
  if (const std::optional<Time> later = service_.limit.Take(now)) {
    next_ = std::min(next_, *later);
    return;
  }
  errands_.push_back(artifacts_.Send(service_.account, address_, now));
  next_ = now;
}

void RunUpload::HeedAnswers(const std::vector<Attempt>& questions, Time now) {
  for (const Attempt& asked : questions) {
    if (asked.status == 429) service_.limit.Busy(now, asked.retry_after);
    if (asked.outcome == Outcome::kSuccess)
      service_.limit.Taken(now, asked.limit_remaining, asked.limit_reset);
  }
}

Expected<void> RunUpload::CollectFiles(Time now) {
  const Patience patience{service_.account.retry_waits, Random(), options_.retry_for};
  const Expected<ArtifactUpload::News> artifacts = artifacts_.Collect(patience, now);
  if (artifacts) HeedAnswers(artifacts->questions, now);
  const Expected<FileUploads::News> news = files_.Collect(patience, now);
  if (!news) return Propagate(news);
  HeedAnswers(news->questions, now);
  if (news->any || !artifacts || artifacts->any) SaveState();
  return artifacts ? Expected<void>() : Propagate(artifacts);
}

Expected<void> RunUpload::Carry(Task task, HttpTransport& http, Time now) {
  if (const std::optional<Time> later = service_.limit.Take(now)) {
    task_ = retries_.failing() ? task : Task::kNone;
    next_ = again_ = *later;
    return {};
  }
  // What the server has is never sent again: a power cut must not take it away here, where it would
  // be written anew, and may be by other lines.
  if (task == Task::kLines || task == Task::kEnd) {
    if (Expected<void> durable = run_.Persist(); !durable) return durable;
  }
  if (task == Task::kAlert && !NoteAlert(now)) {
    next_ = now;  // what else there is goes on
    return {};
  }
  Api api(http, service_.account);
  const Attempt attempt = Perform(task, api, now);
  now = service_.now();
  if (http.stopped()) return Fail(ErrorCode::kBusy, "the upload was stopped");
  next_ = now;
  if (attempt.outcome != Outcome::kSuccess) return SettleFailure(task, attempt, now);
  service_.limit.Taken(now, attempt.limit_remaining, attempt.limit_reset);
  return Settle(task, now);
}

}  // namespace flarebridge::wandb
