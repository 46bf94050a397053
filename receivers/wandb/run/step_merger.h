// Puts records of one step together into one row, and rows into rising order: pure, with the clock
// passed in. A row is held back for a short time for what else may come for its step. Used by
// WandbRun; one thread.
//
// Which `_step` a row gets: its own, if that is above the last row's; otherwise the next number,
// and it carries its own step in `own_step`. So `_step` always rises: `wandb sync` 0.31 gives rows
// that repeat or fall back the next number by itself, without a word
// (tests/conformance/test_what_wandb_accepts.py). A record without a step gets the next number for
// itself. Behind the highest step there is (2^63-1) no row gets a higher one.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "receivers/wandb/log/item_list.h"

namespace flarebridge::wandb {

class StepMerger {
 public:
  using Time = std::chrono::steady_clock::time_point;

  struct Limits {
    // Long enough for a script's calls for one step, short enough to be live (rows are to be
    // readable within a second of their arrival).
    std::chrono::milliseconds window{300};
    // While a channel brings records in another order than they were logged (NVFlare 2.9's comes up
    // to 1.5 s late), and for how long after the last such record.
    std::chrono::milliseconds disorder_window{2000};
    std::chrono::milliseconds disorder_memory{10000};
    size_t rows = 256;  // held back at most; beyond it the lowest step goes
    // Of keys and values, held back at most; beyond it the lowest steps go. Keeps a row below the
    // 10 MiB that W&B takes as one line.
    size_t bytes = size_t{4} << 20;
  };
  struct Row {
    int64_t step = 0;
    std::optional<int64_t> own_step;  // where it differs
    double time = 0;                  // seconds since the epoch, of its last record
    ItemList items;
    std::vector<uint64_t> positions;  // in rising order
  };

  // `last_step`: of the last row that the run has, if it has any.
  StepMerger(const Limits& limits, std::optional<int64_t> last_step)
      : limits_(limits), last_step_(last_step) {}

  // Takes over one record's items, of which no two have one path; what is left of them is an empty
  // list. Rows that are complete by this appear in ready().
  void Add(uint64_t position, std::optional<int64_t> step, double time, ItemList& items, Time now);
  // Moves the rows that have waited for long enough to ready(); those with lower steps go with
  // them.
  void Release(Time now);
  void ReleaseAll();
  // Complete rows in the order in which they are to be written.
  std::vector<Row>& ready() { return ready_; }
  // They are written; their room is used again.
  void ClearReady();

  std::optional<Time> NextDue() const;
  // The lowest position among the rows that are held back. Asked for often: does not look at all.
  std::optional<uint64_t> LowestWaiting() const;

  // Records that came when a row of their step or a higher one was written.
  uint64_t late() const { return late_; }
  // Records that came behind one of a later time: their channel changed the order.
  uint64_t reordered() const { return reordered_; }
  // Values replaced by a later one of their row.
  uint64_t overwritten() const { return overwritten_; }

 private:
  struct Waiting {
    Row row;
    size_t bytes = 0;
  };
  using Rows = std::map<int64_t, Waiting>;
  struct Arrival {
    Time since;
    int64_t step = 0;
    uint64_t position = 0;  // of the row's first record: tells it from a later row of that step
  };

  Row NewRow();
  // The row of a step, which is made if it is not there.
  Waiting& WaitingOf(int64_t step, uint64_t position, Time now);
  void Merge(Waiting& waiting, ItemList& items);
  int64_t NextStep() const;
  void ReleaseLowest();
  bool IsGone(const Arrival& arrival) const;
  void ForgetGone();
  std::chrono::milliseconds WindowAt(Time now) const;

  Limits limits_;
  std::optional<int64_t> last_step_;
  Rows waiting_;
  std::deque<Arrival> arrivals_;  // of waiting rows, so by rising positions; its front is not gone
  std::vector<Row> ready_;
  // Room that was used and is free.
  std::vector<Row> spare_rows_;
  std::vector<Rows::node_type> spare_nodes_;
  size_t bytes_ = 0;                   // of what waits
  double latest_time_ = 0;             // of all records
  std::optional<Time> last_disorder_;  // arrival of the last record that was out of order
  uint64_t late_ = 0;
  uint64_t reordered_ = 0;
  uint64_t overwritten_ = 0;
};

}  // namespace flarebridge::wandb
