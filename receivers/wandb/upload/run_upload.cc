#include "receivers/wandb/upload/run_upload.h"

#include <fcntl.h>
#include <sys/random.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cmath>
#include <ctime>
#include <fstream>
#include <iterator>
#include <thread>

#include "receivers/wandb/json.h"
#include "receivers/wandb/record_stream.h"
#include "receivers/wandb/run_files.h"

namespace flarebridge::wandb {
namespace {

namespace fs = std::filesystem;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

const std::string kHistory = "wandb-history.jsonl", kEvents = "wandb-events.jsonl",
                  kSummary = "wandb-summary.json", kConsole = "output.log";
// W&B's back end takes 10 MiB of lines a request, and no line above this (filestream.go).
constexpr size_t kMaxLine = (size_t{10} << 20) - (size_t{100} << 10);
constexpr size_t kRequestBytes = size_t{4} << 20;
constexpr size_t kFilesAtOnce = 50;
constexpr size_t kMaxFile = size_t{256} << 20;

double Random() {
  uint32_t number = 0;
  if (getrandom(&number, sizeof number, 0) != sizeof number) number = 1U << 31;
  return number / 4294967296.0;
}

// W&B wants a config's values in objects of their own, and strict JSON: NaN and infinities, which
// the log may hold, become texts.
std::string UploadConfig(const JsonObject& config) {
  std::string text = "{";
  for (auto [key, json] : config.Members()) {
    if (key == "_wandb") continue;
    if (json == "NaN" || json == "Infinity" || json == "-Infinity") json = '"' + json + '"';
    AppendJson(std::string_view(key), text);
    text += R"(:{"value":)" + json + "},";
  }
  // A run is only resumable if its config has telemetry (core/internal/runbranch/resume.go).
  return text + R"("_wandb":{"value":{"cli_version":"flarebridge )" + FLAREBRIDGE_VERSION +
         R"(","t":{}}}})";
}

// "2026-08-21T10:00:00.123456", UTC.
std::string TimeText(double seconds) {
  const auto whole = static_cast<time_t>(std::floor(seconds));
  tm parts{};
  gmtime_r(&whole, &parts);
  std::array<char, 64> text{};
  const size_t size = strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%S", &parts);
  snprintf(text.data() + size, text.size() - size, ".%06d",
           static_cast<int>((seconds - std::floor(seconds)) * 1e6));
  return text.data();
}

std::string ObjectOf(const std::vector<ParsedRecord::ParsedItem>& items) {
  JsonObject object;
  for (const ParsedRecord::ParsedItem& item : items) {
    if (!item.path.empty()) object.Set(item.path, item.json);
  }
  return object.Text();
}

Expected<std::string> ReadWhole(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::string content((std::istreambuf_iterator<char>(file)), {});
  if (!file && !file.eof())
    return Fail(ErrorCode::kIo, "the file " + path.string() + " can't be read");
  return content;
}

// Lines of the three streams that only grow, gathered until they are worth a request. Lines that
// the server has already are counted and not kept.
class LineBuffer {
 public:
  LineBuffer(const UploadState& state, double start_time) : start_time_(start_time) {
    for (const auto& [stream, count] : state.lines) confirmed_[stream] = count;
  }

  void Take(const ParsedRecord& record) {
    switch (record.kind) {
      case ParsedRecord::Kind::kHistory:
        if (IsNew(kHistory)) Add(kHistory, ObjectOf(record.items));
        break;
      case ParsedRecord::Kind::kStats:
        if (IsNew(kEvents)) Add(kEvents, EventLine(record));
        break;
      case ParsedRecord::Kind::kOutput:
        if (IsNew(kConsole)) Add(kConsole, ConsoleLine(record));
        break;
      default:
        break;
    }
  }
  size_t bytes() const { return bytes_; }
  const std::map<std::string, StreamPart>& parts() const { return parts_; }
  // Lines by stream, with those in parts().
  const std::map<std::string, uint64_t>& seen() const { return seen_; }
  uint64_t too_long() const { return too_long_; }
  void Clear() {
    parts_.clear();
    bytes_ = 0;
  }

 private:
  bool IsNew(const std::string& stream) { return seen_[stream]++ >= confirmed_[stream]; }

  void Add(const std::string& stream, std::string line) {
    if (line.size() > kMaxLine) {
      line = "{}";  // it keeps its place, so that those behind it keep theirs
      ++too_long_;
    }
    const auto [part, added] = parts_.try_emplace(stream);
    if (added) part->second.offset = seen_[stream] - 1;
    if (!added) part->second.lines += ',';
    const size_t before = part->second.lines.size();
    AppendJson(std::string_view(line), part->second.lines);
    bytes_ += part->second.lines.size() - before;
  }

