#include "bridge/plot/chart.h"

#include <doctest/doctest.h>

#include <cmath>
#include <string>
#include <vector>

#include "bridge/plot/characters.h"
#include "bridge/plot/curves.h"

using namespace flarebridge;

namespace {

using Lines = std::vector<std::string>;

constexpr Looks kBraille{true, false}, kAscii{false, false};

Chart ChartOf(const std::vector<const SeriesBins*>& runs, const std::string& metric = "loss") {
  Chart chart;
  chart.metric = metric;
  chart.runs = runs.size();
  for (size_t i = 0; i < runs.size(); ++i)
    chart.curves.push_back({"site-" + std::to_string(i + 1), "1.5", i, runs[i]});
  return chart;
}

SeriesBins BinsOf(const std::vector<double>& values, size_t most = 2000) {
  SeriesBins bins;
  int64_t step = 0;
  for (const double value : values) {
    bins.Add(step, value, static_cast<float>(step * 60), most);
    ++step;
  }
  return bins;
}

bool AnyHas(const Lines& lines, const std::string& text) {
  for (const std::string& line : lines)
    if (line.find(text) != std::string::npos) return true;
  return false;
}

}  // namespace

TEST_CASE("a chart has a name, axes, a curve and whose it is") {
  const SeriesBins bins = BinsOf({0, 1, 2, 3});
  std::string drawn;
  for (const std::string& line : Draw(ChartOf({&bins}), kBraille, 24, 4)) drawn += line + "\n";
  CHECK(drawn == R"(loss
  │                ⣀⡠⠔⠒⠉
2 ┤          ⢀⣀⠤⠒⠊⠉
  │     ⣀⡠⠤⠒⠉⠁
0 ┤⣀⠤⠔⠒⠉
  └┬────────────┬───────
   0            2   step
⠶ site-1 1.5
)");
}

TEST_CASE("without UTF-8 a chart is ASCII") {
  const SeriesBins bins = BinsOf({0, 1, 2, 3});
  for (const std::string& line : Draw(ChartOf({&bins}), kAscii, 40, 4))
    for (const char c : line) CHECK(static_cast<unsigned char>(c) < 0x80);
}

TEST_CASE("no line is wider than the terminal, however narrow, whatever it is called") {
  std::vector<SeriesBins> runs;
  for (int i = 0; i < 60; ++i) runs.push_back(BinsOf({-1.2345e-300, 1.0 * i, NAN, 5}));
  std::vector<const SeriesBins*> all;
  for (const SeriesBins& run : runs) all.push_back(&run);
  for (const size_t width : {size_t{20}, size_t{21}, size_t{33}, size_t{80}, size_t{300}}) {
    Chart chart = ChartOf(all, std::string(500, 'x') + "é\x1b[2J");
    chart.curves[0].name = std::string(400, 'y');
    for (const Chart::Across across : {Chart::Across::kStep, Chart::Across::kTime}) {
      chart.across = across;
      for (const std::string& line : Draw(chart, kBraille, width, 6)) {
        CHECK(CharactersOf(line) <= width);
        CHECK(line.find('\x1b') == std::string::npos);
      }
    }
  }
}

