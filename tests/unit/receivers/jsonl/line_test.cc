#include "receivers/jsonl/line.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

#include "events/event_codec.h"

namespace flarebridge::jsonl {
namespace {

using nlohmann::json;

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();

ValueNode Number(double number) {
  ValueNode node;
  node.kind = ValueKind::kFloat;
  node.number = number;
  return node;
}

ValueNode Text(std::string_view text, ValueKind kind = ValueKind::kText) {
  ValueNode node;
  node.kind = kind;
  node.text = text;
  return node;
}

std::string LineOf(const Value& value, uint64_t floor = 7) {
  Data data;
  data.time = 1789000000.25;
  data.site = "site-1";
  data.type = DataType::kMetric;
  data.tag = "loss";
  data.step = 3;
  data.value = value;
  std::string line;
  AppendData(data, {0xabcdef, floor, {}}, line);
  return line;
}

// Strict: the parser takes no bare words.
json ParsedLineOf(const Value& value) { return json::parse(LineOf(value)); }

TEST_CASE("a metric is one line of strict JSON, its mark the last member") {
  const ValueNode number = Number(0.5);
  const std::string line = LineOf(Value(&number));
  CHECK(line.starts_with(
      R"({"time":1789000000.25,"site":"site-1","type":"METRIC","tag":"loss","step":3,"value":0.5,)"
      R"("_flarebridge":{"journal":"0000000000abcdef","floor":7,"crc32":")"));
  CHECK(line.ends_with("\"}}\n"));
  CHECK(json::parse(line)["_flarebridge"]["floor"] == 7);
}

TEST_CASE("a medium's line has its bytes as a text in its dict, as strict JSON has them") {
  const ValueNode name = Text("data"), bytes = Text("\x01\x02", ValueKind::kBinary);
  ValueNode map;
  map.kind = ValueKind::kMap;
  map.size = 1;
  map.span = 3;
  const ValueNode nodes[] = {map, name, bytes};
  CHECK(ParsedLineOf(Value(nodes))["values"] == json{{"data", "AQI="}});
}

TEST_CASE("a column holds one kind of value") {
  const ValueNode text = Text("a\n\"b\"");
  CHECK(ParsedLineOf(Value(&text))["text"] == "a\n\"b\"");
  const ValueNode binary = Text(std::string_view("\xff\x00\x01", 3), ValueKind::kBinary);
  CHECK(ParsedLineOf(Value(&binary))["base64"] == "/wAB");
  ValueNode truth;
  truth.kind = ValueKind::kBool;
  truth.boolean = true;
  CHECK(ParsedLineOf(Value(&truth))["text"] == "true");
  for (const ValueNode* node : std::initializer_list<const ValueNode*>{&text, &binary, &truth})
    CHECK_FALSE(ParsedLineOf(Value(node)).contains("value"));
  CHECK_FALSE(ParsedLineOf(Value()).contains("value"));
}

TEST_CASE("what is not finite is null, and named beside") {
  for (const auto& [number, word] : {std::pair(kNan, "NaN"), std::pair(kInfinity, "Infinity"),
                                     std::pair(-kInfinity, "-Infinity")}) {
    const ValueNode node = Number(number);
    const json line = ParsedLineOf(Value(&node));
    CHECK(line["value"].is_null());
    CHECK(line["nonfinite"] == json{{"value", word}});
  }
  Tape tape;
  // {"a": {"b": NaN}, "c": [1.0, -inf], "d": 1.0}
  std::string bytes =
      "\x83\xa1"
      "a\x81\xa1"
      "b";
  const auto append = [&bytes](double number) {
    EncodeValue(Value(std::vector{Number(number)}.data()), bytes);
  };
  append(kNan);
  bytes +=
      "\xa1"
      "c\x92";
  append(1);
  append(-kInfinity);
  bytes +=
      "\xa1"
      "d";
  append(1);
  REQUIRE(DecodeValue(bytes, tape).has_value());
  const json line = ParsedLineOf(Value(tape.data()));
  CHECK(line["values"] == json::parse(R"({"a":{"b":null},"c":[1.0,null],"d":1.0})"));
  CHECK(line["nonfinite"] == json::parse(R"({"a/b":"NaN","c/1":"-Infinity"})"));
}

TEST_CASE("a run's first line and its end say what they are") {
  RunSpec run;
  run.job = "job";
  run.site = "site";
  run.run_name = "name";
  run.side = "server";
  run.started = 5;
  std::string line;
  AppendRun(run, {1, 0, {}}, line);
  CHECK(json::parse(line)["type"] == "RUN");
  CHECK(json::parse(line)["job"] == "job");
  line.clear();
  AppendEnd({6, "site", 1, "why"}, {1, 9, {}}, line);
  CHECK(json::parse(line)["type"] == "END");
  CHECK(json::parse(line)["value"] == 1);
  CHECK(json::parse(line)["text"] == "why");
}

TEST_CASE("a line's mark is read back, and only from a line that is whole") {
  const ValueNode text = Text(R"(,"_flarebridge":{"journal":"0000000000000001","floor":99)");
  for (const uint64_t floor : {uint64_t{0}, uint64_t{7}, UINT64_MAX}) {
    std::string line = LineOf(Value(&text), floor);
    line.pop_back();
    const auto mark = ReadMark(line);
    REQUIRE(mark.has_value());
    CHECK(mark->journal == 0xabcdef);
    CHECK(mark->floor == floor);
    for (size_t size = 0; size < line.size(); ++size)
      CHECK_FALSE(ReadMark(std::string_view(line).substr(0, size)).has_value());
    for (size_t at = 0; at < line.size(); ++at) {
      std::string changed = line;
      changed[at] ^= 1;
      CHECK_FALSE(ReadMark(changed).has_value());
    }
  }
}

}  // namespace
}  // namespace flarebridge::jsonl
