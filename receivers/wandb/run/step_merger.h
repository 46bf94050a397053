// Puts records of one step together into one row, and rows into the order of their steps: pure,
// with the clock passed in. Used by WandbRun; one thread.
//
// Which `_step` a row gets:
// - A record is in time if its step is above the last row's. Its row has the step that was logged,
//   whatever else comes: nothing late or without a step ever takes its number.
// - The row of the highest step stays open, for minutes, until a higher one comes: a loss, an
//   evaluation and an accuracy of one step are one row. Rows below it wait a moment for stragglers.
// - A record without a step joins the open row, as in W&B's client; where it has a key of that
//   already, it is a row beside it. A run whose records never have steps is numbered from 0.
// - What comes late is a row beside, with its own step in `own_step`. Rows beside get a number that
//   no step in time can need, if there is one between the last row and the open one, else the last
//   row's once more.
// - Steps that begin anew (a counter that each round sets back) are no stragglers: from the second
//   such record on their rows get the next numbers, in the order in which they came.
// So `_step` never falls. It repeats where a row beside found no number of its own: `wandb sync`
// 0.31 gives such rows the next number by itself (tests/conformance/test_what_wandb_accepts.py),
// flarebridge's upload leaves them as they are.
//
// Where several writers share a run, each with a label, a row is one writer's: records of one step
// and one label (writer_rows.h). Such rows get the next number in the order in which they are
// complete, as in W&B's shared mode, and the writer's step is in `own_step`.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string_view>
#include <vector>

#include "receivers/wandb/run/merged_row.h"
#include "receivers/wandb/run/writer_rows.h"

namespace flarebridge::wandb {

class StepMerger {
 public:
  using Time = std::chrono::steady_clock::time_point;

  struct Limits {
    // What a row waits for once a higher step has come. Short enough to be live: rows are to be
    // readable within a second of being complete.
    std::chrono::milliseconds window{300};
    // While a channel brings records in another order than they were logged (NVFlare 2.9's comes up
    // to 1.5 s late), and for how long after the last such record.
    std::chrono::milliseconds disorder_window{2000};
    std::chrono::milliseconds disorder_memory{10000};
    // How long the row of the highest step stays open.
    std::chrono::milliseconds open_window{300000};
    // Positions that may pass while a row waits: the journal keeps what is behind its first record.
    uint64_t positions = 65536;
    size_t rows = 256;  // held back at most; beyond it the lowest step goes
    // Of keys and values, held back at most; beyond it the lowest steps go. Keeps a row below the
    // 10 MiB that W&B takes as one line.
    size_t bytes = size_t{4} << 20;
  };
  using Row = MergedRow;
  // Where a run's rows stand.
  struct Start {
    std::optional<int64_t> last_step;   // of the last row; nothing: it has none
    std::optional<int64_t> first_step;  // the lowest that was logged, if one was
  };

  StepMerger(const Limits& limits, const Start& start)
      : limits_(limits),
        last_step_(start.last_step),
        automatic_(!start.first_step),
        first_own_(start.first_step) {}

  // Takes over one record's items, of which no two have one path; what is left of them is an empty
  // list. Rows that are complete by this appear in ready().
  void Add(uint64_t position, std::optional<int64_t> step, double time, ItemList& items, Time now);
  // The same for one of several writers.
  void AddOf(std::string_view writer, uint64_t position, std::optional<int64_t> step, double time,
             ItemList& items, Time now);
  // Moves what has waited for long enough to ready(); rows of lower steps go with a row. `given`:
  // the last position that the run was given, of whatever event.
  void Release(Time now, uint64_t given);
  void ReleaseAll();
  // Complete rows in the order in which they are to be written.
  std::vector<Row>& ready() { return ready_; }
  // They are written; their room is used again.
  void ClearReady();

  // When Release() has something to do.
  std::optional<Time> NextDue() const;
  // The lowest position among the rows that are held back. Asked for often: does not look at all.
  std::optional<uint64_t> LowestWaiting() const;
  // The row of the highest step, while it is held back; else null.
  const Row* open_row() const;

  // Records that came when a row of their step or a higher one was written.
  uint64_t late() const { return late_; }
  // Records without a step in a run that has steps.
  uint64_t stepless() const { return stepless_; }
  // Records that came behind one of a later time: their channel changed the order.
  uint64_t reordered() const { return reordered_; }
  // Values replaced by a later one of their row.
  uint64_t overwritten() const { return overwritten_ + (writers_ ? writers_->overwritten() : 0); }

 private:
  struct Waiting {
    Row row;
    size_t bytes = 0;
    Time since{};  // its first record came
  };
  using Rows = std::map<int64_t, Waiting>;
  // A row that waits, known by its first position; `beside`: it is the one in beside_.
  struct Arrival {
    uint64_t position = 0;
    int64_t step = 0;
    bool beside = false;
  };
  // A row that a higher step has come behind.
  struct Passed {
    Time since{};
    int64_t step = 0;
    uint64_t position = 0;
  };

  Row NewRow();
  void NumberRowsOfWriters();
  // A value for a key that the open row has had for long is not meant to replace it: the row goes.
  void ReleaseRepeated(int64_t step, const ItemList& items, Time now);
  void AddInTime(uint64_t position, int64_t step, double time, ItemList& items, Time now);
  void AddLate(uint64_t position, int64_t step, double time, ItemList& items, Time now);
  void AddStepless(uint64_t position, double time, ItemList& items, Time now);
  // Begins a row beside; the one before is released.
  void Beside(uint64_t position, std::optional<int64_t> own_step, double time, ItemList& items,
              Time now);
  // The row of a step, which is made if it is not there.
  Waiting& WaitingOf(int64_t step, uint64_t position, Time now);
  void Join(Waiting& waiting, uint64_t position, double time, ItemList& items);
  int64_t NextStep() const;
  // A number for a row beside, if the row after it in the log is to have `below` or more.
  int64_t NumberBeside(std::optional<int64_t> below) const;
  void ReleaseUnlabelled();
  void ReleaseLowest();
  void ReleaseWaiting();
  // `below`: the step of a record that has just come.
  void ReleaseBeside(std::optional<int64_t> below);
  Time BesideDue() const;
  bool IsGone(const Arrival& arrival) const;
  bool IsGone(const Passed& passed) const;
  void ForgetGone();
  void KeepBounds(uint64_t given);
  std::chrono::milliseconds WindowAt(Time now) const;

  Limits limits_;
  std::optional<int64_t> last_step_;  // of the last row in ready() or before
  bool automatic_;                    // no record has had a step yet
  std::optional<int64_t> first_own_;  // the lowest step that was logged in time
  Rows waiting_;                      // in time, by step; all above last_step_
  std::optional<Waiting> beside_;     // a row without a number yet
  std::optional<int64_t> late_own_;   // the step of the last late record, if no other came since
  bool anew_ = false;                 // the steps have begun anew
  std::deque<Arrival> arrivals_;      // of waiting rows, by rising positions; its front is not gone
  std::deque<Passed> passed_;         // by rising times; its front is not gone
  std::vector<Row> ready_;
  std::optional<WriterRows> writers_;  // once there is one
  // Room that was used and is free.
  std::vector<Row> spare_rows_;
  std::vector<Rows::node_type> spare_nodes_;
  size_t bytes_ = 0;                   // of what waits by step
  double previous_time_ = 0;           // of the last record
  std::optional<Time> last_disorder_;  // arrival of the last record that was out of order
  uint64_t late_ = 0;
  uint64_t stepless_ = 0;
  uint64_t reordered_ = 0;
  uint64_t overwritten_ = 0;
};

}  // namespace flarebridge::wandb
