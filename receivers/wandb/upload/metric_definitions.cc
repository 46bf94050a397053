#include "receivers/wandb/upload/metric_definitions.h"

#include <algorithm>
#include <set>

#include "receivers/json.h"
#include "receivers/wandb/upload/numbered_json.h"

namespace flarebridge::wandb {
namespace {

// Fields of MetricRecord.
constexpr uint32_t kName = 1, kGlob = 2, kStepIndex = 5, kOptions = 6, kSummary = 7, kGoal = 8;

std::set<uint32_t> SetBits(uint32_t bits) {
  std::set<uint32_t> set;
  for (uint32_t bit = 0; bits >> bit != 0; ++bit) {
    if ((bits >> bit & 1) != 0) set.insert(bit);
  }
  return set;
}

}  // namespace

MetricDefinition& MetricDefinitions::Find(const std::string& name, bool is_glob) {
  const auto known =
      std::find_if(metrics_.begin(), metrics_.end(), [&](const MetricDefinition& metric) {
        return metric.name == name && metric.is_glob == is_glob;
      });
  if (known != metrics_.end()) return *known;
  MetricDefinition& added = metrics_.emplace_back();
  added.name = name;
  added.is_glob = is_glob;
  return added;
}

size_t MetricDefinitions::IndexOf(const std::string& name) {
  return static_cast<size_t>(&Find(name, false) - metrics_.data()) + 1;
}

void MetricDefinitions::Take(std::string_view metric_record) {
  const std::optional<MetricDefinition> read = ParseMetric(metric_record);
  if (!read) return;
  // What it counts by stands before it in the list.
  if (!read->step_metric.empty()) IndexOf(read->step_metric);
  Find(read->name, read->is_glob).Add(*read);
}

std::string MetricDefinitions::Json() const {
  std::string json = "[";
  for (const MetricDefinition& metric : metrics_) {
    if (json.size() > 1) json += ',';
    json += '{';
    AppendMember(metric.is_glob ? kGlob : kName, ToJson(std::string_view(metric.name)), json);
    const auto step =
        std::find_if(metrics_.begin(), metrics_.end(), [&](const MetricDefinition& other) {
          return !metric.step_metric.empty() && !other.is_glob && other.name == metric.step_metric;
        });
    if (step != metrics_.end())
      AppendMember(kStepIndex, std::to_string(step - metrics_.begin() + 1), json);
    std::set<uint32_t> options = SetBits(metric.options);
    // As wandb-core sends globs (0.31.0).
    if (metric.is_glob) options.erase(static_cast<uint32_t>(MetricOption::kDefined));
    if (!options.empty()) AppendMember(kOptions, ListOf(options), json);
    std::set<uint32_t> summary = SetBits(metric.summary);
    // wandb-core knows these and does not send them (0.31.0).
    for (const MetricSummary kind : {MetricSummary::kBest, MetricSummary::kCopy})
      summary.erase(static_cast<uint32_t>(kind));
    AppendMember(kSummary, ListOf(summary), json);
    if (metric.goal != MetricGoal::kUnset)
      AppendMember(kGoal, std::to_string(static_cast<int>(metric.goal)), json);
    json += '}';
  }
  return json + "]";
}

}  // namespace flarebridge::wandb
