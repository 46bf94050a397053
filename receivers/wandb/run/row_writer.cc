#include "receivers/wandb/run/row_writer.h"

#include <algorithm>
#include <charconv>
#include <string>
#include <vector>

#include "events/to_integer.h"
#include "receivers/json.h"
#include "receivers/wandb/log/record_writer.h"

namespace flarebridge::wandb {
namespace {

// Rows that share one summary record when they come faster than flushes.
constexpr size_t kRowsPerSummary = 128;
// How soon the values of a row that is still open are in the summary, and how often at most.
constexpr std::chrono::milliseconds kTellInterval{300};
// Seconds that clocks of machines which are kept right may differ.
constexpr double kClockTolerance = 60;
// Bytes of them that wait in memory at most, beside the last one.
constexpr size_t kMaxReady = size_t{4} << 20;

// How many of the rows share one summary record, which is no larger than a row may be.
size_t RowsOfOneSummary(std::span<const StepMerger::Row> rows) {
  size_t count = 1;
  for (size_t bytes = rows.front().items.encoded().size(); count < rows.size(); ++count) {
    bytes += rows[count].items.encoded().size();
    if (bytes > kMaxRowBytes) break;
  }
  return count;
}

std::string SecondsToJson(double seconds) {
  std::string out;
  AppendSeconds(seconds, out);
  return out;
}

// What is read back from a row.
double AsWritten(double seconds) {
  const std::string text = SecondsToJson(seconds);
  std::from_chars(text.data(), text.data() + text.size(), seconds);
  return seconds;
}

// The path of the outermost key, which is what a summary is set by, with all that is below it.
std::string KeyPathOf(std::string_view path) {
  const std::vector<std::string_view> components = ComponentsOf(path);
  return components.empty() ? std::string(path) : PathOf(components.front());
}

// Keys that every row has.
const std::string kStepPath = PathOf("_step");
const std::string kRuntimePath = PathOf("_runtime");
const std::string kTimestampPath = PathOf("_timestamp");
const std::string kOwnStepPath = PathOf("flarebridge/step");
const std::string kWriterPath = PathOf("flarebridge/writer");
const std::string kWandbRuntimePath = PathOf("_wandb") + PathOf("runtime");

}  // namespace

RowWriter::RowWriter(uint64_t journal, const Recovered& recovered, const RunRecord& run,
                     LogAppender& log)
    : journal_(journal),
      run_(run),
      log_(log),
      merger_(StepMerger::Limits(), {recovered.last_step, recovered.first_step}),
      metrics_(recovered.metrics),
      by_hand_(recovered.by_hand.begin(), recovered.by_hand.end()),
      applied_(recovered.applied),
      last_step_(recovered.last_step),
      first_step_(recovered.first_step),
      last_time_(recovered.last_time),
      last_runtime_(recovered.runtime),
      given_(recovered.applied.floor()) {
  if (recovered.last_step) origin_ = recovered.last_time - recovered.runtime;
}

void RowWriter::Add(uint64_t position, std::optional<int64_t> step, double time, ItemList& items,
                    Clock::time_point now, std::string_view writer) {
  added_ += items.encoded().size();
  if (!by_hand_.empty()) {
    // What is logged behind it counts again.
    for (size_t i = 0; i < items.size(); ++i) {
      const auto set = by_hand_.find(KeyPathOf(items.path(i)));
      if (set != by_hand_.end() && set->second < position) by_hand_.erase(set);
    }
  }
  if (writer.empty()) {
    merger_.Add(position, step, time, items, now);
  } else {
    merger_.AddOf(writer, position, step, time, items, now);
  }
  if (merger_.ready().size() >= kRowsPerSummary || added_ > kMaxReady) WriteReady();
}

AppliedMark RowWriter::MarkAt(uint64_t position) {
  // Rows that are complete lie before this record in the log; those that wait come later.
  WriteReady();
  AppliedMark mark;
  MarkRecord(journal_, {&position, 1}, merger_.LowestWaiting().value_or(position + 1), mark);
  applied_.Take(mark);
  return mark;
}

void RowWriter::MarkRows(const std::vector<StepMerger::Row>& rows) {
  // From the last row to the first: each claims nothing of what lies behind it.
  uint64_t later = given_ + 1;
  for (const StepMerger::Row& row : rows) later = std::max(later, row.positions.back() + 1);
  if (const auto waiting = merger_.LowestWaiting()) later = std::min(later, *waiting);
  if (marks_.size() < rows.size()) marks_.resize(rows.size());
  for (size_t i = rows.size(); i-- > 0;) {
    MarkRecord(journal_, rows[i].positions, later, marks_[i]);
    applied_.Take(marks_[i]);
    later = std::min(later, rows[i].positions.front());
  }
}

void RowWriter::WriteReady() {
  std::vector<StepMerger::Row>& rows = merger_.ready();
  added_ = 0;
  if (rows.empty()) return;
  latest_ = EpochNow() + kClockTolerance;
  told_ = 0;
  MarkRows(rows);
  // Several records of one step may be too large together.
  for (StepMerger::Row& row : rows) left_out_.Fit(row.items);
  if (!metrics_.empty()) FollowMetrics(rows);
  for (size_t done = 0; done < rows.size();) {
    const std::span<StepMerger::Row> rest = std::span(rows).subspan(done);
    const std::span<StepMerger::Row> some = rest.first(RowsOfOneSummary(rest));
    // The summary goes before the rows that it sums up: if the end is torn off, their events are
    // replayed and the summary is written again.
    SumUp(some);
    WriteSummary();
    for (StepMerger::Row& row : some) WriteRow(row, marks_[done++]);
  }
  merger_.ClearReady();
  if (!by_hand_.empty()) ForgetSetByHand();
}

void RowWriter::FollowMetrics(std::vector<StepMerger::Row>& rows) {
  for (StepMerger::Row& row : rows) {
    metrics_.AddSteps(row.items);
    left_out_.Fit(row.items);
    for (size_t i = 0; i < row.items.size(); ++i)
      metrics_.Take(row.items.path(i), row.items.json(i));
  }
}

void RowWriter::SetByHand(const std::string& path, uint64_t position) {
  if (merger_.LowestWaiting()) by_hand_[path] = position;
}

void RowWriter::ForgetSetByHand() {
  const uint64_t waiting = merger_.LowestWaiting().value_or(given_ + 1);
  std::erase_if(by_hand_, [&](const auto& set) { return set.second < waiting; });
}

void RowWriter::WriteDue(Clock::time_point now) {
  merger_.Release(now, given_);
  WriteReady();
  TellOpenRow(now);
}

std::optional<Clock::time_point> RowWriter::NextDue() const {
  const std::optional<Clock::time_point> rows = merger_.NextDue();
  if (!tell_due_) return rows;
  return std::min(rows.value_or(*tell_due_), *tell_due_);
}

void RowWriter::TellOpenRow(Clock::time_point now) {
  const StepMerger::Row* open = merger_.open_row();
  if (open == nullptr || open->positions.back() == told_) {
    tell_due_.reset();
    return;
  }
  if (!tell_due_) tell_due_ = now + kTellInterval;
  if (now < *tell_due_) return;
  tell_due_.reset();
  told_ = open->positions.back();
  for (size_t i = 0; i < open->items.size(); ++i) {
    if (summary_is_plain()) {
      summary_.Put(open->items.path(i), open->items.json(i));
    } else {
      AddToSummary(open->items.path(i), open->items.json(i), false);
    }
  }
  SumUpRow(*open, std::max(last_runtime_, open->time - origin_.value_or(open->time)));
  WriteSummary();
}

void RowWriter::WriteAll() {
  merger_.ReleaseAll();
  WriteReady();
}

double RowWriter::WriteLast(double end_time) {
  WriteAll();
  const double runtime = std::max(last_runtime_, end_time - run_.start_time);
  summary_.Put(kWandbRuntimePath, ToJson(ToInteger<int64_t>(runtime)));
  WriteSummary();
  return runtime;
}

void RowWriter::AddToSummary(std::string_view path, std::string_view json, bool taken) {
  if (!by_hand_.empty() && by_hand_.contains(KeyPathOf(path))) return;
  value_.clear();
  if (metrics_.AppendSummary(path, json, taken, value_)) summary_.Put(path, value_);
}

template <class TakeLast>
void RowWriter::AddLastValues(std::span<const StepMerger::Row> rows, TakeLast take) {
  // From the last row on, each key's first value counts; most rows have the keys of the row behind
  // them, and nothing to say.
  const StepMerger::Row* behind = nullptr;
  for (size_t i = rows.size(); i-- > 0;) {
    const ItemList& items = rows[i].items;
    if (behind != nullptr && items.HasPathsOf(behind->items)) continue;
    behind = &rows[i];
    for (size_t k = 0; k < items.size(); ++k) {
      if (!summary_.Find(items.path(k))) take(items.path(k), items.json(k));
    }
  }
}

void RowWriter::SumUp(std::span<const StepMerger::Row> rows) {
  if (summary_is_plain()) {
    AddLastValues(
        rows, [this](std::string_view path, std::string_view json) { summary_.Add(path, json); });
  } else {
    AddLastValues(rows, [this](std::string_view path, std::string_view json) {
      AddToSummary(path, json, true);
    });
    // What definitions ask for may be more than the rows have.
    left_out_.Fit(summary_);
  }
  double runtime = last_runtime_;
  for (const StepMerger::Row& row : rows) runtime = std::max(runtime, RuntimeAt(row.time));
  SumUpRow(rows.back(), runtime);
}

void RowWriter::SumUpRow(const StepMerger::Row& row, double runtime) {
  summary_.Put(kStepPath, ToJson(row.step));
  summary_.Put(kTimestampPath, SecondsToJson(row.time));
  summary_.Put(kRuntimePath, SecondsToJson(runtime));
  summary_.Put(kWandbRuntimePath, ToJson(ToInteger<int64_t>(runtime)));
}

double RowWriter::RuntimeAt(double time) {
  if (!origin_) {
    // The run's start may have been read from another machine's clock: what its first row has no
    // time for, or more than our own clock knows of, is the difference between the two.
    ahead_ = std::max(0.0, time - latest_);
    origin_ = std::min(time, run_.start_time + ahead_);
  }
  // A clock that was wrong for a moment does not stop the count for ever.
  return time > latest_ + ahead_ ? last_runtime_ : time - *origin_;
}

void RowWriter::WriteRow(StepMerger::Row& row, const AppliedMark& mark) {
  last_runtime_ = std::max(last_runtime_, RuntimeAt(row.time));
  last_time_ = row.time;
  last_step_ = std::max(last_step_.value_or(0), row.step);
  if (!row.automatic) first_step_ = std::min(first_step_.value_or(row.step), row.step);
  ItemList& items = row.items;
  const auto add_step = [&](const std::string& path, int64_t step) {
    items.AddWritten(path, [step](std::string& out) { AppendJson(step, out); });
  };
  const auto add_seconds = [&](const std::string& path, double seconds) {
    items.AddWritten(path, [seconds](std::string& out) { AppendSeconds(seconds, out); });
  };
  if (row.own_step) add_step(kOwnStepPath, *row.own_step);
  if (!row.writer.empty()) items.Put(kWriterPath, ToJson(std::string_view(row.writer)));
  add_step(kStepPath, row.step);
  add_seconds(kRuntimePath, last_runtime_);
  add_seconds(kTimestampPath, row.time);
  log_.Add([&](int64_t number, std::string& out) {
    AppendHistory(number, row.items, row.step, &mark, out);
    if (row.automatic) AppendOwnNumber(out);
  });
}

void RowWriter::WriteSummary() {
  log_.Add([&](int64_t number, std::string& out) { AppendSummary(number, summary_, out); });
  summary_.Clear();
}

bool RowWriter::Describe(Checkpoint& checkpoint) const {
  checkpoint.mark = applied_.Sum();
  checkpoint.last_step = last_step_;
  checkpoint.first_step = first_step_;
  checkpoint.runtime = AsWritten(last_runtime_);
  checkpoint.last_time = AsWritten(last_time_);
  checkpoint.metrics = metrics_.state();
  checkpoint.by_hand.assign(by_hand_.begin(), by_hand_.end());
  return applied_.knows_journal();
}

void RowWriter::WriteCheckpoint(std::string_view encoded) {
  // W&B's readers want a content that they know: a summary record that says what was said before.
  summary_.Put(kWandbRuntimePath, ToJson(static_cast<int64_t>(last_runtime_)));
  log_.Add([&](int64_t number, std::string& out) {
    out.append(encoded);
    AppendSummary(number, summary_, out);
  });
  summary_.Clear();
}

uint64_t RowWriter::EncodedPosition() const {
  const std::optional<uint64_t> waiting = merger_.LowestWaiting();
  return waiting ? *waiting - 1 : given_;
}

}  // namespace flarebridge::wandb
