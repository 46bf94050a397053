#include "bridge/report/histogram.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "bridge/report/cell_value.h"
#include "receivers/json_scan.h"

namespace flarebridge {
namespace {

constexpr size_t kMostBins = 10'000;  // W&B's package makes 512 at most

// Empty: there is something else than finite numbers in it.
std::vector<double> NumbersIn(std::string_view json) {
  std::vector<double> numbers;
  bool all = true;
  const bool is_list = VisitItems(json, [&](std::string_view item) {
    const std::optional<double> number = NumberIn(item);
    all = all && number && std::isfinite(*number) && numbers.size() <= kMostBins;
    if (all) numbers.push_back(*number);
  });
  return is_list && all ? numbers : std::vector<double>();
}

// Where so much of the counts lies below.
double Quantile(const std::vector<double>& counts, const std::vector<double>& edges,
                double wanted) {
  double below = 0;
  for (size_t i = 0; i < counts.size(); ++i) {
    if (counts[i] > 0 && below + counts[i] >= wanted) {
      const double share = std::clamp((wanted - below) / counts[i], 0.0, 1.0);
      return edges[i] * (1 - share) + edges[i + 1] * share;
    }
    below += counts[i];
  }
  return edges.back();
}

}  // namespace

std::optional<HistogramRange> HistogramRangeOf(const MediaValue& value) {
  if (value.type != "histogram") return {};
  const std::vector<double> counts = NumbersIn(value.Find("values"));
  const std::vector<double> edges = NumbersIn(value.Find("bins"));
  if (counts.empty() || edges.size() != counts.size() + 1) return {};
  if (!std::is_sorted(edges.begin(), edges.end())) return {};
  double all = 0;
  for (const double count : counts) {
    if (count < 0) return {};
    all += count;
  }
  if (all <= 0 || !std::isfinite(all)) return {};
  return HistogramRange{Quantile(counts, edges, all * 0.05), Quantile(counts, edges, all * 0.5),
                        Quantile(counts, edges, all * 0.95)};
}

}  // namespace flarebridge
