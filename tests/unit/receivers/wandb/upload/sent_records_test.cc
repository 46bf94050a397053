#include "receivers/wandb/upload/sent_records.h"

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "receivers/wandb/upload/json_object.h"

namespace flarebridge::wandb {
namespace {

ParsedRecord Record(ParsedRecord::Kind kind, const char* key, const char* json, int64_t step = 0) {
  ParsedRecord record;
  record.kind = kind;
  record.step = step;
  record.items.push_back({key, {key}, json});
  return record;
}

TEST_CASE("a value that is no JSON is left out and counted, the rest of its record is sent") {
  SentRecords sent;
  ParsedRecord row = Record(ParsedRecord::Kind::kHistory, "good", "NaN");
  CHECK(&sent.Of(row) == &row);
  row.items.push_back({"bad", {"bad"}, "{"});
  row.items.push_back({"empty", {"empty"}, ""});
  REQUIRE(sent.Of(row).items.size() == 1);
  CHECK(sent.Of(row).items[0].key == "good");
  CHECK(sent.not_json() == 4);
}

TEST_CASE("a value that is nested deeper than anybody reads is left out and counted") {
  SentRecords sent;
  ParsedRecord row = Record(ParsedRecord::Kind::kConfig, "good", "1");
  row.items.push_back({"deep", std::vector<std::string_view>(100'000, "a"), "1"});
  const std::string lists = std::string(100'000, '[') + std::string(100'000, ']');
  row.items.push_back({"lists", {"lists"}, lists});
  row.items.push_back(
      {"just", std::vector<std::string_view>(JsonObject::kMaxDepth - 1, "a"), "{}"});
  row.items.push_back({"over", std::vector<std::string_view>(JsonObject::kMaxDepth, "a"), "[]"});
  const ParsedRecord& left = sent.Of(row);
  REQUIRE(left.items.size() == 2);
  CHECK(left.items[0].key == "good");
  CHECK(left.items[1].key == "just");
  CHECK(sent.too_deep() == 3);
  CHECK(sent.not_json() == 0);
}

TEST_CASE("steps stay as the log has them, unless they are to count on") {
  SentRecords sent;
  CHECK_FALSE(sent.next_step());
  CHECK(sent.Of(Record(ParsedRecord::Kind::kHistory, "_step", "7", 7)).items[0].json == "7");
  CHECK(sent.next_step() == 8);
  CHECK(sent.Of(Record(ParsedRecord::Kind::kHistory, "_step", "3", 3)).items[0].json == "3");
  CHECK(sent.next_step() == 4);
}

TEST_CASE("steps count on from the part before: each its own, or the next one if that is larger") {
  SentRecords sent;
  sent.CountOn(5);
  std::string steps;
  for (const int step : {0, 2, 3, 9, 10}) {
    const std::string json = std::to_string(step);
    const ParsedRecord row = Record(ParsedRecord::Kind::kHistory, "_step", json.c_str(), step);
    steps += std::string(sent.Of(row).items[0].json) + " ";
  }
  CHECK(steps == "5 6 7 9 10 ");
  // The row's step is the summary's.
  CHECK(sent.Of(Record(ParsedRecord::Kind::kSummary, "_step", "10")).items.empty());
}

TEST_CASE("a row tells its step, if it is a number") {
  CHECK(StepOf(R"({"loss":1,"_step":12})") == 12);
  CHECK_FALSE(StepOf(R"({"_step":"12"})"));
  CHECK_FALSE(StepOf(R"({"_step":1.5})"));
  CHECK_FALSE(StepOf(""));
}

}  // namespace
}  // namespace flarebridge::wandb
