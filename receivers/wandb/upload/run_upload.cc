#include "receivers/wandb/upload/run_upload.h"

#include <algorithm>
#include <limits>
#include <utility>

namespace flarebridge::wandb {
namespace {

namespace fs = std::filesystem;
using std::chrono::milliseconds;
using std::chrono::seconds;

// How soon a log is looked at again that had nothing new.
constexpr milliseconds kPoll{500};
// The same if its writing is noticed.
constexpr seconds kQuietPoll{60};
// How soon it is seen whether another upload, of this run or an earlier part of it, is done.
constexpr seconds kOtherPoll{1};
// Bytes of lines that each upload may hold.
constexpr size_t kFewLines = size_t{64} << 10;

}  // namespace

RunUpload::RunUpload(UploadService& service, fs::path log, const UploadOptions& options)
    : service_(service),
      log_(std::move(log)),
      options_(options),
      run_(log_),
      notes_(log_, service.choices.notes),
      files_(log_.parent_path(), service.choices.follow_links ? Links::kOwn : Links::kRefuse,
             state_),
      artifacts_(log_.parent_path(), state_) {
  service_.known.Add(log_);
  if (!options_.follow) service_.known.Begin(log_);
}

RunUpload::~RunUpload() {
  GiveRoom();
  service_.known.End(log_);
}

Expected<void> RunUpload::Open() {
  Expected<FileLock> lock = FileLock::OfFolder(log_.parent_path());
  if (!lock && lock.error().code == ErrorCode::kBusy)
    return Fail(ErrorCode::kBusy, "another process uploads this run");
  if (!lock) return Fail(ErrorCode::kIo, lock.error().message);
  lock_ = std::move(*lock);
  const std::string& server = service_.account.base_url;
  state_ = notes_.Read(server);
  if (options_.again) {
    state_.lines.clear();
    state_.files.clear();
    state_.unreported.clear();
    state_.artifacts.clear();
    state_.parts.clear();
  }
  structured_console_ = service_.console == UploadService::Console::kStructured;
  run_.Restart(state_.lines, Form());
  pace_.Begin(service_.now());
  return {};
}

Expected<void> RunUpload::ReadLog(Time now) {
  const size_t most = MostToRead(now);
  if (run_.lines().full() || run_.lines().bytes() >= most) return {};
  if (run_.EndWasTakenBack()) Restart();
  seen_bytes_ = run_.Position().second;
  const FollowedRun::Found found{[&](const std::string& file) { files_.Want(file, now); },
                                 [&](const ParsedRecord& record) {
                                   if (ArtifactUploads::Concerns(record.field))
                                     artifacts_.Take(record.field, record.content);
                                 }};
  Expected<void> read = run_.Read(now, most, found);
  if (run_.lines().bytes() <= kFewLines) GiveRoom();
  return read;
}

size_t RunUpload::MostToRead(Time now) {
  const bool go_now = run_version_ && claimed_ && now >= pace_.due();
  if (go_now && !has_room_) {
    has_room_ = service_.room.fetch_sub(1) > 0;
    if (!has_room_) ++service_.room;
  }
  return has_room_ ? std::numeric_limits<size_t>::max() : kFewLines;
}

void RunUpload::GiveRoom() {
  if (std::exchange(has_room_, false)) ++service_.room;
}

void RunUpload::UseConsoleForm() {
  const bool structured = service_.console == UploadService::Console::kStructured;
  if (structured == structured_console_ || run_.view().output_lines() == 0) return;
  structured_console_ = structured;
  Restart();
}

void RunUpload::Restart() {
  run_.Restart(state_.lines, Form());
  files_.Restart();
  artifacts_.Restart();
  summary_.Restart();
  count_.Restart();
  if (run_version_) run_version_ = 0;
  wanted_last_files_ = preempting_told_ = false;
}

RunRecord RunUpload::Target() const {
  const Account& account = service_.account;
  return Chosen(run_.view().run(), service_.choices, account.entity, account.project);
}

PartsSearch RunUpload::Search() const {
  const Account& account = service_.account;
  return {&service_.known,   &service_.beside, account.base_url,
          &service_.choices, account.entity,   account.project};
}

bool RunUpload::StateIsOf(const RunRecord& run) const {
  // Where the log names no entity or project, the server takes its own.
  const std::string place = "/" + run.run_id;
  const std::string project = run.project.empty() ? "" : "/" + run.project;
  return state_.run.ends_with(project + place) &&
         (run.entity.empty() || state_.run.starts_with(run.entity + "/"));
}

Expected<bool> RunUpload::LookAtParts(Time now) {
  Expected<EarlierParts> earlier = FindEarlierParts(log_, Search());
  if (!earlier) return Propagate(earlier);
  earlier_ = std::move(*earlier);
  waiting_.clear();
  if (earlier_.unfinished.empty()) return true;
  waiting_ = "an earlier part of the run is not uploaded yet";
  next_ = now + kOtherPoll;
  return false;
}

Expected<RunUpload::Task> RunUpload::NextTask(Time now) {
  if (task_ == Task::kNone) return ReadAndChoose(now);
  if (now >= again_) return std::exchange(task_, Task::kNone);
  next_ = again_;
  return run_version_ && claimed_ ? ChooseFiles(false, now) : Task::kNone;
}

RunUpload::Task RunUpload::ChooseFiles(bool at_once, Time now) {
  const std::optional<Time> due = files_.DueAt(at_once);
  if (due && *due <= now) return Task::kFiles;
  if (due) next_ = std::min(next_, *due);
  const std::optional<Time> artifacts_due = artifacts_.DueAt();
  if (artifacts_due && *artifacts_due <= now) return Task::kArtifacts;
  if (artifacts_due) next_ = std::min(next_, *artifacts_due);
  return Task::kNone;
}

Expected<RunUpload::Task> RunUpload::ReadAndChoose(Time now) {
  UseConsoleForm();
  if (Expected<void> read = ReadLog(now); !read) return Propagate(read);
  if (!run_version_ && !looked_) {
    const Expected<bool> there = LookAtParts(now);
    if (!there) return Propagate(there);
    if (!*there) return Task::kNone;
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
  if (!run_version_ && view.run().run_id.empty()) return Task::kNone;
  if (!claimed_ && !looked_ && !run_version_ && StateIsOf(Target())) {
    // A note of an older version, which sent all fields, and each time.
    if (!state_.base) state_.base = earlier_.lines;
    if (state_.sent.empty()) state_.sent = OfOthers(FieldsOf(view.run(), view.UploadConfig()));
    claimed_ = true;
  }
  // Of a resumed part the server is asked for the config in any case.
  const bool to_merge = view.run().resumed && !earlier_config_;
  if (!looked_ && (!claimed_ || to_merge)) {
    next_ = std::max(now, claim_.due());
    return now >= claim_.due() ? Task::kLook : Task::kNone;
  }
  if (view.output_lines() > 0 && service_.console == UploadService::Console::kUnknown)
    return Task::kAskFeatures;
  if (!run_version_) return Task::kCreate;
  if (view.ended()) pace_.GatherNoMore();
  const bool lines =
      !run_.lines().parts().empty() || SummaryIsDue(Task::kLines, now) || PreemptingIsDue();
  if (lines && now >= pace_.due()) return Task::kLines;
  if (view.alerts().size() > state_.alerts && now >= alert_due_) return Task::kAlert;
  if (const Task task = ChooseFiles(false, now); task != Task::kNone) return task;
  if (*run_version_ != view.run_version() && (now >= run_due_ || (run_.at_end() && view.ended())))
    return Task::kCreate;
  if (lines) {
    next_ = run_.lines().full() ? pace_.due() : std::min(next_, pace_.due());
    return Task::kNone;
  }
  if (!run_.at_end()) {
    if (!run_.settling()) next_ = now;  // what is read next goes on
    return Task::kNone;
  }
  if (const Task task = ChooseFinal(now); task != Task::kNone) return task;
  const bool alive_is_due = now >= pace_.alive_due();
  const bool follows = options_.follow && !view.ended();
  const bool sends = !files_.idle() || !artifacts_.idle();
  if (!done_ && alive_is_due && (sends || (follows && run_.IsAlive(now)))) return Task::kAlive;
  if (IsQuiet(now)) if_quiet_ = alive_is_due ? now + kQuietPoll : pace_.alive_due();
  return Task::kNone;
}

bool RunUpload::IsQuiet(Time now) const {
  const RunView& view = run_.view();
  return options_.follow && !done_ && !view.ended() && run_.at_end() && !run_.damaged() &&
         *run_version_ == view.run_version() &&
         !summary_.IsDue(view.summary_version(), true, now) && !files_.DueAt(true) &&
         !artifacts_.DueAt();
}

RunUpload::Task RunUpload::ChooseFinal(Time now) {
  const bool ended = run_.view().ended();
  const bool closed = ended && !earlier_.superseded;
  if (options_.follow && !ended && !earlier_.superseded && !run_.damaged()) return Task::kNone;
  if (files_.idle() && closed && !std::exchange(wanted_last_files_, true)) WantLastFiles(now);
  if (!files_.idle() || !artifacts_.idle()) return ChooseFiles(true, now);
  if (artifacts_.held_back()) {
    Restart();
    next_ = now;
    return Task::kNone;
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
  for (auto& [name, content] : view.MadeFiles(earlier_config_.value_or(""))) {
    files_.WantMade(
        name, [text = std::move(content)]() -> Expected<std::string> { return text; }, now);
  }
  // A console may be large: it is made anew when it is sent.
  if (view.output_lines() > 0)
    files_.WantMade(
        kConsoleStream, [log = log_] { return ConsoleText(log); }, now);
}

bool RunUpload::SummaryIsDue(Task task, Time now) const {
  const RunView& view = run_.view();
  return summary_.IsDue(view.summary_version(), task == Task::kEnd || view.ended(), now);
}

void RunUpload::Finish() {
  if (!run_.view().ended() && !earlier_.superseded) return;
  // The mark says that nothing is left to be done, and lets `wandb clean` delete the folder.
  if (!report().left_out.empty()) return;
  service_.notes_told.Tell(notes_.Mark(state_, seen_bytes_), service_.choices.notes, service_.warn);
}

bool RunUpload::SaveState() {
  const UploadNotes::Kept kept = notes_.Write(state_, run_.ConfirmedBytes());
  service_.notes_told.Tell(kept, service_.choices.notes, service_.warn);
  return kept.where != UploadNotes::Kept::Where::kNowhere;
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
  if (const Expected<void> collected = CollectFiles(now); !collected) return Propagate(collected);
  if_quiet_.reset();
  const Expected<Task> task = NextTask(now);
  if (!task) return Propagate(task);
  if (*task == Task::kFiles) {
    SendFiles(now);
  } else if (*task == Task::kArtifacts) {
    SendArtifacts(now);
  } else if (*task != Task::kNone) {
    if (const Expected<void> carried = Carry(*task, http, now); !carried) return Propagate(carried);
  }
  if (!done_) return Turn{false, next_, std::exchange(errands_, {}), if_quiet_};
  Finish();
  return Turn{true, {}};
}

Upload::Progress RunUpload::progress() const {
  const auto [read, bytes] = run_.Position();
  std::string waiting = waiting_.empty() ? files_.trouble() : waiting_;
  if (waiting.empty()) waiting = artifacts_.trouble();
  return {RowsIn(state_.lines),
          read,
          bytes,
          std::move(waiting),
          run_.ConfirmedBytes(),
          StopWords(),
          artifacts_.bytes(),
          artifacts_.BytesThere()};
}

std::string RunUpload::PageUrl() const {
  return PageOf(service_.account, address_.entity, address_.project, address_.run_id);
}

std::string RunUpload::StopWords() const {
  const bool goes_on = options_.follow && !run_.view().ended();
  return stop_asked_ && goes_on ? "asked to stop in W&B (" + PageUrl() + ")" : "";
}

UploadReport RunUpload::report() const {
  UploadReport report;
  report.name = run_.view().run().display_name;
  report.rows = RowsIn(state_.lines);
  report.ended = run_.view().ended() || earlier_.superseded;
  report.verified = count_.verified();
  report.url = PageUrl();
  if (const std::string& group = run_.view().run().group; !group.empty())
    report.group_url = GroupPageOf(service_.account, address_.entity, address_.project, group);
  for (const auto& [kind, count] : run_.view().left_out())
    report.left_out.push_back(
        std::to_string(count) + " " +
        (count == 1 && kind.ends_with('s') ? kind.substr(0, kind.size() - 1) : kind));
  for (const auto& [file, why] : files_.missing()) {
    std::string& words = report.left_out.emplace_back("the file ");
    words += file;
    words += ": it ";
    words += why;
  }
  report.left_out.insert(report.left_out.end(), artifacts_.missing().begin(),
                         artifacts_.missing().end());
  if (const uint64_t lines = run_.lines().too_long(); lines > 0)
    report.no_place.push_back(std::to_string(lines) + " lines of more than 9.9 MiB");
  if (const uint64_t values = run_.not_json(); values > 0)
    report.no_place.push_back(std::to_string(values) + " values that are no JSON");
  if (const uint64_t values = run_.too_deep(); values > 0)
    report.no_place.push_back(std::to_string(values) + " values that are nested deeper than " +
                              std::to_string(JsonObject::kMaxDepth));
  if (alerts_lost_ > 0)
    report.no_place.push_back(std::to_string(alerts_lost_) +
                              " alerts, which may not have arrived: no answer confirmed them, and "
                              "none is sent twice");
  if (const size_t alerts = run_.view().alerts().size(); done_ && alerts > state_.alerts)
    report.left_out.push_back(std::to_string(alerts - state_.alerts) +
                              " alerts: that they are sent can't be noted, and none is sent twice");
  if (summary_.too_long()) report.no_place.emplace_back("the summary: it has more than 9.9 MiB");
  if (const uint64_t bytes = run_.bad_bytes(); bytes > 0)
    report.left_out.push_back(std::to_string(bytes) +
                              " bytes of the log, which are damaged; what is readable behind them "
                              "was sent, and how many rows were in them is not known");
  if (count_.short_for_good())
    report.left_out.push_back("rows: the server has counted " + std::to_string(counted_) + " of " +
                              std::to_string(RowsThere()));
  else if (count_.settled() && !count_.verified())
    report.left_out.emplace_back(
        "the proof that all rows are there: the server did not say how many it has");
  return report;
}

}  // namespace flarebridge::wandb
