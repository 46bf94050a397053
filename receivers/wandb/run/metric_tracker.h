// What the definitions of a run's metrics make of its rows (wandb's define_metric): step metrics
// that rows lack, and a summary of more than the last value. All of it follows from the log's
// records in their order, so that recovery, which reads them, comes to the same as who wrote them.
// As wandb-core has it (runmetric/, runsummary/), but for numbers that are not finite: they spoil
// no min, max or mean. Used by RowWriter and by recovery; one thread.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "receivers/wandb/log/item_list.h"
#include "receivers/wandb/log/records.h"

namespace flarebridge::wandb {

class MetricTracker {
 public:
  // Bytes of definitions, and of what is known of metrics, at most, about: a checkpoint holds them.
  static constexpr size_t kMostBytes = size_t{1} << 20;

  MetricTracker() = default;
  explicit MetricTracker(MetricState state);

  // Nothing is defined: rows need no look.
  bool empty() const { return state_.definitions.empty(); }

  // There is room for another definition.
  bool HasRoomFor(const MetricDefinition& definition) const;
  // Adds to what was defined; without room nothing changes.
  void Define(const MetricDefinition& definition);

  // Before a row is written: adds the last values of step metrics that it lacks.
  void AddSteps(ItemList& row);
  // A value of a row that is written, in the rows' order. `path`: as AppendPath() gives it.
  void Take(std::string_view path, std::string_view json);
  // Appends what the summary has of a metric whose last value is this: `json` itself, or what was
  // asked for of all values. `taken`: the value was given to Take(). False: nothing.
  bool AppendSummary(std::string_view path, std::string_view json, bool taken, std::string& out);
  // The summary of a key was set by hand, or deleted: one that was set has plain values from here
  // on, until it is defined again; of one that was deleted the first value counts anew.
  void SetByHand(std::string_view path);
  void Delete(std::string_view path);

  const MetricState& state() const { return state_; }
  // Numbers that are not finite where a min, max or mean is kept.
  uint64_t not_finite() const { return not_finite_; }
  // Values of metrics of which only the last one is kept, because there are too many metrics.
  uint64_t untracked() const { return untracked_; }

 private:
  static constexpr size_t kNone = SIZE_MAX;
  // What is known of a path, all of it places in state_.
  struct Slot {
    size_t summary = kNone;  // the definition that says what the summary has
    size_t sync = kNone;     // the one by whose step metric it is counted
    size_t step = kNone;     // it is this step metric
    size_t values = kNone;
  };
  using Places = std::map<std::string, size_t, std::less<>>;

  Slot& SlotOf(std::string_view path);
  Slot NewSlot(std::string_view path) const;
  // The definition with this name, or of the longest glob that the key begins as.
  size_t DefinitionOf(std::string_view key) const;
  // Makes room for what is known of a path's values, if its summary has more than the last one.
  MetricValues* ValuesOf(Slot& slot, std::string_view path);
  static void Count(MetricValues& values, std::string_view json);

  MetricState state_;
  size_t bytes_ = 0;  // of state_, about
  Places names_;      // definitions of no globs
  Places values_;     // by path
  Places steps_;      // by name
  // Paths that were looked for since the last definition.
  std::map<std::string, Slot, std::less<>> slots_;
  // Steps that a row needs, and has: room that is used again.
  std::vector<size_t> wanted_, there_;
  uint64_t not_finite_ = 0, untracked_ = 0;
};

}  // namespace flarebridge::wandb
