#include "receivers/wandb/upload/run_upload.h"

#include <sys/random.h>

#include <algorithm>
#include <utility>

#include "receivers/wandb/run/run_files.h"

namespace flarebridge::wandb {
namespace {

namespace fs = std::filesystem;
using std::chrono::milliseconds;
using std::chrono::seconds;

// How soon a log is looked at again that had nothing new.
constexpr milliseconds kPoll{500};
// How soon it is seen whether another upload, of this run or an earlier part of it, is done.
constexpr seconds kOtherPoll{1};
// Changes of the config are gathered (runupdatework.go at 0.28.3).
constexpr seconds kRunInterval{5};

double Random() {
  uint32_t number = 0;
  if (getrandom(&number, sizeof number, 0) != sizeof number) number = 1U << 31;
  return number / 4294967296.0;
}

}  // namespace

const char* RunUpload::NameOf(Task task) {
  switch (task) {
    case Task::kNone:
      return "";
    case Task::kCreate:
      return "creating the run";
    case Task::kAskFiles:
      return "asking where files go";
    case Task::kPutFile:
      return "uploading a file";
    case Task::kLines:
      return "sending rows";
    case Task::kAlive:
      return "a sign of life";
    case Task::kCount:
      return "counting the rows";
    case Task::kEnd:
      return "ending the run";
  }
  return "";
}

RunUpload::RunUpload(UploadService& service, fs::path log, const UploadOptions& options)
    : service_(service),
      log_(std::move(log)),
      options_(options),
      run_(log_),
      files_(log_.parent_path(), state_) {}

Expected<void> RunUpload::Open() {
  Expected<FileLock> lock = FileLock::OfFolder(log_.parent_path());
  if (!lock && lock.error().code == ErrorCode::kBusy)
    return Fail(ErrorCode::kBusy, "another process uploads this run");
  if (!lock) return Fail(ErrorCode::kIo, lock.error().message);
  lock_ = std::move(*lock);
  const std::string& server = service_.account.base_url;
  state_ = ReadState(log_, server);
  if (options_.again) {
    state_ = UploadState();
    state_.server = server;
  }
  run_.Restart(state_.lines);
  pace_.Begin(service_.now());
  return {};
}

Expected<void> RunUpload::ReadLog(Time now) {
  if (run_.lines().full()) return {};
  if (run_.EndWasTakenBack()) Restart();
  return run_.Read(now, [&](const std::string& file) { files_.Want(file, now); });
}

void RunUpload::Restart() {
  run_.Restart(state_.lines);
  files_.Restart();
  summary_.Restart();
  count_.Restart();
  if (run_version_) run_version_ = 0;
  wanted_last_files_ = false;
}

Expected<RunUpload::Task> RunUpload::ReadAndChoose(Time now) {
  if (Expected<void> read = ReadLog(now); !read) return Propagate(read);
  if (!run_version_) {
    Expected<EarlierParts> earlier = FindEarlierParts(log_, service_.account.base_url);
    if (!earlier) return Propagate(earlier);
    earlier_ = std::move(*earlier);
    if (!earlier_.unfinished.empty()) {
      waiting_ = "an earlier part of the run is not uploaded yet";
      next_ = now + kOtherPoll;
      return Task::kNone;
    }
    waiting_.clear();
  }
  if (run_.view().run().run_id.empty() && !options_.follow)
    return Fail(ErrorCode::kMalformed,
                log_.string() + " names no run: it has just been begun, or was cut");
  return Choose(now);
}

RunUpload::Task RunUpload::Choose(Time now) {
  const RunView& view = run_.view();
  next_ = now + kPoll;
  // Of a log that is there to its end, the run is created with all that is known of it.
  if (!run_version_) return view.run().run_id.empty() ? Task::kNone : Task::kCreate;
  if (view.ended()) pace_.GatherNoMore();
  const bool lines = !run_.lines().parts().empty() || SummaryIsDue(Task::kLines, now);
  if (lines && now >= pace_.due()) return Task::kLines;
  if (files_.addressed()) return Task::kPutFile;
  if (files_.AskIsDue(now)) return Task::kAskFiles;
  if (*run_version_ != view.run_version() && (now >= run_due_ || (run_.at_end() && view.ended())))
    return Task::kCreate;
  if (lines) {
    next_ = run_.lines().full() ? pace_.due() : std::min(next_, pace_.due());
    return Task::kNone;
  }
  if (!run_.at_end()) {
    next_ = now;  // what is read next goes on
    return Task::kNone;
  }
  if (const Task task = ChooseFinal(now); task != Task::kNone) return task;
  const bool lives = !done_ && options_.follow && !view.ended();
  if (lives && now >= pace_.alive_due() && run_.IsAlive(now)) return Task::kAlive;
  return Task::kNone;
}

RunUpload::Task RunUpload::ChooseFinal(Time now) {
  const bool ended = run_.view().ended();
  const bool closed = ended && !earlier_.superseded;
  if (options_.follow && !ended && !earlier_.superseded && !run_.damaged()) return Task::kNone;
  if (files_.waiting()) return Task::kAskFiles;
  if (closed && !std::exchange(wanted_last_files_, true)) {
    WantLastFiles(now);
    if (files_.waiting()) return Task::kAskFiles;
  }
  if (!count_.settled()) {
    next_ = std::min(next_, count_.due());
    return now >= count_.due() ? Task::kCount : Task::kNone;
  }
  if (closed || !state_.unreported.empty()) {
    next_ = std::max(now, pace_.due());
    if (now < pace_.due()) return Task::kNone;
    return closed ? Task::kEnd : Task::kAlive;
  }
  done_ = true;
  return Task::kNone;
}

void RunUpload::WantLastFiles(Time now) {
  const RunView& view = run_.view();
  for (const std::string& name : view.files()) files_.Want(name, now);  // what has changed
  for (auto& [name, content] : view.MadeFiles()) files_.WantContent(name, std::move(content), now);
  if (view.output_lines() == 0) return;
  if (Expected<std::string> text = run_.ConsoleText(); text)
    files_.WantContent(kConsoleStream, std::move(*text), now);
}

bool RunUpload::SummaryIsDue(Task task, Time now) const {
  const RunView& view = run_.view();
  return summary_.IsDue(view.summary_version(), task == Task::kEnd || view.ended(), now);
}

Attempt RunUpload::Perform(Task task, Api& api, Time now) {
  switch (task) {
    case Task::kCreate: {
      const Account& account = service_.account;
      const RunRecord run =
          Chosen(run_.view().run(), service_.choices, account.entity, account.project);
      return api.UpsertRun(run, run_.view().UploadConfig(), address_);
    }
    case Task::kAskFiles:
      return files_.Ask(api, address_);
    case Task::kPutFile:
      return files_.Put(api);
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
    lines.base = &earlier_.lines;
  }
  if (task != Task::kAlive && SummaryIsDue(task, now))
    lines.summary = summary_.Take(view.summary().Text(), view.summary_version(), now);
  lines.uploaded = state_.unreported;
  if (task == Task::kEnd) lines.exit_code = std::max(0, view.exit_code());
  return api.Stream(address_, lines);
}

Expected<void> RunUpload::SettleRun(Time now) {
  const bool first = !run_version_;
  run_version_ = run_.view().run_version();
  run_due_ = now + kRunInterval;
  if (!first) return {};
  const std::string run = address_.entity + "/" + address_.project + "/" + address_.run_id;
  if (state_.run == run) return {};
  const bool elsewhere = !state_.run.empty();
  state_.run = run;
  state_.lines.clear();
  state_.files.clear();
  state_.unreported.clear();
  if (elsewhere) Restart();  // what was confirmed was confirmed of another run
  return SaveState();
}

Expected<void> RunUpload::SettleLines(Time now) {
  const bool full = run_.lines().full();
  for (const auto& [stream, part] : run_.lines().parts())
    state_.lines[stream] = part.offset + part.count;
  run_.LinesAreSent();
  pace_.Sent(now, full);
  summary_.Confirm();
  state_.unreported.clear();
  return SaveState();
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

Expected<void> RunUpload::Settle(Task task, Time now) {
  retries_.Over();
  waiting_.clear();
  switch (task) {
    case Task::kCreate:
      return SettleRun(now);
    case Task::kPutFile:
      files_.PutWasTaken();
      return SaveState();
    case Task::kLines:
      return SettleLines(now);
    case Task::kAlive:
      pace_.Sent(now, false);
      if (state_.unreported.empty()) return {};
      state_.unreported.clear();
      return SaveState();
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
  if (task == Task::kPutFile && files_.PutIsSettled(attempt)) return {};
  const bool refused = attempt.outcome == Outcome::kRefused;
  if (task == Task::kCount && count_.Failed(refused, now)) {
    retries_.Over();
    return {};
  }
  const std::string what = NameOf(task);
  if (refused) return Fail(ErrorCode::kForbidden, what + " was refused: " + attempt.words);
  const std::optional<Time> again = retries_.Failed(now, service_.account.retry_waits, Random(),
                                                    attempt.retry_after, options_.retry_for);
  if (!again) return Fail(ErrorCode::kIo, what + " failed for too long: " + attempt.words);
  task_ = task;
  next_ = *again;
  waiting_ = what + ": " + attempt.words;
  return {};
}

Expected<void> RunUpload::Carry(Task task, HttpTransport& http, Time now) {
  // Files go to a storage of its own.
  const std::optional<Time> later =
      task == Task::kPutFile ? std::nullopt : service_.limit.Take(now);
  if (later) {
    task_ = retries_.failing() ? task : Task::kNone;
    next_ = *later;
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

Expected<void> RunUpload::Finish() {
  if (!run_.view().ended() && !earlier_.superseded) return {};
  const Expected<bool> marked =
      WriteRunFile(log_.parent_path(), log_.filename().string() + ".synced", "");
  if (!marked) return Propagate(marked);
  return {};
}

Expected<Upload::Turn> RunUpload::Step(HttpTransport& http) {
  const Time now = service_.now();
  if (!lock_.held()) {
    const Expected<void> opened = Open();
    if (!opened && opened.error().code == ErrorCode::kBusy && options_.follow) {
      waiting_ = opened.error().message;
      return Turn{false, now + kOtherPoll};
    }
    if (!opened) return Propagate(opened);
  }
  Task task = std::exchange(task_, Task::kNone);
  if (task == Task::kNone) {
    const Expected<Task> chosen = ReadAndChoose(now);
    if (!chosen) return Propagate(chosen);
    task = *chosen;
  }
  if (task != Task::kNone) {
    if (const Expected<void> carried = Carry(task, http, now); !carried) return Propagate(carried);
  }
  if (!done_) return Turn{false, next_};
  if (const Expected<void> finished = Finish(); !finished) return Propagate(finished);
  return Turn{true, {}};
}

Upload::Progress RunUpload::progress() const {
  const auto [read, bytes] = run_.Position();
  return {RowsIn(state_.lines), read, bytes, waiting_, run_.ConfirmedBytes()};
}

UploadReport RunUpload::report() const {
  UploadReport report;
  report.name = run_.view().run().display_name;
  report.rows = RowsIn(state_.lines);
  report.ended = run_.view().ended() || earlier_.superseded;
  report.verified = count_.verified();
  report.url = PageOf(service_.account, address_.entity, address_.project, address_.run_id);
  for (const auto& [kind, count] : run_.view().left_out())
    report.left_out.push_back(
        std::to_string(count) + " " +
        (count == 1 && kind.ends_with('s') ? kind.substr(0, kind.size() - 1) : kind));
  for (const std::string& file : files_.missing())
    report.left_out.push_back("the file " + file + " (it is not in the folder, or above 5 GiB)");
  if (const uint64_t lines = run_.lines().too_long(); lines > 0)
    report.left_out.push_back(std::to_string(lines) + " lines of more than 9.9 MiB");
  if (summary_.too_long()) report.left_out.emplace_back("the summary: it has more than 9.9 MiB");
  if (run_.damaged()) report.left_out.emplace_back("what is behind the damage in the log");
  if (count_.short_for_good())
    report.left_out.push_back("rows: the server has counted " + std::to_string(counted_) + " of " +
                              std::to_string(RowsThere()));
  return report;
}

}  // namespace flarebridge::wandb
