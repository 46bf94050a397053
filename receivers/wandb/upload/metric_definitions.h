// Metric definitions (wandb's define_metric) as a run's config carries them to the server: the list
// `_wandb.m`, whose members are named by the field numbers of MetricRecord
// (core/internal/runconfig/runconfigmetrics.go and corelib/protolib.go at 0.28.3). One thread.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "receivers/wandb/log/metric_definition.h"

namespace flarebridge::wandb {

class MetricDefinitions {
 public:
  // A MetricRecord's bytes; those that are none change nothing. A later definition of a metric adds
  // to an earlier one, or overwrites it.
  void Take(std::string_view metric_record);
  bool empty() const { return metrics_.empty(); }
  std::string Json() const;

 private:
  MetricDefinition& Find(const std::string& name, bool is_glob);
  // Counted from 1; the metric is added if it is not there.
  size_t IndexOf(const std::string& name);

  std::vector<MetricDefinition> metrics_;
};

}  // namespace flarebridge::wandb
