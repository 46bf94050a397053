// What a metric's definition (wandb's define_metric) says, as a log's MetricRecord holds it, and
// how a later one adds to an earlier one. Used by the W&B receiver, which makes summaries by it,
// and by uploads, which send it. Bytes may be hostile, as in record_reader.h. Any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace flarebridge::wandb {

// Numbers of fields, which are those of their bits in a MetricDefinition
// (wandb_internal.proto at 0.31.0).
enum class MetricOption : uint8_t { kStepSync = 1, kHidden = 2, kDefined = 3 };
enum class MetricSummary : uint8_t {
  kMin = 1,
  kMax = 2,
  kMean = 3,
  kBest = 4,
  kLast = 5,
  kNone = 6,
  kCopy = 7,
  kFirst = 8
};
enum class MetricGoal : uint8_t { kUnset = 0, kMinimize = 1, kMaximize = 2 };

struct MetricDefinition {
  // Of a metric, or with a '*' at its end of all that begin so.
  std::string name;
  bool is_glob = false;
  std::string step_metric;  // by which it is counted, or empty
  // Bit n: the field n is set.
  uint32_t options = 0, summary = 0;
  bool says_summary = false;
  MetricGoal goal = MetricGoal::kUnset;
  bool overwrites = false;  // nothing that was said of it before holds

  bool Has(MetricOption option) const {
    return (options >> static_cast<unsigned>(option) & 1) != 0;
  }
  bool Has(MetricSummary kind) const { return (summary >> static_cast<unsigned>(kind) & 1) != 0; }
  void Set(MetricOption option) { options |= 1U << static_cast<unsigned>(option); }
  void Set(MetricSummary kind) {
    summary |= 1U << static_cast<unsigned>(kind);
    says_summary = true;
  }
  // A later definition of the same name: what it does not say stays, as in wandb-core
  // (runmetric/definedmetric.go).
  void Add(const MetricDefinition& later);
};

// Of a MetricRecord's bytes; nothing if these are none, or name no metric.
std::optional<MetricDefinition> ParseMetric(std::string_view metric_record);
// Appends the fields of a MetricRecord.
void AppendMetricFields(const MetricDefinition& definition, std::string& out);

}  // namespace flarebridge::wandb
