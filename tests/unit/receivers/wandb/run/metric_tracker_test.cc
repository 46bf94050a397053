// Laws of the metric tracker: it says what one who keeps all values would say, and one that is made
// of another's state goes on as that one does.
#include "receivers/wandb/run/metric_tracker.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <numeric>
#include <random>

#include "receivers/json.h"
#include "receivers/wandb/log/checkpoint_reader.h"
#include "receivers/wandb/log/record_writer.h"

namespace flarebridge::wandb {
namespace {

MetricDefinition Of(const std::string& name, std::initializer_list<MetricSummary> kinds) {
  MetricDefinition definition;
  definition.name = name;
  definition.is_glob = name.ends_with('*');
  for (const MetricSummary kind : kinds) definition.Set(kind);
  return definition;
}

std::string SummaryOf(MetricTracker& tracker, const std::string& key, double last) {
  std::string json;
  return tracker.AppendSummary(PathOf(key), ToJson(last), true, json) ? json : "";
}

// What a checkpoint keeps of it.
MetricTracker Kept(const MetricTracker& tracker) {
  Checkpoint checkpoint;
  checkpoint.metrics = tracker.state();
  std::string record;
  AppendCheckpoint(checkpoint, record);
  // Behind the field's tag and its length, a varint.
  size_t begin = kCheckpointBegin.size();
  while ((static_cast<unsigned char>(record[begin]) & 0x80) != 0) ++begin;
  return MetricTracker(ParseCheckpoint(record.substr(begin + 1)).value().metrics);
}

// All values that a key had since its first was to be kept.
std::string ModelOf(const std::vector<double>& values, double first) {
  const auto [least, most] = std::minmax_element(values.begin(), values.end());
  const double total = std::accumulate(values.begin(), values.end(), 0.0);
  return R"({"min":)" + ToJson(*least) + R"(,"max":)" + ToJson(*most) + R"(,"mean":)" +
         ToJson(total / static_cast<double>(values.size())) + R"(,"first":)" + ToJson(first) + "}";
}

TEST_CASE("whatever is logged, set and deleted, the summary is that of who keeps all values") {
  for (unsigned seed = 1; seed <= 50; ++seed) {
    CAPTURE(seed);
    std::mt19937 random(seed);
    const MetricDefinition definition = Of("k", {MetricSummary::kMin, MetricSummary::kMax,
                                                 MetricSummary::kMean, MetricSummary::kFirst});
    MetricTracker tracker;
    tracker.Define(definition);
    std::vector<double> values;
    double first = 0;
    bool has_first = false, by_hand = false;
    for (int i = 0; i < 200; ++i) {
      if (random() % 20 == 0) tracker = Kept(tracker);
      switch (random() % 12) {
        case 0:
          tracker.SetByHand(PathOf("k"));
          by_hand = true;
          break;
        case 1:
          tracker.Define(definition);
          by_hand = false;
          break;
        case 2:
          tracker.Delete(PathOf("k"));
          has_first = false;
          break;
        default: {
          values.push_back(static_cast<double>(random() % 4096) / 16 - 100);  // sums are exact
          if (!has_first) first = values.back();
          has_first = true;
          tracker.Take(PathOf("k"), ToJson(values.back()));
          const std::string said = SummaryOf(tracker, "k", values.back());
          CHECK(said == (by_hand ? ToJson(values.back()) : ModelOf(values, first)));
        }
      }
    }
  }
}

TEST_CASE("a value that is not taken yet is told, and changes nothing") {
  MetricTracker tracker;
  tracker.Define(Of("k", {MetricSummary::kMin}));
  tracker.Take(PathOf("k"), "3");
  std::string told;
  CHECK(tracker.AppendSummary(PathOf("k"), "1", false, told));
  CHECK(told == R"({"min":1.0})");
  CHECK(SummaryOf(tracker, "k", 3) == R"({"min":3.0})");
}

TEST_CASE("a metric's own definition counts before a glob's, and W&B's own keys have none") {
  MetricTracker tracker;
  tracker.Define(Of("*", {MetricSummary::kMax}));
  tracker.Define(Of("val/*", {MetricSummary::kMean}));
  tracker.Define(Of("val/x", {MetricSummary::kMin}));
  for (const char* key : {"val/x", "val/y", "other", "_runtime", "flarebridge/step"})
    tracker.Take(PathOf(key), "2");
  CHECK(SummaryOf(tracker, "val/x", 2) == R"({"min":2.0})");
  // Of globs the longest that fits.
  CHECK(SummaryOf(tracker, "val/y", 2) == R"({"mean":2.0})");
  CHECK(SummaryOf(tracker, "other", 2) == R"({"max":2.0})");
  CHECK(SummaryOf(tracker, "_runtime", 2) == "2.0");
  CHECK(SummaryOf(tracker, "flarebridge/step", 2) == "2.0");
}

TEST_CASE("a dot leads into dicts, an escaped one is a dot") {
  MetricTracker tracker;
  tracker.Define(Of("n.c", {MetricSummary::kMax}));
  tracker.Define(Of("a\\.b", {MetricSummary::kMax}));
  const auto object = [&](const std::string& path) {
    tracker.Take(path, "2");
    std::string json;
    tracker.AppendSummary(path, "2", true, json);
    return json == R"({"max":2.0})";
  };
  CHECK(object(PathOf("n") + PathOf("c")));
  CHECK_FALSE(object(PathOf("n.c")));
  CHECK(object(PathOf("a.b")));
  CHECK_FALSE(object(PathOf("a") + PathOf("b")));
}

TEST_CASE("what is known of metrics is bounded: a definition without room is told so") {
  MetricTracker tracker;
  size_t taken = 0;
  for (; taken < 100'000; ++taken) {
    const MetricDefinition definition =
        Of(std::string(1000, 'n') + std::to_string(taken), {MetricSummary::kMin});
    if (!tracker.HasRoomFor(definition)) break;
    tracker.Define(definition);
  }
  CHECK(taken > 500);
  CHECK(taken < MetricTracker::kMostBytes / 1000);
  CHECK_FALSE(Kept(tracker).HasRoomFor(Of(std::string(1000, 'x'), {})));
}

}  // namespace
}  // namespace flarebridge::wandb