  std::string EventLine(const ParsedRecord& record) const {
    std::string line = R"({"_wandb":true,"_timestamp":)" + ToJson(record.time) + R"(,"_runtime":)" +
                       ToJson(std::max(0.0, record.time - start_time_));
    for (const ParsedRecord::ParsedItem& item : record.items) {
      line += ',';
      AppendJson(std::string_view("system." + item.key), line);
      line += ':';
      line += item.json;
    }
    return line + "}";
  }

  static std::string ConsoleLine(const ParsedRecord& record) {
    std::string_view text = record.line;
    while (text.ends_with('\n') || text.ends_with('\r')) text.remove_suffix(1);
    return (record.is_error_output ? "ERROR " : "") + TimeText(record.time) + " " +
           std::string(text);
  }

  double start_time_;
  std::map<std::string, uint64_t> confirmed_, seen_;
  std::map<std::string, StreamPart> parts_;
  size_t bytes_ = 0;
  uint64_t too_long_ = 0;
};

}  // namespace

RunUpload::RunUpload(HttpClient& http, const Account& account, fs::path log,
                     const UploadOptions& options, UploadProgress progress)
    : http_(http),
      account_(account),
      api_(http, account),
      log_(std::move(log)),
      options_(options),
      progress_(std::move(progress)) {}

Expected<UploadReport> RunUpload::Run() {
  Expected<LogSurvey> survey = SurveyLog(log_);
  if (!survey) return tl::unexpected<Error>(survey.error());
  survey_ = std::move(*survey);
  state_ = ReadState(log_, account_.base_url);
  progress_(state_.lines[kHistory], survey_.history_lines, "");
  for (const auto step :
       {&RunUpload::CreateRun, &RunUpload::SendLines, &RunUpload::SendFiles, &RunUpload::SendEnd}) {
    if (Expected<void> done = (this->*step)(); !done) return tl::unexpected<Error>(done.error());
  }
  UploadReport report;
  report.rows = state_.lines[kHistory];
  report.complete = survey_.ended;
  report.url = account_.base_url + "/" + address_.entity + "/" + address_.project + "/runs/" +
               address_.run_id;
  if (report.url.starts_with("https://api.wandb.ai/"))
    report.url.replace(0, sizeof "https://api" - 1, "https://");
  for (const auto& [kind, count] : survey_.left_out)
    report.left_out.push_back(std::to_string(count) + " " + kind);
  for (const std::string& file : missing_)
    report.left_out.push_back("the file " + file + " (it is not in the folder, or above 256 MiB)");
  if (too_long_ > 0)
    report.left_out.push_back(std::to_string(too_long_) + " lines of more than 9.9 MiB");
  if (survey_.corrupt) report.left_out.emplace_back("what is behind the damage in the log");
  return report;
}

Expected<void> RunUpload::Insist(const std::string& what, const std::function<Attempt()>& attempt) {
  const auto give_up = steady_clock::now() + options_.retry_for;
  for (unsigned tries = 0;; ++tries) {
    const Attempt tried = attempt();
    if (tried.outcome == Outcome::kSuccess) return {};
    if (http_.stopped()) return Fail(ErrorCode::kBusy, "the upload was stopped");
    if (tried.outcome == Outcome::kRefused)
      return Fail(ErrorCode::kForbidden, what + " was refused: " + tried.words);
    const milliseconds wait = WaitBefore(tries, Random(), tried.retry_after);
    if (steady_clock::now() + wait > give_up)
      return Fail(ErrorCode::kIo, what + " failed for too long: " + tried.words);
    progress_(state_.lines[kHistory], survey_.history_lines, what + ": " + tried.words);
    if (Expected<void> waited = Wait(wait); !waited) return waited;
  }
}

Expected<void> RunUpload::Wait(milliseconds time) {
  constexpr milliseconds kTurn{50};
  for (const auto end = steady_clock::now() + time; steady_clock::now() < end;) {
    if (http_.stopped()) return Fail(ErrorCode::kBusy, "the upload was stopped");
    std::this_thread::sleep_for(std::min<steady_clock::duration>(kTurn, end - steady_clock::now()));
  }
  return {};
}

Expected<void> RunUpload::CreateRun() {
  const std::string config = UploadConfig(survey_.config);
  return Insist("creating the run", [&] { return api_.UpsertRun(survey_.run, config, address_); });
}

