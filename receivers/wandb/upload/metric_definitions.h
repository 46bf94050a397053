// Metric definitions (wandb's define_metric) as a run's config carries them to the server: the list
// `_wandb.m`, whose members are named by the field numbers of MetricRecord
// (core/internal/runconfig/runconfigmetrics.go and corelib/protolib.go at 0.28.3). One thread.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace flarebridge::wandb {

class MetricDefinitions {
 public:
  // A MetricRecord's bytes; those that are none change nothing. A later definition of a metric adds
  // to an earlier one.
  void Take(std::string_view metric_record);
  bool empty() const { return metrics_.empty(); }
  std::string Json() const;

 private:
  struct Metric {
    std::string name, glob, step_metric;
    std::set<uint32_t> options, summary;  // numbers of the fields that are set
    int32_t goal = 0;
  };
  Metric& Find(const std::string& name, const std::string& glob);
  // Counted from 1; the metric is added if it is not there.
  size_t IndexOf(const std::string& name);

  std::vector<Metric> metrics_;
};

}  // namespace flarebridge::wandb
