#include "bridge/report/report_data.h"

#include <doctest/doctest.h>

#include <cmath>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "bridge/report/report_json.h"
#include "tests/unit/bridge/report/made_run.h"

using namespace flarebridge;
using flarebridge::testing::MadeRun;

namespace {

nlohmann::json JsonOf(const ReportData& data) {
  return nlohmann::json::parse(ReportJson(data, {}));
}

}  // namespace

TEST_CASE("rows become series by key, with steps, times since the start, and the run's figures") {
  MadeRun run([](const RowVisitor& visit) {
    visit({{"_step", "0"}, {"_timestamp", "105.0"}, {"_runtime", "5.0"}, {"loss", "0.5"}});
    visit({{"loss", "0.25"},
           {"_step", "7"},
           {"_timestamp", "107.5"},
           {"_runtime", "7.5"},
           {"acc", "1"}});
  });
  run.summary.name = "site-1";
  run.summary.state = RunSummary::State::kFinished;
  ReportData data;
  data.Add(run.found());
  REQUIRE(data.series().size() == 2);
  const std::vector<SeriesBin>& bins = data.series()[0].bins.bins();
  REQUIRE(bins.size() == 2);
  CHECK(bins[1].place == 7);
  CHECK(bins[1].mean == 0.25);
  CHECK(bins[0].time == 5);
  CHECK(bins[1].time == 7.5);
  CHECK(data.runs()[0].start == 100);
  CHECK(data.runs()[0].last_time == 107.5);
  CHECK(data.runs()[0].rows == 2);
  const nlohmann::json json = JsonOf(data);
  CHECK(json["runs"][0]["name"] == "site-1");
  CHECK(json["runs"][0]["state"] == "finished");
  CHECK(json["runs"][0]["seconds"] == 7.5);
}

TEST_CASE("rows without steps are counted on, and steps that go back are told and kept") {
  MadeRun run([](const RowVisitor& visit) {
    visit({{"a", "1"}});
    visit({{"a", "2"}});
    visit({{"_step", "10"}, {"a", "3"}});
    visit({{"_step", "4"}, {"a", "4"}});
    visit({{"a", "5"}});
  });
  ReportData data;
  data.Add(run.found());
  std::vector<int64_t> places;
  for (const SeriesBin& bin : data.series()[0].bins.bins()) places.push_back(bin.place);
  CHECK(places == std::vector<int64_t>{0, 1, 4, 5, 10});
  CHECK(data.runs()[0].steps_back == 1);
  CHECK(std::isnan(data.runs()[0].start));
  CHECK_FALSE(JsonOf(data)["runs"][0].contains("start"));
}

TEST_CASE("metrics of the same steps share one axis") {
  MadeRun run([](const RowVisitor& visit) {
    for (int i = 0; i < 10; ++i) {
      const std::string step = std::to_string(i);
      visit({{"_step", step}, {"a", "1"}, {"b", "2"}});
    }
    visit({{"_step", "10"}, {"c", "1"}});
  });
  ReportData data;
  data.Add(run.found());
  const nlohmann::json json = JsonOf(data);
  CHECK(json["axes"].size() == 2);
  CHECK(json["series"][0]["axis"] == json["series"][1]["axis"]);
  CHECK(json["axes"][0]["places"] == nlohmann::json({0, 1, 1, 1, 1, 1, 1, 1, 1, 1}));
}

TEST_CASE("of a log that can't be read to its end is shown what was read, and why not more") {
  MadeRun run([](const RowVisitor& visit) { visit({{"a", "1"}}); });
  run.fails = true;
  ReportData data;
  data.Add(run.found());
  CHECK(data.series().size() == 1);
  const nlohmann::json json = JsonOf(data);
  CHECK(json["runs"][0]["state"] == "unreadable");
  CHECK(json["runs"][0]["unreadable"] == "made.log: can't be read: it is a test");
}

TEST_CASE("config that all runs share is apart from that in which they differ") {
  MadeRun one([](const RowVisitor&) {}), two([](const RowVisitor&) {});
  one.summary.config = {{"lr", "0.1"}, {"site", "\"a\""}, {"only", "1"}};
  two.summary.config = {{"lr", "0.1"}, {"site", "\"b\""}};
  ReportData data;
  data.Add(one.found());
  data.Add(two.found());
  const nlohmann::json config = JsonOf(data)["config"];
  CHECK(config["same"] == nlohmann::json::parse(R"([["lr", "0.1"]])"));
  CHECK(config["different"] ==
        nlohmann::json::parse(R"([["only", ["1", null]], ["site", ["\"a\"", "\"b\""]]])"));
}

