// A row of a run before it is written: what StepMerger and WriterRows make of records, and
// RowWriter writes. Plain value.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "receivers/wandb/log/item_list.h"

namespace flarebridge::wandb {

struct MergedRow {
  int64_t step = 0;
  std::optional<int64_t> own_step;  // where it differs, and of a writer's row
  bool automatic = false;           // its number is ours
  double time = 0;                  // seconds since the epoch, of its last record
  ItemList items;
  std::vector<uint64_t> positions;  // in rising order
  std::string writer;               // label of one of several writers; empty: of the run's only one
};

}  // namespace flarebridge::wandb
