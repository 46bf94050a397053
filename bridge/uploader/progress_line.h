// How far uploads are, in one line for a terminal. Pure; any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

namespace flarebridge {

// What servers have confirmed, of what there is.
struct ProgressNumbers {
  size_t done_runs = 0, active_runs = 0;
  std::optional<size_t> runs;  // nothing: they come as they are found
  size_t waiting_runs = 0;     // of the active ones
  uint64_t rows = 0;
  std::optional<uint64_t> all_rows;  // nothing: not counted yet, or too many
  uint64_t bytes = 0, all_bytes = 0;
  double rows_per_second = 0, bytes_per_second = 0;  // of the last seconds; 0: not known
};

// Of `width` columns at most: what matters less is left out first.
std::string ProgressLine(const ProgressNumbers& numbers, size_t width);

}  // namespace flarebridge