TEST_CASE("the latest texts of a key stay; what is neither number nor text is counted") {
  MadeRun run([](const RowVisitor& visit) {
    for (int i = 0; i < 50; ++i) {
      const std::string text = "\"text " + std::to_string(i) + "\"";
      visit({{"note", text}, {"image", "{\"_type\":\"image-file\"}"}});
    }
  });
  ReportData data;
  data.Add(run.found());
  REQUIRE(data.texts().size() == 1);
  CHECK(data.texts()[0].all == 50);
  CHECK(data.texts()[0].latest.size() == ReportData::kMostTexts);
  CHECK(data.texts()[0].latest.back().second == "\"text 49\"");
  CHECK(JsonOf(data)["others"] == nlohmann::json::parse("[[1, 50]]"));
}

TEST_CASE("names that are too long or too many are left out and counted") {
  const std::string longest(ReportData::kMostKeyBytes, 'x');
  MadeRun run([&](const RowVisitor& visit) {
    visit({{longest, "1"}, {longest + "x", "1"}});
    for (size_t i = 0; i < ReportData::kMostSeries + 10; ++i) {
      const std::string name = std::to_string(i);
      visit({{name, "1"}});
    }
  });
  ReportData data;
  data.Add(run.found());
  CHECK(data.series().size() == ReportData::kMostSeries);
  CHECK(data.runs()[0].left_out == 12);
}

TEST_CASE("names and configs of all runs together have a bound") {
  const std::string long_name(4000, 'x');
  size_t config = 0;
  ReportData data;
  for (int number = 0; number < 40; ++number) {
    MadeRun run([&](const RowVisitor& visit) {
      for (int i = 0; i < 100; ++i) {
        const std::string name = long_name + std::to_string(number * 100 + i);
        visit({{name, "1"}});
      }
    });
    for (int i = 0; i < 600; ++i) run.summary.config[std::to_string(i)] = std::string(600, '1');
    data.Add(run.found());
  }
  for (const ReportRun& run : data.runs()) {
    for (const auto& [key, json] : run.config) config += key.size() + json.size();
  }
  CHECK(config <= ReportData::kMostBytesOfConfig);
  CHECK(config > ReportData::kMostBytesOfConfig / 2);
  CHECK(data.keys().size() * long_name.size() <= ReportData::kMostBytesOfKeys);
  CHECK(data.keys().size() * long_name.size() > ReportData::kMostBytesOfKeys / 2);
  CHECK(data.runs().back().left_out > 0);
}

TEST_CASE("many series of many rows fit into the bytes that they may have") {
  constexpr size_t kMost = 600'000;
  ReportData data;
  for (int number = 0; number < 3; ++number) {
    MadeRun run([&](const RowVisitor& visit) {
      for (int i = 0; i < 2000; ++i) {
        const std::string value = std::to_string(i * 0.37);
        Row row;
        static std::vector<std::string> names;
        for (size_t k = names.size(); k < 40; ++k) names.push_back("metric " + std::to_string(k));
        for (const std::string& name : names) row.push_back({name, value});
        visit(row);
      }
    });
    data.Add(run.found());
  }
  const std::string json = FittedReportJson(data, {}, kMost);
  CHECK(json.size() <= kMost);
  CHECK(json.size() > kMost / 3);
  CHECK(nlohmann::json::parse(json)["series"].size() == 120);
}

TEST_CASE("the bins of all series together have a bound, however many series come") {
  ReportData data;
  std::vector<std::string> names(1500);
  for (size_t i = 0; i < names.size(); ++i) names[i] = std::to_string(i);
  for (int number = 0; number < 4; ++number) {
    MadeRun run([&](const RowVisitor& visit) {
      Row row;
      for (const std::string& name : names) row.push_back({name, "0.5"});
      for (int i = 0; i < 800; ++i) visit(row);
    });
    data.Add(run.found());
  }
  size_t bins = 0;
  for (const ReportSeries& series : data.series()) bins += series.bins.bins().size();
  CHECK(data.series().size() == 6000);
  CHECK(bins <= ReportData::kMostBins * 11 / 10);
  CHECK(bins > ReportData::kMostBins / 4);
}
