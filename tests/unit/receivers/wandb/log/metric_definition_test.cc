// Laws of metrics' definitions: they are read as they are written, and a later one adds to those
// before it as W&B's client has it.
#include "receivers/wandb/log/metric_definition.h"

#include <doctest/doctest.h>

#include <random>

#include "receivers/wandb/upload/metric_definitions.h"

namespace flarebridge::wandb {
namespace {

MetricDefinition Named(const std::string& name) {
  MetricDefinition definition;
  definition.name = name;
  definition.is_glob = name.ends_with('*');
  definition.Set(MetricOption::kDefined);
  return definition;
}

std::string BytesOf(const MetricDefinition& definition) {
  std::string bytes;
  AppendMetricFields(definition, bytes);
  return bytes;
}

MetricDefinition Whole() {
  MetricDefinition definition = Named("val/*");
  definition.step_metric = "epoch";
  definition.Set(MetricOption::kStepSync);
  definition.Set(MetricSummary::kMin);
  definition.Set(MetricSummary::kFirst);
  definition.goal = MetricGoal::kMaximize;
  definition.overwrites = true;
  return definition;
}

TEST_CASE("a definition is read as it was written") {
  const MetricDefinition read = ParseMetric(BytesOf(Whole())).value();
  CHECK(read.name == "val/*");
  CHECK(read.is_glob);
  CHECK(read.step_metric == "epoch");
  CHECK(read.options == Whole().options);
  CHECK(read.summary == Whole().summary);
  CHECK(read.says_summary);
  CHECK(read.goal == MetricGoal::kMaximize);
  CHECK(read.overwrites);
  CHECK_FALSE(ParseMetric(BytesOf(Named("loss")))->says_summary);
}

TEST_CASE("of bytes that are no definition nothing is read, and no harm is done") {
  CHECK_FALSE(ParseMetric(""));
  CHECK_FALSE(ParseMetric(BytesOf(Named(""))));
  const std::string whole = BytesOf(Whole());
  std::mt19937 random(3);
  for (int i = 0; i < 2000; ++i) {
    std::string bytes = whole.substr(0, random() % (whole.size() + 1));
    if (!bytes.empty()) bytes[random() % bytes.size()] = static_cast<char>(random());
    (void)ParseMetric(bytes);
  }
}

TEST_CASE("what a later definition does not say stays, unless it overwrites") {
  MetricDefinition definition = Named("loss");
  definition.Set(MetricSummary::kNone);
  definition.step_metric = "epoch";
  MetricDefinition later = Named("loss");
  later.Set(MetricSummary::kMin);
  definition.Add(later);
  CHECK(definition.step_metric == "epoch");
  CHECK(definition.Has(MetricSummary::kMin));
  CHECK_FALSE(definition.Has(MetricSummary::kNone));
  later = Named("loss");
  later.overwrites = true;
  definition.Add(later);
  CHECK(definition.step_metric.empty());
  CHECK(definition.summary == 0);
  CHECK_FALSE(definition.overwrites);
}

TEST_CASE("the server is sent what holds at the end, without what W&B's client keeps to itself") {
  MetricDefinitions sent;
  MetricDefinition definition = Named("loss");
  definition.Set(MetricSummary::kMin);
  sent.Take(BytesOf(definition));
  CHECK(sent.Json() == R"([{"1":"loss","6":[3],"7":[1]}])");
  definition = Named("loss");
  definition.Set(MetricSummary::kMean);
  definition.Set(MetricSummary::kCopy);
  definition.Set(MetricSummary::kBest);
  definition.overwrites = true;
  sent.Take(BytesOf(definition));
  CHECK(sent.Json() == R"([{"1":"loss","6":[3],"7":[3]}])");
}

}  // namespace
}  // namespace flarebridge::wandb
