// What `show` calls runs, what it says of their metrics, and its table.
#include <doctest/doctest.h>

#include <cmath>
#include <sstream>

#include "bridge/commands/amounts.h"
#include "bridge/commands/metric_ranges.h"
#include "bridge/commands/row_columns.h"
#include "bridge/commands/run_words.h"
#include "bridge/commands/show_list.h"
#include "bridge/commands/text_table.h"

namespace flarebridge {
namespace {

RunSummary RunOf(const std::string& site, const std::string& id, double started = 1) {
  RunSummary run;
  run.site = site;
  run.name = site + "-job-run";
  run.id = id;
  run.started = started;
  return run;
}

std::vector<std::string> NamesOf(const std::vector<RunSummary>& runs) {
  std::vector<const RunSummary*> all;
  all.reserve(runs.size());
  for (const RunSummary& run : runs) all.push_back(&run);
  return ShortNames(all);
}

// The ids of the runs that a word means.
std::string MeantBy(std::string_view word, const std::vector<RunSummary>& runs) {
  const std::vector<std::string> names = NamesOf(runs);
  RunList list;
  list.runs.reserve(runs.size());
  for (size_t i = 0; i < runs.size(); ++i)
    list.runs.push_back(
        std::make_shared<ListedRun>(ListedRun{{runs[i].id, nullptr}, runs[i], {}, names[i]}));
  std::string ids;
  for (const auto& run : Meant(list, word)) ids += run->found.log.string() + " ";
  return ids;
}

using Names = std::vector<std::string>;

TEST_CASE("numbers in names are sorted as numbers") {
  CHECK(NaturallyBefore("site-2", "site-10"));
  CHECK_FALSE(NaturallyBefore("site-10", "site-2"));
  CHECK(NaturallyBefore("site", "site-1"));
  CHECK(NaturallyBefore("a9b", "a10a"));
  CHECK_FALSE(NaturallyBefore("site-1", "site-1"));
  CHECK(NaturallyBefore("site-1x", "site-01y"));
  CHECK(NaturallyBefore("99999999999999999999998", "99999999999999999999999"));
}

TEST_CASE("a run's short name is its site, with as much of its id as tells it apart") {
  CHECK(NamesOf({RunOf("a", "x1"), RunOf("b", "x1")}) == Names{"a", "b"});
  CHECK(NamesOf({RunOf("a", "abcdef"), RunOf("a", "abzzzz"), RunOf("b", "q")}) ==
        Names{"a:abcd", "a:abzz", "b"});
  CHECK(NamesOf({RunOf("a", "abcdef1"), RunOf("a", "abcdef2")}) == Names{"a:abcdef1", "a:abcdef2"});
  CHECK(NamesOf({RunOf("a", "part"), RunOf("a", "part")}) == Names{"a", "a"});
  RunSummary elsewhere = RunOf("", "id");
  elsewhere.name = "glowing-sun-1";
  CHECK(NamesOf({elsewhere}) == Names{"glowing-sun-1"});
}

TEST_CASE("a word means runs by short name, site, name or id, or the begin of an id") {
  const std::vector<RunSummary> runs = {RunOf("a", "abcdef", 5), RunOf("a", "zyxwvu", 9),
                                        RunOf("b", "abbbbb", 7)};
  CHECK(MeantBy("b", runs) == "abbbbb ");
  CHECK(MeantBy("a", runs) == "abcdef zyxwvu ");
  CHECK(MeantBy("a:zyxw", runs) == "zyxwvu ");
  CHECK(MeantBy("b-job-run", runs) == "abbbbb ");
  CHECK(MeantBy("abbbbb", runs) == "abbbbb ");
  CHECK(MeantBy("abc", runs) == "abcdef ");
  CHECK(MeantBy("ab", runs) == "abcdef abbbbb ");
  CHECK(MeantBy("latest", runs) == "zyxwvu ");
  CHECK(MeantBy("c", runs).empty());
  CHECK(MeantBy("latest", {}).empty());
}

TEST_CASE("of a metric the last value, the lowest and the highest are kept, finite ones") {
  MetricRanges ranges;
  ranges.Take({{"_timestamp", "10.5"}, {"loss", "2"}, {"text", "\"1\""}});
  ranges.Take({{"loss", "NaN"}, {"acc", "Infinity"}, {"none", "null"}});
  ranges.Take({{"loss", "-1e-3"}, {"_timestamp", "11.5"}});
  REQUIRE(ranges.metrics().size() == 2);
  const MetricRange* loss = ranges.Find("loss");
  REQUIRE(loss != nullptr);
  CHECK(loss->last == -1e-3);
  CHECK(loss->lowest == -1e-3);
  CHECK(loss->highest == 2);
  const MetricRange* acc = ranges.Find("acc");
  REQUIRE(acc != nullptr);
  CHECK(std::isinf(acc->last));
  CHECK(acc->lowest > acc->highest);
  CHECK(ranges.last_time() == 11.5);
  CHECK(ranges.Find("text") == nullptr);
}

TEST_CASE("metrics beyond a number are not kept") {
  MetricRanges ranges;
  std::vector<std::string> keys;
  keys.reserve(2 * MetricRanges::kMost);
  for (size_t i = 0; i < 2 * MetricRanges::kMost; ++i) keys.push_back("m" + std::to_string(i));
  for (const std::string& key : keys) ranges.Take({{key, "1"}});
  CHECK(ranges.metrics().size() == MetricRanges::kMost);
  CHECK(ranges.Find("m0") != nullptr);
  CHECK(ranges.Find(keys.back()) == nullptr);
}

TEST_CASE("numbers with a fraction have five digits, all else is as it is") {
  CHECK(ForPeople("0.12345678") == "0.12346");
  CHECK(ForPeople("123456789") == "123456789");
  CHECK(ForPeople("1e+300") == "1e+300");
  CHECK(ForPeople("\"1.23456789\"") == "\"1.23456789\"");
  CHECK(ForPeople("[1.23456789]") == "[1.23456789]");
  CHECK(ForPeople("NaN") == "NaN");
  CHECK(ForPeople("").empty());
  CHECK(Rounded(-INFINITY) == "-Infinity");
}

TEST_CASE("a table's columns are as wide as what is in them, and it obeys nothing") {
  TextTable table({{"name"}, {"rows", TextTable::Side::kRight}});
  table.Add({"sité", "1"});
  table.Add({"a\x1b[2J", "12345"});
  table.Add({"b"});
  std::ostringstream out;
  table.Print(out);
  CHECK(out.str() == "name    rows\nsité       1\na?[2J  12345\nb\n");
}

}  // namespace
}  // namespace flarebridge
