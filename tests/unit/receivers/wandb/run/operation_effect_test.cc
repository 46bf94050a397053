// Laws of operations: what is said of metrics, of the summary and of the run stands in its log
// once, and means the same whenever the worker dies.
#include <doctest/doctest.h>

#include <cmath>
#include <map>
#include <random>

#include "receivers/json.h"
#include "receivers/wandb/log/record_reader.h"
// Behind the reader, whose kinds of records have the names of its fields.
#include "receivers/wandb/log/record_fields.h"
#include "receivers/wandb/upload/alert.h"
#include "tests/unit/receivers/wandb/run/one_run.h"

namespace flarebridge::wandb {
namespace {

using testing::Integer;
using testing::List;
using testing::MadeRun;
using testing::Map;
using testing::Number;
using testing::Text;
using Strings = std::vector<std::string>;

std::string Words(const std::vector<std::string>& words) {
  std::vector<std::string> items;
  for (const std::string& word : words) items.push_back(Text(word));
  return List(items);
}

const std::string kTrue = "\xc3", kFalse = "\xc2", kNil = "\xc0";

TEST_CASE("a summary has of a metric what its definition asks for, and of others the last value") {
  MadeRun run;
  run.Operate("loss", "define_metric", {{"summary", Words({"min", "max", "mean"})}});
  run.Operate("val/*", "define_metric", {{"summary", Words({"first", "last"})}});
  run.Operate("quiet", "define_metric", {{"summary", Words({"none"})}});
  run.Operate("copied", "define_metric", {{"summary", Words({"copy"})}});
  run.Operate("n.c", "define_metric", {{"summary", Words({"max"})}});
  for (const double value : {3.0, 1.0, 2.0}) {
    run.Log("loss", Number(value));
    run.Log("val/acc", Number(value));
    run.Log("quiet", Number(value));
    run.Log("copied", Number(value));
    run.Give(DataType::kMetrics, "metrics", Map({{"n", Map({{"c", Number(value)}})}}));
    run.Log("other", Number(value));
  }
  CHECK(run.SummaryOf("loss") == R"({"min":1.0,"max":3.0,"mean":2.0})");
  CHECK(run.SummaryOf("val/acc") == R"({"first":3.0,"last":2.0})");
  CHECK(run.SummaryOf("quiet").empty());
  CHECK(run.SummaryOf("copied") == "2.0");
  CHECK(run.SummaryOf("n.c") == R"({"max":3.0})");
  CHECK(run.SummaryOf("other") == "2.0");
}

TEST_CASE("numbers that are not finite spoil no min, max or mean, and are counted; nor do texts") {
  MadeRun run;
  run.Operate("loss", "define_metric", {{"summary", Words({"min", "max", "mean", "last"})}});
  for (const double value : std::vector<double>{1.0, std::nan(""), 3.0, INFINITY, -INFINITY})
    run.Log("loss", Number(value));
  CHECK(run.SummaryOf("loss") == R"({"min":1.0,"max":3.0,"mean":2.0,"last":-Infinity})");
  CHECK(run.run().Report().find("3 values that are no finite numbers") != std::string::npos);
  run.Log("loss", Text("high"));
  CHECK(run.SummaryOf("loss") == R"({"min":1.0,"max":3.0,"mean":2.0,"last":"high"})");
  run.Operate("words", "define_metric", {{"summary", Words({"min"})}});
  run.Log("words", Text("none is a number"));
  CHECK(run.SummaryOf("words").empty());
}

TEST_CASE("a later definition adds to an earlier one, unless it overwrites it") {
  MadeRun run;
  run.Operate("loss", "define_metric", {{"summary", Words({"min"})}});
  run.Operate("loss", "define_metric", {{"summary", Words({"max"})}});
  run.Log("loss", Integer(4));
  CHECK(run.SummaryOf("loss") == R"({"min":4.0,"max":4.0})");
  run.Operate("loss", "define_metric", {{"summary", Words({"mean"})}, {"overwrite", kTrue}});
  run.Log("loss", Integer(6));
  CHECK(run.SummaryOf("loss") == R"({"mean":5.0})");
}

TEST_CASE("a row without the step metric of one of its metrics gets the last value of it") {
  MadeRun run;
  run.Operate("loss", "define_metric", {{"step_metric", Text("epoch")}});
  run.Operate("free", "define_metric", {{"step_metric", Text("epoch")}, {"step_sync", kFalse}});
  run.Log("loss", Integer(1), 0);
  run.Give(DataType::kMetrics, "metrics", Map({{"epoch", Integer(3)}, {"loss", Integer(2)}}), 1);
  run.Log("loss", Integer(3), 2);
  run.Log("free", Integer(4), 3);
  run.Log("other", Integer(5), 4);
  run.Drain();
  run.Reopen();
  run.Log("loss", Integer(6), 5);
  CHECK(run.Rows() == Strings{"loss=1,epoch=0", "epoch=3,loss=2", "loss=3,epoch=3", "free=4",
                              "other=5", "loss=6,epoch=3"});
  CHECK(run.SummaryOf("epoch") == "3");
}

TEST_CASE("a summary that is set by hand stays until its key is logged again, whatever row waits") {
  for (const uint64_t checkpoint_every : {uint64_t{0}, uint64_t{1}, WandbRun::kCheckpointEvery}) {
    const bool dies = checkpoint_every > 0;
    CAPTURE(checkpoint_every);
    MadeRun run(dies ? checkpoint_every : WandbRun::kCheckpointEvery);
    run.Operate("acc", "define_metric", {{"summary", Words({"max"})}});
    run.Log("acc", Number(0.5), 7);  // its row waits for more of step 7
    run.Operate("acc", "summary", {{"value", Number(0.9)}});
    run.Persist();
    if (dies) run.Reopen();
    CHECK(run.SummaryOf("acc") == "0.9");
    if (dies) run.Reopen();
    run.Log("acc", Number(0.7), 8);
    CHECK(run.SummaryOf("acc") == "0.7");
    run.Operate("acc", "define_metric", {{"summary", Words({"max"})}});
    run.Log("acc", Number(0.6), 9);
    CHECK(run.SummaryOf("acc") == R"({"max":0.7})");
  }
}

TEST_CASE("a dict that is set by hand stays as a whole, whatever row waits with parts of it") {
  const auto dict = [](double inner) { return Map({{"n", Map({{"c", Number(inner)}})}}); };
  for (const bool dies : {false, true}) {
    CAPTURE(dies);
    MadeRun run;
    run.Give(DataType::kMetrics, "metrics", dict(1.0), 7);  // its row waits for more of step 7
    run.Operate("n", "summary", {{"value", Map({{"c", Number(5.0)}})}});
    run.Persist();
    if (dies) run.Reopen();
    CHECK(run.SummaryOf("n") == R"({"c":5.0})");
    CHECK(run.SummaryOf("n.c").empty());
    run.Give(DataType::kMetrics, "metrics", dict(2.0), 8);
    CHECK(run.SummaryOf("n.c") == "2.0");
  }
}

TEST_CASE("a key that is deleted is not in the summary until it is logged again") {
  for (const bool dies : {false, true}) {
    CAPTURE(dies);
    MadeRun run;
    run.Operate("m", "define_metric", {{"summary", Words({"first", "min"})}});
    run.Log("m", Integer(3), 1);
    run.Operate("m", "summary_delete");
    run.Persist();
    if (dies) run.Reopen();
    CHECK(run.SummaryOf("m").empty());
    run.Log("m", Integer(4), 2);
    run.Log("m", Integer(5), 3);
    CHECK(run.SummaryOf("m").find(R"("min":3.0)") != std::string::npos);
  }
}

TEST_CASE("what is said of the run replaces what was said before, and the rest stays") {
  MadeRun run;
  run.Give(DataType::kTag, "stage", Text("a"));
  run.Operate("run", "run", {{"name", Text("new")}, {"notes", Text("why")}, {"group", Text("g")}});
  run.Operate("run", "run", {{"job_type", Text("eval")}, {"tags", Words({"one", "", "two"})}});
  run.Drain();
  run.Reopen();
  const LogSummary log = run.Summary();
  CHECK(log.run.display_name == "new");
  CHECK(log.run.notes == "why");
  CHECK(log.run.group == "g");
  CHECK(log.run.job_type == "eval");
  CHECK(log.run.tags == Strings{"one", "two"});
}

// Times and items of a run's samples of its machine, as "time name=value ...".
Strings Samples(MadeRun& run) {
  run.Drain();
  Strings samples;
  const UniqueFd file = OpenToRead(run.LogPath()).value();
  REQUIRE(
      ReadRecords(file.get(), OnDamage::kStop, [&](const ParsedRecord& record, uint64_t /*start*/) {
        if (record.kind != ParsedRecord::Kind::kStats) return;
        std::string sample = std::to_string(static_cast<int64_t>(record.time - MadeRun::kStart));
        for (const auto& item : record.items)
          sample += " " + item.key + "=" + std::string(item.json);
        samples.push_back(sample);
      }).has_value());
  return samples;
}

TEST_CASE("a sample of the machine is a record once, with the time of its event") {
  MadeRun run;
  run.Log("loss", Number(1));
  run.Operate("system", "stats",
              {{"items", Map({{"cpu", Number(2.5)},
                              {"gpu.0.gpu", Integer(7)},
                              {"lost", Number(std::nan(""))},
                              {"text", Text("x")}})}});
  run.Persist();
  run.Operate("system", "stats", {{"items", Map({{"cpu", Number(3)}})}});
  CHECK(Samples(run) == Strings{"2 cpu=2.5 gpu.0.gpu=7.0", "3 cpu=3.0"});
  run.Reopen();
  CHECK(Samples(run).size() == 2);
  run.Operate("system", "stats", {{"items", Map({{"cpu", Number(4)}})}});
  REQUIRE(run.run().Flush({}).has_value());
  run.DieWithout(1);
  CHECK(Samples(run) == Strings{"2 cpu=2.5 gpu.0.gpu=7.0", "3 cpu=3.0", "4 cpu=4.0"});
}

TEST_CASE("a sample without a number is no record, and is counted") {
  MadeRun run;
  run.Operate("system", "stats");
  run.Operate("system", "stats", {{"items", Text("x")}});
  run.Operate("system", "stats", {{"items", Map({{"cpu", Text("x")}})}});
  CHECK(Samples(run).empty());
  CHECK(run.run().Report().starts_with("3 records"));
}

TEST_CASE("an alert is a record once, with its time in milliseconds and a title that W&B takes") {
  MadeRun run;
  run.Operate("T", "alert",
              {{"text", Text("x")}, {"level", Text("WARN")}, {"wait_duration_ms", Integer(5000)}});
  run.Operate(std::string(100, 't'), "alert");
  run.Drain();
  run.Reopen();
  const Strings alerts = run.Contents(kAlert);
  REQUIRE(alerts.size() == 2);
  const Alert first = ParseAlert(alerts[0]).value();
  CHECK(first.title == "T");
  CHECK(first.text == "x");
  CHECK(first.severity == "WARN");
  CHECK(first.wait_duration == 5000);
  const Alert second = ParseAlert(alerts[1]).value();
  CHECK(second.title == std::string(63, 't'));
  CHECK(second.severity == "INFO");
  CHECK(second.wait_duration == 60000);
}

TEST_CASE(
    "an operation that is not known, or has a key of a wrong type, does nothing and is counted") {
  MadeRun run;
  run.Operate("x", "later");
  run.Give(DataType::kOperation, "x", Map({{"op", Integer(5)}}));
  run.Give(DataType::kOperation, "x", Integer(5));
  run.Operate("x", "define_metric", {{"step_metric", Integer(5)}});
  run.Operate("x", "define_metric", {{"summary", Text("min")}});
  run.Operate("x", "define_metric", {{"summary", List({Integer(5)})}});
  run.Operate("a*b", "define_metric");
  run.Operate("run", "run", {{"tags", Text("one")}});
  run.Operate("x", "alert", {{"wait_duration_ms", Text("long")}});
  run.Operate("_step", "summary", {{"value", Integer(1)}});
  CHECK(run.run().Report().find("10 records have no place") != std::string::npos);
  CHECK(run.Contents(kMetric).empty());
  CHECK(run.Contents(kAlert).empty());
  // Nor does an older or later program's key do harm.
  run.Operate("x", "define_metric", {{"summary", Words({"min", "later"})}, {"new", Integer(1)}});
  run.Log("x", Integer(2));
  CHECK(run.SummaryOf("x") == R"({"min":2.0})");
}

TEST_CASE("of more metrics than there is room for the last value is kept, and they are counted") {
  MadeRun run;
  run.Operate("*", "define_metric", {{"summary", Words({"min"})}});
  const std::string long_name(4000, 'k');
  for (int i = 0; i < 400; ++i) run.Log(long_name + std::to_string(i), Integer(1));
  const LogSummary log = run.Summary();
  CHECK(log.summary.at(long_name + "0") == R"({"min":1.0})");
  CHECK(log.summary.at(long_name + "399") == "1");
  CHECK(run.run().Report().find("last value") != std::string::npos);
}

// What the rows of a log make of each key, in strings as the summary has them.
std::map<std::string, std::string> SummedUp(const MadeRun& run) {
  struct Numbers {
    double min = INFINITY, max = -INFINITY, total = 0;
    int count = 0;
  };
  std::map<std::string, Numbers> keys;
  REQUIRE(ReadLog(run.LogPath(), [&](const std::vector<ParsedRecord::ParsedItem>& items) {
            for (const auto& item : items) {
              if (!item.key.starts_with('k')) continue;
              const double value = std::stod(std::string(item.json));
              Numbers& of_key = keys[item.key];
              of_key.min = std::min(of_key.min, value);
              of_key.max = std::max(of_key.max, value);
              of_key.total += value;
              ++of_key.count;
            }
          }).has_value());
  std::map<std::string, std::string> summed;
  for (const auto& [key, numbers] : keys) {
    summed[key] = R"({"min":)" + ToJson(numbers.min) + R"(,"max":)" + ToJson(numbers.max) +
                  R"(,"mean":)" + ToJson(numbers.total / numbers.count) + "}";
  }
  return summed;
}

TEST_CASE("killed at random moments, a run's summary is that of all its rows, each counted once") {
  for (unsigned seed = 1; seed <= 40; ++seed) {
    CAPTURE(seed);
    std::mt19937 random(seed);
    MadeRun run(seed % 2 == 0 ? 1500 : WandbRun::kCheckpointEvery);
    run.Operate("k*", "define_metric",
                {{"summary", Words({"min", "max", "mean"})}, {"step_metric", Text("epoch")}});
    int64_t step = 0;
    for (int i = 0; i < 150; ++i) {
      const auto value = static_cast<double>(random() % 1000) / 4;  // sums are exact
      const std::optional<int64_t> late = std::max<int64_t>(0, step - 3);
      run.Log("k" + std::to_string(random() % 4), Number(value), random() % 9 == 0 ? late : ++step);
      if (random() % 5 == 0)
        run.Operate("hand", "summary", {{"value", Integer(static_cast<uint64_t>(i))}});
      if (random() % 4 == 0) REQUIRE(run.run().Flush({}).has_value());
      if (random() % 6 == 0) run.Persist();
      if (random() % 20 == 0) run.DieWithout(random() % 2 == 0 ? random() % 300 : 0);
    }
    const LogSummary log = run.Summary();
    const std::map<std::string, std::string> expected = SummedUp(run);
    REQUIRE(expected.size() == 4);
    for (const auto& [key, json] : expected) CHECK(log.summary.at(key) == json);
  }
}

}  // namespace
}  // namespace flarebridge::wandb
