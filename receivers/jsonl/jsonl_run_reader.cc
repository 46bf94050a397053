#include "receivers/jsonl/jsonl_run_reader.h"

#include <algorithm>
#include <optional>
#include <string>

#include "receivers/files/file_info.h"
#include "receivers/files/file_lock.h"
#include "receivers/files/keep_and_cut.h"
#include "receivers/files/open_file.h"
#include "receivers/files/system_error.h"
#include "receivers/jsonl/line.h"
#include "receivers/jsonl/line_fields.h"
#include "receivers/jsonl/line_stream.h"
#include "receivers/jsonl/lines_summary.h"
#include "receivers/run_id.h"

namespace flarebridge {
namespace {

namespace fs = std::filesystem;
using jsonl::LineStream;

constexpr std::string_view kNoLines = "is no file of JSON lines as flarebridge writes them";

// Calls visit for each whole line, and tells what lies between them.
template <class Visit>
Expected<LogCondition> ReadLines(int fd, Visit visit) {
  LineStream lines(fd, 0);
  LogCondition found;
  uint64_t bad = 0;  // bytes since the last whole line
  while (true) {
    const Expected<std::optional<LineStream::Line>> line = lines.Next();
    if (!line) return Propagate(line);
    if (!*line) break;
    if (!jsonl::MarkOf(**line)) {
      bad += (*line)->end - (*line)->begin;
      continue;
    }
    if (bad > 0) found.damage = LogCondition::Damage::kDamaged;
    found.unreadable += bad;
    bad = 0;
    if (found.damage == LogCondition::Damage::kNone) found.whole_end = (*line)->end;
    ++found.records;
    visit(**line);
  }
  // Nothing whole is behind this.
  if (bad > 0 && found.damage == LogCondition::Damage::kNone)
    found.damage = LogCondition::Damage::kCutOff;
  if (found.records == 0) return Fail(ErrorCode::kMalformed, std::string(kNoLines));
  found.unreadable += bad;
  return found;
}

// Whole lines in one write each MiB.
Expected<void> CopyWholeLines(int from, int to) {
  std::string bytes;
  uint64_t at = 0;
  Expected<void> written;
  const auto write = [&] {
    if (written) written = WriteAt(to, at, bytes);
    at += bytes.size();
    bytes.clear();
  };
  const Expected<LogCondition> read = ReadLines(from, [&](const LineStream::Line& line) {
    bytes.append(line.text).push_back('\n');
    if (bytes.size() >= jsonl::kPiece) write();
  });
  if (!read) return Propagate(read);
  write();
  return written;
}

class Reader : public RunReader {
 public:
  // `jsonl/<run id>.jsonl`: other programs have files of such names, too.
  bool IsLog(const fs::path& file) const override {
    return file.extension() == ".jsonl" && file.parent_path().filename() == "jsonl" &&
           IsRunId(file.stem().string());
  }

  std::string IdOf(const fs::path& log) const override { return log.stem().string(); }

  using RunReader::Read;
  Expected<RunSummary> Read(const fs::path& log, const RunVisitor& visit) const override {
    const Expected<UniqueFd> file = OpenToRead(log);
    if (!file) return FailIo(log.string(), file);
    jsonl::LinesSummary summary(visit);
    // What is behind the last whole line may be on its way.
    uint64_t last_end = 0;
    const Expected<LogCondition> read = ReadLines(file->get(), [&](const LineStream::Line& line) {
      summary.Take(line.text, line.begin);
      last_end = line.end;
    });
    if (!read) return FailOf(log.string(), read);
    RunSummary run = summary.End();
    run.id = IdOf(log);
    const Expected<FileInfo> info = InfoOf(file->get());
    const uint64_t behind = info ? info->size - std::min(info->size, last_end) : 0;
    run.bad_bytes = read->unreadable - std::min(read->unreadable, behind);
    return run;
  }

  Expected<std::string> ReadFile(const fs::path& log, std::string_view place,
                                 size_t most) const override {
    const std::optional<jsonl::LinePlace> at = jsonl::LinePlaceIn(place);
    if (!at) return Fail(ErrorCode::kForbidden, "is in no line of the run");
    const Expected<UniqueFd> file = OpenToRead(log);
    if (!file) return Propagate(file);
    LineStream lines(file->get(), at->begin);
    const Expected<std::optional<LineStream::Line>> line = lines.Next();
    if (!line) return Propagate(line);
    std::optional<std::string> content;
    if (*line && jsonl::MarkOf(**line))
      content = jsonl::FileIn(jsonl::FieldsOf((*line)->text), at->item);
    if (!content) return Fail(ErrorCode::kMalformed, "is not in its line");
    if (content->size() > most)
      return Fail(ErrorCode::kTooLarge, "has more than " + std::to_string(most) + " bytes");
    return std::move(*content);
  }

  Expected<LogCondition> Check(const fs::path& log) const override {
    const Expected<UniqueFd> file = OpenToRead(log);
    if (!file) return Propagate(file);
    const bool written = !FileLock::Shared(log);
    jsonl::LinesSummary summary({});
    Expected<LogCondition> found = ReadLines(
        file->get(), [&](const LineStream::Line& line) { summary.Take(line.text, line.begin); });
    if (!found) return found;
    const RunSummary run = summary.End();
    found->written = written;
    found->rows = run.rows;
    found->ended = run.state != RunSummary::State::kRunning;
    return found;
  }

  Expected<std::string> Repair(const fs::path& log, const LogCondition& condition) const override {
    if (condition.damage == LogCondition::Damage::kDamaged)
      return KeepAndReplace(log, CopyWholeLines);
    return KeepAndCut(log, condition.whole_end);
  }
};

}  // namespace

const RunReader& JsonlRunReader() {
  static const Reader reader;
  return reader;
}

}  // namespace flarebridge
