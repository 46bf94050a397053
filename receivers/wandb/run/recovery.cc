#include "receivers/wandb/run/recovery.h"

#include <algorithm>
#include <charconv>
#include <string_view>
#include <utility>

#include "receivers/files/file_info.h"
#include "receivers/files/system_error.h"
#include "receivers/wandb/log/checkpoint_reader.h"
#include "receivers/wandb/log/record_fields.h"
#include "receivers/wandb/log/record_stream.h"
#include "receivers/wandb/log/record_writer.h"

namespace flarebridge::wandb {
namespace {

double ToNumber(std::string_view json) {
  double number = 0;
  std::from_chars(json.data(), json.data() + json.size(), number);
  return number;
}

void TakeHistory(const ParsedRecord& record, Recovered& found) {
  found.last_step = std::max(found.last_step.value_or(0), record.step);
  if (!record.own_number)
    found.first_step = std::min(found.first_step.value_or(record.step), record.step);
  for (const ParsedRecord::ParsedItem& item : record.items) {
    if (item.key == "_runtime") found.runtime = std::max(found.runtime, ToNumber(item.json));
    if (item.key == "_timestamp") found.last_time = ToNumber(item.json);
  }
}

std::string PathOf(const ParsedRecord::ParsedItem& item) {
  std::string path;
  for (const std::string_view component : item.path) AppendPath(component, path);
  return path;
}

// A summary record with a mark says what was set by hand; all others sum up rows, which tell alone.
void TakeSummary(const ParsedRecord& record, Recovered& found) {
  if (!record.mark) return;
  const bool rows_waited =
      record.mark->journal == found.applied.journal() && !record.mark->positions.empty();
  const auto take = [&](const ParsedRecord::ParsedItem& item, bool deleted) {
    const std::string path = PathOf(item);
    if (deleted) {
      found.metrics.Delete(path);
    } else {
      found.metrics.SetByHand(path);
    }
    if (rows_waited) found.by_hand[path] = record.mark->positions.back();
  };
  for (const ParsedRecord::ParsedItem& item : record.items) take(item, false);
  for (const ParsedRecord::ParsedItem& item : record.removed) take(item, true);
}

void TakeMetricsOfRow(const ParsedRecord& record, MetricTracker& metrics) {
  for (const ParsedRecord::ParsedItem& item : record.items) metrics.Take(PathOf(item), item.json);
}

void NoteJournal(uint64_t journal, std::vector<uint64_t>& journals) {
  // Nearly all records are of the last one.
  if (std::find(journals.rbegin(), journals.rend(), journal) != journals.rend()) return;
  if (journals.size() <= kMostJournals) journals.push_back(journal);
}

void TakeRecord(const ParsedRecord& record, uint64_t start, Recovered& found) {
  using Kind = ParsedRecord::Kind;
  found.number = record.number;
  if (!record.checkpoint.empty()) found.checkpoint_at = start;
  if (record.kind == Kind::kExit || record.kind == Kind::kFinal) {
    // The first of them: a run's end is an exit, then a final.
    if (!found.ended) found.content_end = start;
    found.ended = true;
  } else {
    found.ended = false;
    found.number_before_end = record.number;
  }
  if (record.mark) {
    found.applied.Take(*record.mark);
    NoteJournal(record.mark->journal, found.journals);
  }
  if (record.kind == Kind::kHistory) {
    TakeHistory(record, found);
    if (!found.metrics.empty()) TakeMetricsOfRow(record, found.metrics);
  }
  if (record.kind == Kind::kSummary) TakeSummary(record, found);
  if (record.kind == Kind::kOther && record.field == kMetric) {
    if (const auto definition = ParseMetric(record.content)) found.metrics.Define(*definition);
  }
  if (record.kind == Kind::kRun) {
    found.has_run = true;
    found.run = record.run;
    found.tags_wait = false;
  }
  for (const auto& [key, tag] : record.tag_changes) {
    const TagKeys::Outcome outcome = found.tag_keys.Set(key, tag, found.run.tags);
    found.tags_wait = found.tags_wait || outcome == TagKeys::Outcome::kChanged;
  }
}

// What lies behind `found.whole_end`, where the reader stands.
Expected<Recovered> ReadOn(int fd, LogReader reader, Recovered found) {
  const Expected<LogEnd> end = ReadRecords(
      fd, std::move(reader), OnDamage::kStop,
      [&](const ParsedRecord& record, uint64_t start) { TakeRecord(record, start, found); });
  if (!end) return Propagate(end);
  found.corrupt = end->corrupt;
  found.whole_end = end->whole_end;
  if (!found.ended) found.content_end = found.whole_end;
  return found;
}

// It says how far the journal's events are in the log before it: it is this one's, or the log has
// nothing of it.
bool Tells(const Checkpoint& checkpoint, uint64_t journal) {
  return checkpoint.mark.journal == journal ||
         std::find(checkpoint.journals.begin(), checkpoint.journals.end(), journal) ==
             checkpoint.journals.end();
}

Recovered FromCheckpoint(const Checkpoint& checkpoint, uint64_t at, uint64_t journal) {
  Recovered found;
  found.checkpoint_at = at;
  found.has_run = true;
  found.applied = AppliedEvents(journal);
  found.applied.Take(checkpoint.mark);
  found.journals = checkpoint.journals;
  found.last_step = checkpoint.last_step;
  found.first_step = checkpoint.first_step;
  found.runtime = checkpoint.runtime;
  found.last_time = checkpoint.last_time;
  found.run = checkpoint.run;
  found.tag_keys = TagKeys({checkpoint.tag_of_key.begin(), checkpoint.tag_of_key.end()});
  found.tags_wait = checkpoint.tags_wait;
  found.metrics = MetricTracker(checkpoint.metrics);
  if (checkpoint.mark.journal == journal)
    found.by_hand.insert(checkpoint.by_hand.begin(), checkpoint.by_hand.end());
  return found;
}

// What the last checkpoint says whose record is whole; the reader stands there then. Nothing: there
// is none near the end, or it does not tell of this journal.
Expected<std::optional<Recovered>> FindCheckpoint(int fd, uint64_t journal, LogReader& reader) {
  const Expected<FileInfo> file = InfoOf(fd);
  if (!file) return FailIo("the run log", file);
  const uint64_t first = file->size - std::min(file->size, kCheckpointWithin);
  for (uint64_t end = file->size; end > first;) {
    const Expected<uint64_t> at = reader.FindLast(kCheckpointBegin, end, end - first);
    if (!at) return Propagate(at);
    if (*at == 0) break;
    end = *at;
    reader.GoTo(*at);
    std::string_view bytes;
    ParsedRecord record;
    const Expected<LogReader::Status> read = reader.Next(bytes);
    if (!read) return Propagate(read);
    if (*read != LogReader::Status::kRecord || !ParseRecord(bytes, record)) continue;
    const Expected<Checkpoint> checkpoint = ParseCheckpoint(record.checkpoint);
    if (!checkpoint || !Tells(*checkpoint, journal)) break;
    reader.GoTo(*at);
    return FromCheckpoint(*checkpoint, *at, journal);
  }
  return std::nullopt;
}

}  // namespace

Expected<Recovered> Recover(int fd, uint64_t journal, const OnProgress& on_progress) {
  Expected<LogReader> reader = LogReader::Open(fd, on_progress);
  if (!reader) return Propagate(reader);
  Expected<std::optional<Recovered>> checkpoint = FindCheckpoint(fd, journal, *reader);
  if (!checkpoint) return Propagate(checkpoint);
  if (*checkpoint) return ReadOn(fd, std::move(*reader), std::move(**checkpoint));
  return RecoverFromBeginning(fd, journal, on_progress);
}

Expected<Recovered> RecoverFromBeginning(int fd, uint64_t journal, const OnProgress& on_progress) {
  Expected<LogReader> reader = LogReader::Open(fd, on_progress);
  if (!reader) return Propagate(reader);
  Recovered found;
  found.applied = AppliedEvents(journal);
  return ReadOn(fd, std::move(*reader), std::move(found));
}

}  // namespace flarebridge::wandb
