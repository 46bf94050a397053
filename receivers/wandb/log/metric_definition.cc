#include "receivers/wandb/log/metric_definition.h"

#include <exception>

#include "receivers/wandb/log/protobuf.h"

namespace flarebridge::wandb {
namespace {

using protozero::pbf_reader;
using protozero::pbf_writer;

// Fields of MetricRecord, and of MetricControl in it.
constexpr uint32_t kName = 1, kGlob = 2, kStepMetric = 4, kOptions = 6, kSummary = 7, kGoal = 8,
                   kMetricControl = 9, kOverwrite = 1;
constexpr uint32_t kMostBits = 31;

// Flags that are true, as bits.
uint32_t SetFields(pbf_reader message) {
  uint32_t fields = 0;
  while (message.next()) {
    const uint32_t field = message.tag();
    if (message.wire_type() != protozero::pbf_wire_type::varint) {
      message.skip();
    } else if (message.get_bool() && field <= kMostBits) {
      fields |= 1U << field;
    }
  }
  return fields;
}

void AddFlags(pbf_writer& parent, uint32_t tag, uint32_t fields) {
  pbf_writer message(parent, tag);
  for (uint32_t field = 1; field <= kMostBits; ++field) {
    if ((fields >> field & 1) != 0) message.add_bool(field, true);
  }
}

void Fill(pbf_reader message, MetricDefinition& read) {
  while (message.next()) {
    switch (message.tag()) {
      case kName:
        read.name = message.get_string();
        break;
      case kGlob:
        read.name = message.get_string();
        read.is_glob = true;
        break;
      case kStepMetric:
        read.step_metric = message.get_string();
        break;
      case kOptions:
        read.options = SetFields(message.get_message());
        break;
      case kSummary:
        read.summary = SetFields(message.get_message());
        read.says_summary = true;
        break;
      case kGoal: {
        const int32_t goal = message.get_enum();
        if (goal == 1 || goal == 2) read.goal = static_cast<MetricGoal>(goal);
        break;
      }
      case kMetricControl:
        read.overwrites = (SetFields(message.get_message()) >> kOverwrite & 1) != 0;
        break;
      default:
        message.skip();
    }
  }
}

}  // namespace

void MetricDefinition::Add(const MetricDefinition& later) {
  constexpr uint32_t kNoneBit = 1U << static_cast<unsigned>(MetricSummary::kNone);
  if (later.overwrites) {
    *this = later;
    overwrites = false;
    return;
  }
  options |= later.options;
  if (!later.step_metric.empty()) step_metric = later.step_metric;
  if (later.goal != MetricGoal::kUnset) goal = later.goal;
  if (!later.says_summary) return;
  says_summary = true;
  summary = (summary & ~kNoneBit) | later.summary;
}

std::optional<MetricDefinition> ParseMetric(std::string_view metric_record) {
  MetricDefinition read;
  try {
    Fill(pbf_reader(metric_record.data(), metric_record.size()), read);
  } catch (const std::exception&) {
    return std::nullopt;  // protozero: these bytes are no message
  }
  if (read.name.empty()) return std::nullopt;
  return read;
}

void AppendMetricFields(const MetricDefinition& definition, std::string& out) {
  pbf_writer message(out);
  message.add_string(definition.is_glob ? kGlob : kName, definition.name);
  if (!definition.step_metric.empty()) message.add_string(kStepMetric, definition.step_metric);
  AddFlags(message, kOptions, definition.options);
  if (definition.says_summary) AddFlags(message, kSummary, definition.summary);
  if (definition.goal != MetricGoal::kUnset)
    message.add_enum(kGoal, static_cast<int32_t>(definition.goal));
  if (definition.overwrites) AddFlags(message, kMetricControl, 1U << kOverwrite);
}

}  // namespace flarebridge::wandb
