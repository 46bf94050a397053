// A run's config in the form that W&B's server keeps: each key's value, and under `_wandb` what its
// pages read besides, as wandb-core derives it from a log (core/internal/runconfig,
// runenvironment and runupserter at 0.28.3, compared with `wandb sync` 0.31.0). Pure; any thread.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "receivers/wandb/upload/json_object.h"
#include "receivers/wandb/upload/metric_definitions.h"
#include "receivers/wandb/upload/telemetry.h"

namespace flarebridge::wandb {

struct ConfigSources {
  const JsonObject& config;  // of the log's records: also custom charts and class labels
  const Telemetry& telemetry;
  const MetricDefinitions& metrics;
  const std::string& environment;  // an EnvironmentRecord's bytes
  const std::string& run_id;
};

// Keys and their values, strict JSON. `earlier`: the config that the server has of the run's
// earlier parts, {"key": {"value": ...}}, or empty: of it stays what this part has not set, and its
// charts and class labels.
std::map<std::string, std::string> UploadedConfig(const ConfigSources& sources,
                                                  std::string_view earlier);
// For the API: {"key": {"value": ...}}.
std::string ConfigJson(const std::map<std::string, std::string>& config);
// For people: config.yaml. JSON values are YAML, too.
std::string ConfigYaml(const std::map<std::string, std::string>& config);

}  // namespace flarebridge::wandb
