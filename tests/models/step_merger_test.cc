// The step merger against what it is for: every record is in one row, steps never fall, whatever
// comes late or without a step moves no row that is in time, and a row holds the last value of each
// key.
#include "receivers/wandb/run/step_merger.h"

#include <doctest/doctest.h>
#include <rapidcheck.h>

#include <algorithm>

namespace flarebridge::wandb {
namespace {

using std::chrono::milliseconds;

struct Given {
  int64_t step = -1;  // below 0: none
  uint8_t key = 0;
  double time = 0;
};

// Of positions 1 to `last`, the first that no row has.
std::optional<uint64_t> LowestMissing(const std::vector<StepMerger::Row>& rows, uint64_t last) {
  std::vector<bool> there(last + 2, false);
  for (const StepMerger::Row& row : rows) {
    for (const uint64_t position : row.positions) there[position] = true;
  }
  for (uint64_t position = 1; position <= last; ++position) {
    if (!there[position]) return position;
  }
  return std::nullopt;
}

TEST_CASE("each record is in exactly one row, and what is in time has the step that was logged") {
  CHECK(rc::check([] {
    const auto inputs = *rc::gen::container<std::vector<std::tuple<int64_t, uint8_t, uint16_t>>>(
        rc::gen::tuple(rc::gen::inRange<int64_t>(-1, 30), rc::gen::inRange<uint8_t>(0, 4),
                       rc::gen::inRange<uint16_t>(0, 600)));
    const auto last = *rc::gen::maybe(rc::gen::inRange<int64_t>(0, 20));
    StepMerger::Limits limits;
    limits.rows = *rc::gen::inRange<size_t>(1, 12);
    limits.positions = *rc::gen::inRange<uint64_t>(1, 40);
    const std::optional<int64_t> start = last ? std::optional<int64_t>(*last) : std::nullopt;
    StepMerger merger(limits, {start, start});
    std::vector<Given> given;
    std::vector<StepMerger::Row> rows;
    StepMerger::Time now{};
    const auto take = [&] {
      for (StepMerger::Row& row : merger.ready()) rows.push_back(std::move(row));
      merger.ClearReady();
    };
    for (const auto& [step, key, wait] : inputs) {
      now += milliseconds(wait);
      merger.Release(now, given.size());
      const uint64_t position = given.size() + 1;
      given.push_back({step, key, static_cast<double>(position)});
      ItemList items;
      items.Add("key" + std::to_string(key), std::to_string(position));
      merger.Add(position, step < 0 ? std::nullopt : std::optional<int64_t>(step),
                 static_cast<double>(position), items, now);
      take();
      // What waits is known.
      const std::optional<uint64_t> lowest = merger.LowestWaiting();
      RC_ASSERT(lowest == LowestMissing(rows, position));
      RC_ASSERT(lowest.has_value() == merger.NextDue().has_value());
    }
    merger.ReleaseAll();
    take();
    RC_ASSERT(!merger.LowestWaiting().has_value());

    std::vector<bool> seen(given.size() + 1, false);
    int64_t before = last ? *last : 0;
    uint64_t values = 0;
    for (const StepMerger::Row& row : rows) {
      RC_ASSERT(row.step >= before);
      before = row.step;
      for (const uint64_t position : row.positions) {
        RC_ASSERT(!seen.at(position));
        seen.at(position) = true;
        const Given& record = given.at(position - 1);
        if (record.step >= 0) RC_ASSERT(row.own_step.value_or(row.step) == record.step);
        if (row.own_step) RC_ASSERT(*row.own_step <= row.step);
      }
      for (size_t i = 0; i < row.items.size(); ++i) {
        // The last one of the row's records with this key.
        uint64_t newest = 0;
        for (const uint64_t position : row.positions) {
          if ("key" + std::to_string(given.at(position - 1).key) == row.items.path(i))
            newest = position;
        }
        RC_ASSERT(row.items.json(i) == std::to_string(newest));
        ++values;
      }
    }
    RC_ASSERT(static_cast<size_t>(std::count(seen.begin(), seen.end(), true)) == given.size());
    RC_ASSERT(values + merger.overwritten() == given.size());
  }));
}

}  // namespace
}  // namespace flarebridge::wandb
