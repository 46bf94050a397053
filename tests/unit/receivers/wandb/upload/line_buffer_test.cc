#include "receivers/wandb/upload/line_buffer.h"

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

namespace flarebridge::wandb {
namespace {

ParsedRecord Row(const std::string_view& json) {
  ParsedRecord record;
  record.kind = ParsedRecord::Kind::kHistory;
  record.items.push_back({"key", {"key"}, json});
  return record;
}

ParsedRecord Output(std::string_view text, double time = 0, bool is_error = false) {
  ParsedRecord record;
  record.kind = ParsedRecord::Kind::kOutput;
  record.line = text;
  record.time = time;
  record.is_error_output = is_error;
  return record;
}

std::vector<std::string> Lines(const LineBuffer& buffer, const std::string& stream) {
  return nlohmann::json::parse("[" + buffer.parts().at(stream).lines + "]");
}

std::vector<std::string> Console(const std::vector<ParsedRecord>& records, bool ended = true) {
  ConsoleLines console;
  std::vector<std::string> lines;
  const auto visit = [&lines](const ConsoleLine& line) { lines.push_back(PlainText(line)); };
  for (const ParsedRecord& record : records) console.Take(record, visit);
  if (ended) console.End(visit);
  return lines;
}

TEST_CASE("rows get their places, and those that the server has are counted only") {
  LineBuffer buffer({{kHistoryStream, 2}});
  for (const std::string_view json : {"0", "1", "2", "3"}) buffer.Take(Row(json), 0);
  const StreamPart& part = buffer.parts().at(kHistoryStream);
  CHECK(part.offset == 2);
  CHECK(part.count == 2);
  CHECK(Lines(buffer, kHistoryStream) == std::vector<std::string>{R"({"key":2})", R"({"key":3})"});
  buffer.Clear();
  CHECK(buffer.parts().empty());
  buffer.Take(Row("4"), 0);
  CHECK(buffer.parts().at(kHistoryStream).offset == 4);
}

TEST_CASE("a request's lines stay within W&B's limit, whatever their sizes") {
  const std::string large = '"' + std::string(9'000'000, 'x') + '"', small = R"("y")";
  LineBuffer buffer;
  std::vector<std::string> sent;
  const auto send = [&] {
    size_t bytes = 0;
    CHECK(buffer.parts().at(kHistoryStream).offset == sent.size());
    for (const std::string& line : Lines(buffer, kHistoryStream)) {
      bytes += line.size();
      sent.push_back(line);
    }
    CHECK(bytes <= size_t{10} << 20);
    buffer.Clear();
  };
  for (const std::string& json : {small, large, small, large, large, small}) {
    buffer.Take(Row(json), 0);
    while (buffer.full()) send();
  }
  while (!buffer.parts().empty()) send();
  REQUIRE(sent.size() == 6);
  CHECK(sent[0] == R"({"key":"y"})");
  CHECK(sent[1].size() > 9'000'000);
  CHECK(sent[2] == R"({"key":"y"})");
  CHECK(sent[5] == R"({"key":"y"})");
}

TEST_CASE("a line that no server takes keeps its place, empty") {
  const std::string huge = '"' + std::string(kMaxLine, 'x') + '"';
  LineBuffer buffer;
  buffer.Take(Row("1"), 0);
  buffer.Take(Row(huge), 0);
  buffer.Take(Row("2"), 0);
  CHECK(Lines(buffer, kHistoryStream) ==
        std::vector<std::string>{R"({"key":1})", "{}", R"({"key":2})"});
  CHECK(buffer.too_long() == 1);
}

TEST_CASE("system metrics have W&B's prefix and the run's time") {
  ParsedRecord record;
  record.kind = ParsedRecord::Kind::kStats;
  record.time = 12.5;
  record.items.push_back({"cpu", {"cpu"}, "3"});
  LineBuffer buffer;
  buffer.Take(record, 10);
  CHECK(Lines(buffer, kEventsStream).at(0) ==
        R"({"_wandb":true,"_timestamp":12.5,"_runtime":2.5,"system.cpu":3})");
}

TEST_CASE("console lines are put together from pieces, each stream by itself") {
  CHECK(
      Console({Output("a", 0), Output("bc\nd"), Output("error\n", 1, true), Output("e\n\n", 2)}) ==
      std::vector<std::string>{"1970-01-01T00:00:00.000000 abc",
                               "ERROR 1970-01-01T00:00:01.000000 error",
                               "1970-01-01T00:00:00.000000 de", "1970-01-01T00:00:02.000000 "});
}

TEST_CASE("of a progress bar the last state remains") {
  CHECK(Console({Output("10 %\r"), Output("20 %\r30 %"), Output("\r\nnext\r\n")}) ==
        std::vector<std::string>{"1970-01-01T00:00:00.000000 30 %",
                                 "1970-01-01T00:00:00.000000 next"});
}

TEST_CASE("a server that knows structured lines gets objects, with their level and time") {
  LineBuffer buffer({}, true);
  buffer.Take(Output("one \"1\"\n"), 0);
  buffer.Take(Output("bad\x1b\n", 1, true), 0);
  CHECK(Lines(buffer, kConsoleStream) ==
        std::vector<std::string>{
            R"({"ts":"1970-01-01T00:00:00.000000","content":"one \"1\""})",
            R"({"level":"error","ts":"1970-01-01T00:00:01.000000","content":"bad\u001b"})"});
}

TEST_CASE("of a console line as many columns go as W&B's client sends, whole letters") {
  std::string wide;
  for (int i = 0; i < 5000; ++i) wide += "\xc3\xa9";
  CHECK(PlainText({false, 0, wide}).size() == sizeof "1970-01-01T00:00:00.000000" + 2 * 4096);
  CHECK(PlainText({false, 0, std::string(4096, 'x')}).ends_with("xx"));
}

TEST_CASE("a line without an end is one when the run has ended") {
  CHECK(Console({Output("open")}, false).empty());
  CHECK(Console({Output("open")}).size() == 1);
}

}  // namespace
}  // namespace flarebridge::wandb
