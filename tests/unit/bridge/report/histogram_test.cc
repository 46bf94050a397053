// Histograms as a median and the range around it.
#include "bridge/report/histogram.h"

#include <doctest/doctest.h>

#include <string>

#include "bridge/report/report_data.h"
#include "bridge/report/report_json.h"
#include "tests/unit/bridge/report/made_run.h"

using namespace flarebridge;
using flarebridge::testing::MadeRun;

namespace {

std::optional<HistogramRange> RangeOf(const std::string& values, const std::string& bins) {
  return HistogramRangeOf({"a", "histogram", {{"values", values}, {"bins", bins}}});
}

}  // namespace

TEST_CASE("values lie evenly in their bins, and empty bins count nothing") {
  const auto even = RangeOf("[10,10]", "[0,1,2]");
  REQUIRE(even.has_value());
  CHECK(even->low == doctest::Approx(0.1));
  CHECK(even->median == doctest::Approx(1));
  CHECK(even->high == doctest::Approx(1.9));
  const auto apart = RangeOf("[0,1,0,3,0]", "[-9,0,1,5,6,99]");
  REQUIRE(apart.has_value());
  CHECK(apart->low == doctest::Approx(0.2));
  CHECK(apart->median == doctest::Approx(5 + 1.0 / 3));
  CHECK(apart->high < 6);
}

TEST_CASE("what is no histogram is none") {
  CHECK_FALSE(RangeOf("[1,2]", "[0,1]").has_value());
  CHECK_FALSE(RangeOf("[]", "[0]").has_value());
  CHECK_FALSE(RangeOf("[0,0]", "[0,1,2]").has_value());
  CHECK_FALSE(RangeOf("[-1,2]", "[0,1,2]").has_value());
  CHECK_FALSE(RangeOf("[1,2]", "[0,2,1]").has_value());
  CHECK_FALSE(RangeOf("[1,NaN]", "[0,1,2]").has_value());
  CHECK_FALSE(RangeOf("[1e308,1e308]", "[0,1,2]").has_value());
  CHECK_FALSE(RangeOf("", "[0,1,2]").has_value());
  CHECK_FALSE(HistogramRangeOf({"a", "image-file", {}}).has_value());
}

TEST_CASE("histograms over steps are a series of medians beside the numbers of the same key") {
  MadeRun run([](const RowVisitor& visit) {
    for (int i = 0; i < 10'000; ++i) {
      const std::string step = std::to_string(i), next = std::to_string(i + 100);
      const std::string bins = "[" + step + "," + next + "]";
      visit({{"_step", step},
             {"a._type", "\"histogram\""},
             {"a.values", "[1]"},
             {"a.bins", bins},
             {"b", "1"}});
    }
    visit({{"a", "5"}});
  });
  ReportData data;
  data.Add(run.found());
  REQUIRE(data.series().size() == 3);
  CHECK(data.others().empty());
  const ReportSeries* histograms = nullptr;
  for (const ReportSeries& series : data.series())
    if (series.of_histograms) histograms = &series;
  REQUIRE(histograms != nullptr);
  CHECK(histograms->bins.bins().size() <= ReportData::kMostBinsOfOne);
  CHECK(histograms->bins.last() == doctest::Approx(9'999 + 50));
  const SeriesBin& first = histograms->bins.bins().front();
  CHECK(first.least == doctest::Approx(5));
  CHECK(first.mean > 50);
  CHECK(first.most > 95);
  CHECK(ReportJson(data, {}).find("\"histograms\":1") != std::string::npos);
}
