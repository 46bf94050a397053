// Rows on their way into a run's log: merged by step, summed up, marked and encoded; and the marks
// of all other records, which depend on what still waits here. Used by WandbRun and by the effects
// of events. Nothing is allocated for each row. One thread.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "events/clock.h"
#include "receivers/applied.h"
#include "receivers/wandb/log/item_list.h"
#include "receivers/wandb/log/records.h"
#include "receivers/wandb/run/left_out.h"
#include "receivers/wandb/run/log_appender.h"
#include "receivers/wandb/run/metric_tracker.h"
#include "receivers/wandb/run/recovery.h"
#include "receivers/wandb/run/step_merger.h"

namespace flarebridge::wandb {

class RowWriter {
 public:
  // Rows go on behind what was recovered, at times since run.start_time. `run` and `log` must live
  // as long.
  RowWriter(uint64_t journal, const Recovered& recovered, const RunRecord& run, LogAppender& log);

  // Takes over the items of the event at a position, as StepMerger::Add() does. `writer`: the label
  // of one of several writers, as StepMerger::AddOf() has it; empty: there is none.
  void Add(uint64_t position, std::optional<int64_t> step, double time, ItemList& items,
           Clock::time_point now, std::string_view writer = {});
  // The event at a position has had its effects, or has none.
  void Pass(uint64_t position) { given_ = std::max(given_, position); }

  // The mark of a record that is no row, completes the event at a position and comes next in the
  // log.
  AppliedMark MarkAt(uint64_t position);
  // The number of the journal that events' positions are in.
  uint64_t journal() const { return journal_; }

  // Each brings rows into the log, with one summary record before them: those that are complete,
  // those whose time has come too, all of them.
  void WriteReady();
  void WriteDue(Clock::time_point now);
  void WriteAll();
  // All rows and the last summary. Gives the run's length in seconds, if it ends at a time (seconds
  // since the epoch).
  double WriteLast(double end_time);

  // What metrics are defined, and what is known of them.
  MetricTracker& metrics() { return metrics_; }
  const MetricTracker& metrics() const { return metrics_; }
  // The event at a position has set a key's summary, or deleted it, with all that is below the key:
  // rows that wait hold values of before that, which do not come into the summary any more.
  void SetByHand(const std::string& path, uint64_t position);

  // A record that was added by others has this mark.
  void Take(const AppliedMark& mark) { applied_.Take(mark); }
  // Fills in the rows' part and the mark, as recovery would find them in the log now; no effect is
  // half done. False: no mark of this journal is there yet.
  bool Describe(Checkpoint& checkpoint) const;
  // A record that carries a checkpoint; `encoded`: by AppendCheckpoint().
  void WriteCheckpoint(std::string_view encoded);

  // All events up to here are in what has been brought into the log.
  uint64_t EncodedPosition() const;
  std::optional<Clock::time_point> NextDue() const;
  // What it counted.
  const StepMerger& merger() const { return merger_; }
  // Values that had no room in their row; also for those who make its items.
  LeftOut& left_out() { return left_out_; }
  const LeftOut& left_out() const { return left_out_; }

 private:
  // Those of rows in their order go into marks_.
  void MarkRows(const std::vector<StepMerger::Row>& rows);
  // Adds to rows, and counts their values, as metrics are defined.
  void FollowMetrics(std::vector<StepMerger::Row>& rows);
  // What they say last goes into summary_.
  void SumUp(std::span<const StepMerger::Row> rows);
  template <class TakeLast>
  void AddLastValues(std::span<const StepMerger::Row> rows, TakeLast take);
  // A value that is the last of its key, as metrics are defined; `taken`: of a row that is counted.
  void AddToSummary(std::string_view path, std::string_view json, bool taken);
  // More than a row's last values has to be looked at.
  bool summary_is_plain() const { return metrics_.empty() && by_hand_.empty(); }
  void ForgetSetByHand();
  void WriteRow(StepMerger::Row& row, const AppliedMark& mark);
  // The open row's values go into the summary, if they are new and it is time.
  void TellOpenRow(Clock::time_point now);
  void SumUpRow(const StepMerger::Row& row, double runtime);
  // `_runtime` of a row, by its site's clock.
  double RuntimeAt(double time);
  void WriteSummary();

  uint64_t journal_;
  const RunRecord& run_;
  LogAppender& log_;
  StepMerger merger_;
  LeftOut left_out_;
  size_t added_ = 0;  // bytes of items since rows were last written
  ItemList summary_;  // changed since the last summary record
  MetricTracker metrics_;
  // Path -> the position of the event that set its summary, while rows of before that wait.
  std::map<std::string, uint64_t, std::less<>> by_hand_;
  std::string value_;      // room for one
  AppliedEvents applied_;  // all marks that were made for the log
  // Of the rows in the log, as in Recovered.
  std::optional<int64_t> last_step_, first_step_;
  double last_time_ = 0;
  double last_runtime_ = 0;       // seconds
  std::optional<double> origin_;  // seconds since the epoch by the site's clock: `_runtime` is 0
  double ahead_ = 0;              // seconds that the site's clock is before ours
  double latest_ = 0;             // seconds since the epoch: a time behind it can't be right
  uint64_t told_ = 0;             // the last event of the open row that the summary has
  std::optional<Clock::time_point> tell_due_;
  uint64_t given_ = 0;              // the last position given
  std::vector<AppliedMark> marks_;  // room that is used again and again
};

}  // namespace flarebridge::wandb