Expected<void> RunUpload::SendLines() {
  const int fd = open(log_.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0)
    return Fail(ErrorCode::kIo, log_.string() + ": " + std::generic_category().message(errno));
  LineBuffer lines(state_, survey_.run.start_time);
  Expected<void> sent;
  auto next = steady_clock::now();
  const auto send = [&]() -> Expected<void> {
    if (lines.parts().empty()) return {};
    if (Expected<void> waited =
            Wait(std::chrono::duration_cast<milliseconds>(next - steady_clock::now()));
        !waited)
      return waited;
    next = steady_clock::now() + options_.pace;
    if (Expected<void> insisted = Insist(
            "sending rows", [&] { return api_.Stream(address_, lines.parts(), {}, std::nullopt); });
        !insisted)
      return insisted;
    for (const auto& [stream, part] : lines.parts()) state_.lines[stream] = lines.seen().at(stream);
    lines.Clear();
    progress_(state_.lines[kHistory], survey_.history_lines, "");
    return WriteState(log_, state_);
  };
  const Expected<LogEnd> end = ReadRecords(fd, [&](const ParsedRecord& record, uint64_t) {
    if (!sent) return;
    lines.Take(record);
    if (lines.bytes() > kRequestBytes) sent = send();
  });
  close(fd);
  if (!end) return tl::unexpected<Error>(end.error());
  if (sent) sent = send();
  too_long_ = lines.too_long();
  return sent;
}

std::map<std::string, std::string> RunUpload::MadeFiles() const {
  std::map<std::string, std::string> files;
  files[kSummary] = survey_.summary.Text();
  if (!survey_.console.empty()) files[kConsole] = survey_.console;
  // JSON values are YAML, too.
  std::string& config = files["config.yaml"];
  for (const auto& [key, json] : survey_.config.Members()) {
    if (key == "_wandb") continue;
    AppendJson(std::string_view(key), config);
    config += ":\n  value: " + json + "\n";
  }
  return files;
}

Expected<void> RunUpload::SendFiles() {
  const std::map<std::string, std::string> made =
      survey_.ended ? MadeFiles() : std::map<std::string, std::string>();
  std::vector<std::string> wanted;
  const auto want = [&](const std::string& name, uint64_t size) {
    const auto had = state_.files.find(name);
    if (had == state_.files.end() || had->second != size) wanted.push_back(name);
  };
  for (const auto& [name, content] : made) want(name, content.size());
  for (const std::string& name : survey_.files) {
    if (made.contains(name)) continue;
    // A log may come from anywhere; its names may not lead out of the folder.
    std::error_code failed;
    const fs::path path = log_.parent_path() / "files" / SafeRelativePath(name);
    const uint64_t size =
        fs::is_regular_file(path, failed) ? fs::file_size(path, failed) : kMaxFile + 1;
    if (failed || size > kMaxFile || SafeRelativePath(name).generic_string() != name) {
      missing_.push_back(name);
    } else {
      want(name, size);
    }
  }
  for (size_t first = 0; first < wanted.size(); first += kFilesAtOnce) {
    const std::vector<std::string> names(
        wanted.begin() + static_cast<ptrdiff_t>(first),
        wanted.begin() + static_cast<ptrdiff_t>(std::min(first + kFilesAtOnce, wanted.size())));
    std::vector<Api::Upload> uploads;
    if (Expected<void> created = Insist("asking where files go",
                                        [&] {
                                          uploads.clear();
                                          return api_.CreateFiles(address_, names, uploads);
                                        });
        !created)
      return created;
    for (const Api::Upload& upload : uploads) {
      if (std::find(names.begin(), names.end(), upload.name) == names.end()) continue;
      const auto content = made.find(upload.name);
      Expected<std::string> read = content != made.end()
                                       ? Expected<std::string>(content->second)
                                       : ReadWhole(log_.parent_path() / "files" / upload.name);
      if (!read) return tl::unexpected<Error>(read.error());
      if (Expected<void> sent = SendFile(upload, *read); !sent) return sent;
    }
  }
  return {};
}

Expected<void> RunUpload::SendFile(const Api::Upload& upload, const std::string& content) {
  if (Expected<void> put =
          Insist("uploading " + upload.name, [&] { return api_.Put(upload, content); });
      !put)
    return put;
  uploaded_.push_back(upload.name);
  state_.files[upload.name] = content.size();
  return WriteState(log_, state_);
}

Expected<void> RunUpload::SendEnd() {
  std::map<std::string, StreamPart> parts;
  if (!survey_.summary.empty())
    AppendJson(std::string_view(survey_.summary.Text()), parts[kSummary].lines);
  std::optional<int32_t> exit_code;
  if (survey_.ended) exit_code = std::max(0, survey_.exit_code);
  if (Expected<void> sent = Insist(
          "ending the run", [&] { return api_.Stream(address_, parts, uploaded_, exit_code); });
      !sent)
    return sent;
  return survey_.ended ? MarkSynced() : Expected<void>();
}

Expected<void> RunUpload::MarkSynced() {
  const Expected<bool> marked =
      WriteRunFile(log_.parent_path(), log_.filename().string() + ".synced", "");
  if (!marked) return tl::unexpected<Error>(marked.error());
  return {};
}

}  // namespace flarebridge::wandb
