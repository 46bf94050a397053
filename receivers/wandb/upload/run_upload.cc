#include "receivers/wandb/upload/run_upload.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <system_error>

#include "receivers/files/stable_hash.h"
#include "receivers/wandb/run/run_files.h"
#include "receivers/wandb/upload/parts.h"
#include "receivers/wandb/upload/retry_policy.h"

namespace flarebridge::wandb {
namespace {

namespace fs = std::filesystem;
using std::chrono::milliseconds;
using std::chrono::seconds;
using std::chrono::steady_clock;

// How soon a log is looked at again that had nothing new.
constexpr milliseconds kPoll{500};
// Between requests to the file stream of one run: W&B publishes 2 a second. Requests that are full
// go one behind the other, as its own client's (transmitloop.go at 0.28.3), unless the server says
// that they are too many.
constexpr milliseconds kStreamGap{500};
// While lines come in all the time, they are gathered this long; after a quiet time the first ones
// go at once (kCredit of them).
constexpr double kStreamInterval = 2.0, kCredit = 5;
// A run of which nothing is heard is shown as crashed after minutes; W&B's own client reports this
// often (filestream.go at 0.28.3).
constexpr seconds kAliveInterval{30};
// Changes of the config are gathered (runupdatework.go at 0.28.3).
constexpr seconds kRunInterval{5};
// Files are asked for together.
constexpr seconds kFilesInterval{2};
// A log that nobody has locked is written by somebody else if it has grown within this time.
constexpr seconds kLifeAfterGrowth{600};
// The server counts its rows some seconds late.
constexpr milliseconds kCountInterval{1000};
constexpr seconds kCountDeadline{30};
// A summary goes whole each time, a large one not with every request.
constexpr size_t kLargeSummary = size_t{64} << 10;
constexpr seconds kLargeSummaryInterval{15};
constexpr size_t kFilesAtOnce = 50;
constexpr unsigned kMostRenewals = 3;
// Of one file (W&B's own limit for run files is 5 GiB).
constexpr uint64_t kMaxFile = uint64_t{5} << 30;
// The console as a file; the lines themselves go to the stream without a limit.
constexpr size_t kMaxConsole = size_t{64} << 20;

double Random() {
  uint32_t number = 0;
  if (getrandom(&number, sizeof number, 0) != sizeof number) number = 1U << 31;
  return number / 4294967296.0;
}

const char* NameOf(int task) {
  constexpr std::array<const char*, 8> kNames = {"",
                                                 "creating the run",
                                                 "asking where files go",
                                                 "uploading a file",
                                                 "sending rows",
                                                 "a sign of life",
                                                 "counting the rows",
                                                 "ending the run"};
  return kNames.at(static_cast<size_t>(task));
}

uint64_t RowsIn(const std::map<std::string, uint64_t>& lines) {
  const auto rows = lines.find(kHistoryStream);
  return rows == lines.end() ? 0 : rows->second;
}

Expected<std::string> ConsoleText(const fs::path& log) {
  LogFollower follower(log);
  std::string text;
  const Expected<LogFollower::End> end = follower.Read([&](const ParsedRecord& record) {
    if (record.kind == ParsedRecord::Kind::kOutput) text += record.line;
    return text.size() < kMaxConsole;
  });
  if (!end) return Propagate(end);
  return text;
}

}  // namespace

RunUpload::RunUpload(const Account& account, RateLimit& limit, fs::path log,
                     const UploadOptions& options)
    : account_(account),
      limit_(limit),
      log_(std::move(log)),
      options_(options),
      follower_(std::make_unique<LogFollower>(log_)) {}

RunUpload::~RunUpload() {
  if (lock_ >= 0) close(lock_);
}

Expected<void> RunUpload::Open() {
  lock_ = open(log_.parent_path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (lock_ < 0) {
    return flarebridge::Fail(ErrorCode::kIo, log_.parent_path().string() + " can't be opened: " +
                                                 std::generic_category().message(errno));
  }
  if (flock(lock_, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
    close(lock_);
    lock_ = -1;
    return flarebridge::Fail(ErrorCode::kBusy, "another process uploads this run");
  }
  state_ = ReadState(log_, account_.base_url);
  if (options_.again) {
    state_ = UploadState();
    state_.server = account_.base_url;
  }
  lines_ = LineBuffer(state_.lines);
  credit_at_ = steady_clock::now();
  credit_ = kCredit;
  return {};
}

Expected<bool> RunUpload::FindBase() {
  const std::vector<fs::path> parts = PartsOf(log_);
  const auto own = std::find_if(parts.begin(), parts.end(), [&](const fs::path& part) {
    return part.parent_path().filename() == log_.parent_path().filename();
  });
  superseded_ = own != parts.end() && own + 1 != parts.end();
  base_.clear();
  earlier_part_.clear();
  for (auto part = parts.begin(); part != own; ++part) {
    const Expected<std::map<std::string, uint64_t>> lines = CountLines(*part);
    if (!lines) return Propagate(lines);
    const UploadState there = ReadState(*part, account_.base_url);
    if (RowsIn(there.lines) < RowsIn(*lines)) {
      earlier_part_ = *part;
      return false;
    }
    for (const auto& [stream, count] : *lines) base_[stream] += count;
  }
  return true;
}

bool RunUpload::Look(PendingFile& file) const {
  const fs::path path = log_.parent_path() / "files" / file.name;
  struct stat info {};
  if (stat(path.c_str(), &info) != 0 || !S_ISREG(info.st_mode)) return false;
  file.size = static_cast<uint64_t>(info.st_size);
  // Content that is written anew comes with a new time.
  file.stamp = StableHash(std::to_string(info.st_size) + " " + std::to_string(info.st_mtim.tv_sec) +
                          " " + std::to_string(info.st_mtim.tv_nsec));
  return true;
}

void RunUpload::Want(const std::string& name, std::optional<std::string> content) {
  PendingFile file{name, std::move(content)};
  if (file.content) {
    file.size = file.content->size();
    file.stamp = StableHash(*file.content);
  } else if (SafeRelativePath(name).generic_string() != name || !Look(file) ||
             file.size > kMaxFile) {
    // A log may come from anywhere; its names may not lead out of the folder.
    missing_.insert(name);
    return;
  }
  const auto had = state_.files.find(name);
  if (had != state_.files.end() && had->second == file.stamp) return;
  if (wanted_.empty()) wanted_since_ = steady_clock::now();
  wanted_.push_back(std::move(file));
}

void RunUpload::Restart() {
  follower_ = std::make_unique<LogFollower>(log_);
  log_end_ = LogFollower::End::kMore;
  view_ = RunView();
  lines_ = LineBuffer(state_.lines);
  wanted_.clear();
  addressed_.clear();
  summary_version_ = 0;
  if (run_version_) run_version_ = 0;
  made_files_ = count_settled_ = verified_ = false;
}

Expected<void> RunUpload::ReadLog(Time now) {
  if (lines_.full()) return {};
  // A run that had ended goes on: its log's end was replaced.
  if (view_.ended() && (follower_->IsShorterThanRead() || log_end_ == LogFollower::End::kCorrupt) &&
      !replaced_) {
    replaced_ = true;
    Restart();
  }
  size_t files = view_.files().size();
  const Expected<LogFollower::End> end = follower_->Read([&](const ParsedRecord& record) {
    grown_ = now;
    view_.Take(record);
    lines_.Take(record, view_.run().start_time);
    for (; files < view_.files().size(); ++files) Want(view_.files()[files], std::nullopt);
    return !lines_.full();
  });
  if (!end) return Propagate(end);
  log_end_ = *end;
  if (log_end_ != LogFollower::End::kCorrupt) replaced_ = false;
  return {};
}

bool RunUpload::IsAlive(Time now) const {
  return follower_->HasWriter() || now - grown_ < kLifeAfterGrowth;
}

void RunUpload::NextStreamAt(Time now, bool full) {
  const double passed = std::chrono::duration<double>(now - credit_at_).count();
  credit_ = std::min(kCredit, credit_ + passed / kStreamInterval) - 1;
  credit_at_ = now;
  stream_due_ = end_due_ = full && !slowed_ ? now : now + kStreamGap;
  alive_due_ = now + kAliveInterval;
  if (full || credit_ >= 0) return;
  stream_due_ =
      std::max(stream_due_, now + std::chrono::duration_cast<milliseconds>(
                                      std::chrono::duration<double>(-credit_ * kStreamInterval)));
}

RunUpload::Task RunUpload::Choose(Time now) {
  const bool at_end = log_end_ != LogFollower::End::kMore;
  // Of a log that is there to its end, the run is created with all that is known of it.
  if (!run_version_) {
    if (view_.run().run_id.empty()) {
      next_ = now + kPoll;
      return Task::kNone;
    }
    return Task::kCreate;
  }
  next_ = now + kPoll;
  if (view_.ended()) stream_due_ = end_due_;  // nobody waits for more
  const bool lines = !lines_.parts().empty() || SummaryIsDue(Task::kLines);
  if (lines && now >= stream_due_) return Task::kLines;
  if (!addressed_.empty()) return Task::kPutFile;
  if (wanted_.size() >= kFilesAtOnce || (!wanted_.empty() && now - wanted_since_ >= kFilesInterval))
    return Task::kAskFiles;
  if (*run_version_ != view_.run_version() && (now >= run_due_ || (at_end && view_.ended())))
    return Task::kCreate;
  if (lines) {
    next_ = lines_.full() ? stream_due_ : std::min(next_, stream_due_);
    return Task::kNone;
  }
  if (!at_end) {
    next_ = now;  // what is read next goes on
    return Task::kNone;
  }
  if (const std::optional<Task> task = ChooseFinal(now)) return *task;
  if (now >= alive_due_ && !done_ && options_.follow && !view_.ended() && IsAlive(now))
    return Task::kAlive;
  return Task::kNone;
}

std::optional<RunUpload::Task> RunUpload::ChooseFinal(Time now) {
  const bool closed = view_.ended() && !superseded_;
  const bool waits =
      options_.follow && !view_.ended() && !superseded_ && log_end_ != LogFollower::End::kCorrupt;
  if (waits) return std::nullopt;
  if (!wanted_.empty()) return Task::kAskFiles;
  if (closed && !made_files_) {
    made_files_ = true;
    for (const std::string& name : view_.files()) Want(name, std::nullopt);  // what has changed
    for (auto& [name, content] : view_.MadeFiles()) Want(name, std::move(content));
    if (view_.output_lines() > 0) {
      Expected<std::string> text = ConsoleText(log_);
      if (text) Want(kConsoleStream, std::move(*text));
    }
    if (!wanted_.empty()) return Task::kAskFiles;
  }
  if (!count_settled_) {
    next_ = std::min(next_, count_due_);
    return now >= count_due_ ? std::optional(Task::kCount) : std::nullopt;
  }
  if (closed || !state_.unreported.empty()) {
    next_ = std::max(now, stream_due_);
    if (now < stream_due_) return std::nullopt;
    return closed ? Task::kEnd : Task::kAlive;
  }
  done_ = true;
  return std::nullopt;
}

Attempt RunUpload::AskFiles(Api& api) {
  std::vector<std::string> names;
  for (size_t i = 0; i < std::min(kFilesAtOnce, wanted_.size()); ++i)
    names.push_back(wanted_[i].name);
  std::vector<Api::Upload> uploads;
  Attempt attempt = api.CreateFiles(address_, names, uploads);
  if (attempt.outcome != Outcome::kSuccess) return attempt;
  for (size_t i = 0; i < names.size(); ++i) {
    const auto upload = std::find_if(uploads.begin(), uploads.end(), [&](const auto& candidate) {
      return candidate.name == wanted_.front().name;
    });
    if (upload != uploads.end()) {
      addressed_.emplace_back(std::move(wanted_.front()), *upload);
    } else {
      missing_.insert(wanted_.front().name);  // the server does not take it
    }
    wanted_.pop_front();
  }
  return attempt;
}

Attempt RunUpload::PutFile(Api& api) {
  auto& [file, upload] = addressed_.front();
  if (file.content) return api.Put(upload, *file.content);
  (void)Look(file);  // it may have been written anew
  return api.PutFile(upload, (log_.parent_path() / "files" / file.name).string(), file.size);
}

Attempt RunUpload::Perform(Task task, Api& api) {
  switch (task) {
    case Task::kCreate: {
      RunRecord run = view_.run();
      if (!options_.entity.empty()) run.entity = options_.entity;
      if (!options_.project.empty()) run.project = options_.project;
      return api.UpsertRun(run, view_.UploadConfig(), address_);
    }
    case Task::kAskFiles:
      return AskFiles(api);
    case Task::kPutFile:
      return PutFile(api);
    case Task::kCount:
      return api.CountRows(address_, counted_);
    default: {
      Api::Lines lines;
      if (task == Task::kLines) {
        lines.parts = &lines_.parts();
        lines.base = &base_;
      }
      if (task != Task::kAlive && SummaryIsDue(task)) lines.summary = Summary();
      lines.uploaded = state_.unreported;
      if (task == Task::kEnd) lines.exit_code = std::max(0, view_.exit_code());
      return api.Stream(address_, lines);
    }
  }
}

bool RunUpload::SummaryIsDue(Task task) const {
  return summary_version_ != view_.summary_version() &&
         (task == Task::kEnd || view_.ended() || steady_clock::now() >= summary_due_);
}

// The summary's text, for a request that is made now; empty if the server would not take it.
std::string RunUpload::Summary() {
  std::string text = view_.summary().Text();
  sent_summary_ = view_.summary_version();
  summary_due_ =
      steady_clock::now() + (text.size() > kLargeSummary ? kLargeSummaryInterval : milliseconds(0));
  summary_too_long_ = text.size() > kMaxLine;
  return summary_too_long_ ? "" : text;
}

Expected<void> RunUpload::SettleRun(Time now) {
  const bool first = !run_version_;
  run_version_ = view_.run_version();
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

void RunUpload::SettleCount(Time now) {
  const uint64_t expected = RowsIn(base_) + RowsIn(state_.lines);
  if (counted_ >= expected) {
    count_settled_ = verified_ = true;
    return;
  }
  if (!count_deadline_) count_deadline_ = now + kCountDeadline;
  count_due_ = now + kCountInterval;
  waiting_ = "the server has counted " + std::to_string(counted_) + " of " +
             std::to_string(expected) + " rows";
  if (now < *count_deadline_) return;
  if (sent_again_) {
    count_settled_ = true;  // report() tells
    return;
  }
  // All lines go to their places again.
  sent_again_ = true;
  count_deadline_.reset();
  state_.lines.clear();
  Restart();
}

Expected<void> RunUpload::Settle(Task task, Time now) {
  tries_ = 0;
  waiting_.clear();
  switch (task) {
    case Task::kCreate:
      return SettleRun(now);
    case Task::kCount:
      SettleCount(now);
      return {};
    case Task::kPutFile: {
      renewals_ = 0;
      const PendingFile& file = addressed_.front().first;
      state_.files[file.name] = file.stamp;
      state_.unreported.push_back(file.name);
      addressed_.pop_front();
      return SaveState();
    }
    case Task::kLines: {
      const bool full = lines_.full();
      for (const auto& [stream, part] : lines_.parts())
        state_.lines[stream] = part.offset + part.count;
      lines_.Clear();
      NextStreamAt(now, full);
      summary_version_ = sent_summary_;
      state_.unreported.clear();
      return SaveState();
    }
    case Task::kAlive: {
      NextStreamAt(now, false);
      if (state_.unreported.empty()) return {};
      state_.unreported.clear();
      return SaveState();
    }
    case Task::kEnd:
      done_ = true;
      return {};
    default:
      return {};
  }
}

bool RunUpload::FailedToPut(const Attempt& attempt) {
  PendingFile& file = addressed_.front().first;
  std::error_code failed;
  if (!file.content && !fs::is_regular_file(log_.parent_path() / "files" / file.name, failed)) {
    missing_.insert(file.name);
    addressed_.pop_front();
    return true;
  }
  if (attempt.status != 403 || renewals_++ >= kMostRenewals) return false;
  // A signed address is valid for a time only: a new one is asked for.
  wanted_.push_front(std::move(file));
  addressed_.pop_front();
  return true;
}

Expected<void> RunUpload::Fail(Task task, const Attempt& attempt, Time now) {
  if (attempt.status == 429) {
    limit_.Busy(now, attempt.retry_after);
    slowed_ = true;
  }
  if (task == Task::kPutFile && FailedToPut(attempt)) return {};
  const bool refused = attempt.outcome == Outcome::kRefused;
  if (task == Task::kCount) {
    if (!count_deadline_) count_deadline_ = now + kCountDeadline;
    // The upload does not hang on it.
    if (refused || now >= *count_deadline_) {
      count_settled_ = true;
      tries_ = 0;
      return {};
    }
  }
  const std::string what = NameOf(static_cast<int>(task));
  if (refused)
    return flarebridge::Fail(ErrorCode::kForbidden, what + " was refused: " + attempt.words);
  if (tries_ == 0) failing_since_ = now;
  const milliseconds wait =
      WaitBefore(account_.retry_waits, tries_++, Random(), attempt.retry_after);
  if (now + wait > failing_since_ + options_.retry_for)
    return flarebridge::Fail(ErrorCode::kIo, what + " failed for too long: " + attempt.words);
  task_ = task;
  next_ = now + wait;
  waiting_ = what + ": " + attempt.words;
  return {};
}

Expected<void> RunUpload::Finish() {
  if (!view_.ended() && !superseded_) return {};
  const Expected<bool> marked =
      WriteRunFile(log_.parent_path(), log_.filename().string() + ".synced", "");
  if (!marked) return Propagate(marked);
  return {};
}

Expected<RunUpload::Turn> RunUpload::Step(HttpClient& http) {
  Time now = steady_clock::now();
  const auto fail = [](const Expected<void>& failed) { return Propagate(failed); };
  if (lock_ < 0) {
    const Expected<void> opened = Open();
    if (!opened && opened.error().code == ErrorCode::kBusy && options_.follow) {
      waiting_ = opened.error().message;
      return Turn{false, now + seconds(1)};
    }
    if (!opened) return fail(opened);
  }
  Task task = task_;
  task_ = Task::kNone;
  if (task == Task::kNone) {
    if (Expected<void> read = ReadLog(now); !read) return fail(read);
    if (!run_version_) {
      const Expected<bool> base = FindBase();
      if (!base) return Propagate(base);
      if (!*base) {
        waiting_ = "an earlier part of the run is not uploaded yet";
        return Turn{false, now + seconds(1)};
      }
      waiting_.clear();
    }
    if (view_.run().run_id.empty() && !options_.follow)
      return flarebridge::Fail(ErrorCode::kMalformed, log_.string() +
                                                          " names no run: it has "
                                                          "just been begun, or was "
                                                          "cut");
    task = Choose(now);
  }
  if (task == Task::kNone && !done_) return Turn{false, next_};
  if (task != Task::kNone) {
    // Files go to a storage of its own.
    const std::optional<Time> later = task == Task::kPutFile ? std::nullopt : limit_.Take(now);
    if (later) {
      task_ = tries_ > 0 ? task : Task::kNone;
      return Turn{false, *later};
    }
    Api api(http, account_);
    const Attempt attempt = Perform(task, api);
    now = steady_clock::now();
    if (http.stopped()) return flarebridge::Fail(ErrorCode::kBusy, "the upload was stopped");
    next_ = now;
    if (attempt.outcome == Outcome::kSuccess) {
      limit_.Taken(now, attempt.limit_remaining, attempt.limit_reset);
      if (Expected<void> settled = Settle(task, now); !settled) return fail(settled);
    } else if (Expected<void> failed = Fail(task, attempt, now); !failed) {
      return fail(failed);
    }
  }
  if (!done_) return Turn{false, next_};
  if (Expected<void> finished = Finish(); !finished) return fail(finished);
  return Turn{true, {}};
}

RunUpload::Progress RunUpload::progress() const {
  const auto [read, bytes] = follower_->Position();
  return {RowsIn(state_.lines), read, bytes, waiting_};
}

UploadReport RunUpload::report() const {
  UploadReport report;
  report.rows = RowsIn(state_.lines);
  report.ended = view_.ended() || superseded_;
  report.verified = verified_;
  report.url = account_.base_url + "/" + address_.entity + "/" + address_.project + "/runs/" +
               address_.run_id;
  if (report.url.starts_with("https://api.wandb.ai/"))
    report.url.replace(0, sizeof "https://api" - 1, "https://");
  for (const auto& [kind, count] : view_.left_out())
    report.left_out.push_back(std::to_string(count) + " " + kind);
  for (const std::string& file : missing_)
    report.left_out.push_back("the file " + file + " (it is not in the folder, or above 5 GiB)");
  if (lines_.too_long() > 0)
    report.left_out.push_back(std::to_string(lines_.too_long()) + " lines of more than 9.9 MiB");
  if (summary_too_long_) report.left_out.emplace_back("the summary: it has more than 9.9 MiB");
  if (log_end_ == LogFollower::End::kCorrupt)
    report.left_out.emplace_back("what is behind the damage in the log");
  if (!verified_ && count_settled_ && sent_again_) {
    report.left_out.push_back("rows: the server has counted " + std::to_string(counted_) + " of " +
                              std::to_string(RowsIn(base_) + report.rows));
  }
  return report;
}

}  // namespace flarebridge::wandb
