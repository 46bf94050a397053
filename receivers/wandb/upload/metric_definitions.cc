#include "receivers/wandb/upload/metric_definitions.h"

#include <algorithm>
#include <exception>

#include "receivers/json.h"
#include "receivers/wandb/log/protobuf.h"
#include "receivers/wandb/upload/numbered_json.h"

namespace flarebridge::wandb {
namespace {

// Fields of MetricRecord.
constexpr uint32_t kName = 1, kGlob = 2, kStepMetric = 4, kStepIndex = 5, kOptions = 6,
                   kSummary = 7, kGoal = 8;
// Of MetricOptions.
constexpr uint32_t kDefined = 3;

std::set<uint32_t> SetFields(protozero::pbf_reader message) {
  std::set<uint32_t> fields;
  while (message.next()) {
    const uint32_t field = message.tag();
    if (message.wire_type() != protozero::pbf_wire_type::varint) {
      message.skip();
    } else if (message.get_bool()) {
      fields.insert(field);
    }
  }
  return fields;
}

}  // namespace

MetricDefinitions::Metric& MetricDefinitions::Find(const std::string& name,
                                                   const std::string& glob) {
  const auto known = std::find_if(metrics_.begin(), metrics_.end(), [&](const Metric& metric) {
    return metric.name == name && metric.glob == glob;
  });
  if (known != metrics_.end()) return *known;
  metrics_.push_back({name, glob, {}, {}, {}, 0});
  return metrics_.back();
}

size_t MetricDefinitions::IndexOf(const std::string& name) {
  return static_cast<size_t>(&Find(name, "") - metrics_.data()) + 1;
}

void MetricDefinitions::Take(std::string_view metric_record) {
  Metric read;
  try {
    protozero::pbf_reader message(metric_record.data(), metric_record.size());
    while (message.next()) {
      switch (message.tag()) {
        case kName:
          read.name = message.get_string();
          break;
        case kGlob:
          read.glob = message.get_string();
          break;
        case kStepMetric:
          read.step_metric = message.get_string();
          break;
        case kOptions:
          read.options = SetFields(message.get_message());
          break;
        case kSummary:
          read.summary = SetFields(message.get_message());
          break;
        case kGoal:
          read.goal = message.get_enum();
          break;
        default:
          message.skip();
      }
    }
  } catch (const std::exception&) {
    return;  // protozero: these bytes are no message
  }
  if (read.name.empty() && read.glob.empty()) return;
  // What it counts by stands before it in the list.
  if (!read.step_metric.empty()) IndexOf(read.step_metric);
  Metric& metric = Find(read.name, read.glob);
  metric.options.merge(read.options);
  metric.summary.merge(read.summary);
  if (!read.step_metric.empty()) metric.step_metric = read.step_metric;
  if (read.goal != 0) metric.goal = read.goal;
}

std::string MetricDefinitions::Json() const {
  std::string json = "[";
  for (const Metric& metric : metrics_) {
    if (json.size() > 1) json += ',';
    json += '{';
    if (!metric.name.empty()) AppendMember(kName, ToJson(std::string_view(metric.name)), json);
    if (!metric.glob.empty()) AppendMember(kGlob, ToJson(std::string_view(metric.glob)), json);
    const auto step = std::find_if(metrics_.begin(), metrics_.end(), [&](const Metric& other) {
      return !metric.step_metric.empty() && other.name == metric.step_metric;
    });
    if (step != metrics_.end())
      AppendMember(kStepIndex, std::to_string(step - metrics_.begin() + 1), json);
    std::set<uint32_t> options = metric.options;
    if (!metric.glob.empty()) options.erase(kDefined);  // as wandb-core sends globs (0.31.0)
    if (!options.empty()) AppendMember(kOptions, ListOf(options), json);
    AppendMember(kSummary, ListOf(metric.summary), json);
    if (metric.goal != 0) AppendMember(kGoal, std::to_string(metric.goal), json);
    json += '}';
  }
  return json + "]";
}

}  // namespace flarebridge::wandb