TEST_CASE("a spike of one among many values is seen") {
  std::vector<double> values(100'000, 1.0);
  values[50'000] = 9;
  const SeriesBins bins = BinsOf(values);
  const Lines lines = Draw(ChartOf({&bins}), kBraille, 80, 8);
  CHECK((lines[1].find("⢸") != std::string::npos || lines[1].find("⡇") != std::string::npos));
  CHECK(lines[10].find(" 0 ") != std::string::npos);
}

TEST_CASE("what is not finite is a gap and told; a value alone is a block") {
  const SeriesBins bins = BinsOf({1, NAN, INFINITY, 2, NAN, 1});
  const Lines lines = Draw(ChartOf({&bins}), kBraille, 60, 4);
  CHECK(AnyHas(lines, "site-1: 2 NaN, 1 infinite, the first at step 1"));
  CHECK(AnyHas(lines, "⣤"));
  CHECK_FALSE(AnyHas(lines, "⠤⠤"));
  const SeriesBins none = BinsOf({NAN});
  CHECK(Draw(ChartOf({&none}), kBraille, 60, 4)[1] == "no finite value");
}

TEST_CASE("on a logarithmic axis what is not above 0 is a gap and told") {
  const SeriesBins bins = BinsOf({-1, 0, 1, 1000});
  Chart chart = ChartOf({&bins});
  chart.log = true;
  const Lines lines = Draw(chart, kBraille, 60, 8);
  CHECK(lines.front() == "loss (log)");
  CHECK(AnyHas(lines, "values of 0 and below are gaps"));
  CHECK(AnyHas(lines, "100 ┤"));
  const SeriesBins below = BinsOf({-1, 0});
  chart.curves[0].bins = &below;
  CHECK(Draw(chart, kBraille, 60, 8)[1] == "no value above 0");
}

TEST_CASE("times have a unit that fits them") {
  const SeriesBins minutes = BinsOf(std::vector<double>(60, 1));
  Chart chart = ChartOf({&minutes});
  chart.across = Chart::Across::kTime;
  CHECK(AnyHas(Draw(chart, kBraille, 60, 4), " min"));
  const SeriesBins seconds = BinsOf({1, 2});
  chart.curves[0].bins = &seconds;
  CHECK(Draw(chart, kBraille, 60, 4)[6].ends_with(" s"));
}

TEST_CASE("of very many runs a few are named and the others counted") {
  const SeriesBins bins = BinsOf({1, 2});
  const Chart chart = ChartOf(std::vector<const SeriesBins*>(1000, &bins));
  const Lines lines = Draw(chart, {true, true}, 80, 4);
  // The name, four lines of curves, the axis, its numbers, three lines of runs, and how many more.
  CHECK(lines.size() == 1 + 4 + 2 + 3 + 1);
  CHECK(AnyHas(lines, " runs more"));
}

TEST_CASE("curves are of the metrics that are wanted, in the order in which they are") {
  Curves curves({"val/*", "loss"});
  CHECK(curves.AddRun() == 0);
  CHECK(curves.AddRun() == 1);
  curves.Take(0, {{"loss", "1"}, {"val/b", "2"}, {"lr", "3"}, {"text", "\"4\""}, {"_step", "5"}});
  curves.Take(1, {{"_step", "7"}, {"val/a", "true"}});
  CHECK(curves.Metrics() == std::vector<std::string>{"val/b", "val/a", "loss"});
  REQUIRE(curves.Find("loss", 0) != nullptr);
  CHECK(curves.Find("loss", 0)->bins().front().place == 5);
  CHECK(curves.Find("loss", 1) == nullptr);
  CHECK(curves.Find("lr", 0) == nullptr);
  CHECK(curves.Missing().empty());
  curves.Forget(0);
  CHECK(curves.Find("loss", 0) == nullptr);
  CHECK(curves.Find("val/a", 1) != nullptr);
  CHECK(Curves({"nix", "l?ss"}).Missing() == std::vector<std::string>{"nix", "l?ss"});
}

TEST_CASE("without a wish the first metrics have curves, and memory is bounded") {
  Curves curves({}, 2);
  curves.AddRun();
  curves.Take(0, {{"b", "1"}, {"a", "NaN"}, {"c", "3"}});
  CHECK(curves.Metrics() == std::vector<std::string>{"b", "a"});

  Curves many({"*"});
  for (int i = 0; i < 3000; ++i) many.AddRun();
  size_t bins = 0;
  for (int step = 0; step < 1000; ++step) {
    const std::string number = std::to_string(step);
    for (size_t run = 0; run < 3000; ++run) many.Take(run, {{"m", number}, {"_step", number}});
  }
  for (size_t run = 0; run < 3000; ++run) bins += many.Find("m", run)->bins().size();
  CHECK(bins <= Curves::kMostBins);
}
