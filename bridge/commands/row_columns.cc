#include "bridge/commands/row_columns.h"

#include <algorithm>
#include <numeric>
#include <optional>

#include "bridge/commands/amounts.h"
#include "bridge/report/cell_value.h"

namespace flarebridge {
namespace {

// Whether a value that may be a number has a fraction or an exponent.
bool HasFraction(std::string_view json) {
  return json.find_first_of(".eE") != std::string_view::npos && json.front() != '"' &&
         json.front() != '{' && json.front() != '[';
}

// At most: a sign, five digits, a point, an exponent.
constexpr size_t kWidestNumber = std::string_view("-1.2345e-300").size();

// A bound, without writing each number.
size_t WidthForPeople(std::string_view json) {
  return HasFraction(json) ? std::min(json.size(), kWidestNumber) : json.size();
}

}  // namespace

std::string ForPeople(std::string_view json) {
  if (!HasFraction(json)) return std::string(json);
  const std::optional<double> number = NumberIn(json);
  return number ? Rounded(*number) : std::string(json);
}

Expected<RunSummary> Columns::Take(const FoundRun& found) {
  const auto take = [this](const Row& row) {
    for (const Cell& cell : row) Take(cell);
  };
  Expected<RunSummary> run = found.reader->Read(found.log, take);
  if (run) Sort();
  return run;
}

const std::vector<std::string_view>& Columns::Arrange(const Row& row) {
  cells_.assign(size(), {});
  for (const Cell& cell : row) {
    const auto found = places_.find(cell.key);
    if (found != places_.end()) cells_[found->second] = cell.json;
  }
  return cells_;
}

void Columns::Take(const Cell& cell) {
  auto found = places_.find(cell.key);
  if (found == places_.end()) {
    if (size() >= kMost || bytes_ + cell.key.size() > kMostBytes) {
      ++left_out_;
      return;
    }
    bytes_ += cell.key.size();
    found = places_.emplace(names_.emplace_back(cell.key), widths_.size()).first;
    widths_.push_back(0);
  }
  size_t& width = widths_[found->second];
  width = std::max(width, WidthForPeople(cell.json));
}

void Columns::Sort() {
  const auto rank = [this](size_t column) {
    return name(column) == "_step" ? 0 : name(column).starts_with('_') ? 2 : 1;
  };
  std::vector<size_t> order(size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return rank(a) < rank(b); });
  std::deque<std::string> names;
  std::vector<size_t> widths;
  places_.clear();
  for (const size_t column : order) {
    widths.push_back(width(column));
    names.push_back(std::move(names_[column]));
    places_.emplace(names.back(), places_.size());
  }
  names_ = std::move(names);
  widths_ = std::move(widths);
}

}  // namespace flarebridge
