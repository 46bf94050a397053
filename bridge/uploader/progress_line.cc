#include "bridge/uploader/progress_line.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "bridge/commands/amounts.h"

namespace flarebridge {
namespace {

// Full only if all is done: behind the last row come files, the count and the end.
std::string Bar(double part, bool done) {
  constexpr size_t kWidth = 20;
  const size_t most = done ? kWidth : kWidth - 1;
  const auto filled = std::min(static_cast<size_t>(std::clamp(part, 0.0, 1.0) * kWidth), most);
  return "[" + std::string(filled, '#') + std::string(kWidth - filled, '.') + "]";
}

// A part of the line; those of the highest rank go first where there is no room.
struct Piece {
  std::string text;
  int rank = 0;
};

std::string RunsInWords(const ProgressNumbers& numbers) {
  if (numbers.runs) return Grouped(numbers.done_runs) + " of " + Counted(*numbers.runs, "run");
  return "watching: " + Counted(numbers.active_runs, "run") + " under way, " +
         Grouped(numbers.done_runs) + " done";
}

std::string RowsInWords(const ProgressNumbers& numbers) {
  if (!numbers.all_rows) return Counted(numbers.rows, "row");
  return Grouped(numbers.rows) + " of " + Counted(std::max(*numbers.all_rows, numbers.rows), "row");
}

std::string Join(const std::vector<Piece>& pieces, int most_rank) {
  std::string line;
  for (const Piece& piece : pieces) {
    if (piece.rank > most_rank || piece.text.empty()) continue;
    if (!line.empty()) line += line.ends_with(']') ? " " : ", ";
    line += piece.text;
  }
  return line;
}

}  // namespace

std::string ProgressLine(const ProgressNumbers& numbers, size_t width) {
  std::vector<Piece> pieces;
  const uint64_t all = numbers.all_bytes, bytes = std::min(numbers.bytes, all);
  if (numbers.runs && all > 0)
    pieces.push_back({Bar(static_cast<double>(bytes) / static_cast<double>(all),
                          numbers.done_runs == *numbers.runs),
                      2});
  pieces.push_back({RunsInWords(numbers), 0});
  pieces.push_back({RowsInWords(numbers), 0});
  if (numbers.runs && all > 0) {
    pieces.push_back(
        {BytesInWords(static_cast<double>(bytes)) + " of " + BytesInWords(static_cast<double>(all)),
         5});
  }
  if (numbers.waiting_runs > 0) {
    pieces.push_back(
        {Grouped(numbers.waiting_runs) + (numbers.waiting_runs == 1 ? " waits" : " wait"), 1});
  } else if (numbers.rows_per_second >= 1 || numbers.bytes_per_second >= 1) {
    // Behind the last row the content of artifacts may go for long.
    pieces.push_back({numbers.rows_per_second >= 1
                          ? Grouped(static_cast<uint64_t>(numbers.rows_per_second)) + " rows/s"
                          : BytesInWords(numbers.bytes_per_second) + "/s",
                      4});
    if (numbers.runs && numbers.bytes_per_second > 0 && bytes < all) {
      const double left = static_cast<double>(all - bytes) / numbers.bytes_per_second;
      pieces.push_back({SecondsInWords(std::ceil(left)) + " left", 3});
    }
  }
  constexpr int kMostRank = 5;
  for (int rank = kMostRank; rank > 0; --rank) {
    std::string line = Join(pieces, rank);
    if (line.size() <= width) return line;
  }
  return Join(pieces, 0).substr(0, width);
}

}  // namespace flarebridge
