// What commands are told of a run by its lines: the same as by W&B's log of it.
#include "receivers/jsonl/jsonl_run_reader.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/file.h>

#include <fstream>
#include <string>
#include <vector>

#include "receivers/files/unique_fd.h"
#include "receivers/readers.h"
#include "tests/unit/receivers/jsonl/made_lines.h"
#include "tests/unit/temp_folder.h"

namespace flarebridge {
namespace {

namespace fs = std::filesystem;
using Damage = LogCondition::Damage;
using Texts = std::vector<std::string>;
using testing::DataLine;
using testing::EndLine;
using testing::Line;
using testing::RunLine;
using testing::TempFolder;

constexpr const char* kName = "jsonl/abcdefghijklmnop.jsonl";

fs::path Write(const fs::path& path, std::string_view bytes) {
  fs::create_directories(path.parent_path());
  std::ofstream(path, std::ios::binary) << bytes;
  return path;
}

// A file with these lines, and what is read of it.
class Lines {
 public:
  explicit Lines(const std::string& bytes) : log(Write(temp_.path() / kName, bytes)) {
    RunVisitor visit;
    visit.row = [this](const Row& row) {
      std::string text;
      for (const Cell& cell : row)
        text += (text.empty() ? "" : " ") + std::string(cell.key) + "=" + std::string(cell.json);
      rows.push_back(text);
    };
    visit.console = [this](std::string_view text) { console += text; };
    visit.file = [this](std::string_view name, std::string_view place) {
      files.push_back(std::string(name) + "@" + std::string(place));
    };
    const Expected<RunSummary> read = JsonlRunReader().Read(log, visit);
    REQUIRE_MESSAGE(read.has_value(), (read ? "" : read.error().message));
    run = *read;
  }
  Expected<std::string> File(std::string_view place, size_t most = 1000) const {
    return JsonlRunReader().ReadFile(log, place, most);
  }

 private:
  TempFolder temp_;

 public:
  fs::path log;
  RunSummary run;
  Texts rows, files;
  std::string console;
};

// The place of the line that begins there, as values name it.
std::string PlaceOf(const std::string& before) { return "line " + std::to_string(before.size()); }

}  // namespace

TEST_CASE("lines say whose run it is, how it ended, and what it holds") {
  const Lines lines(RunLine() + DataLine("METRIC", R"("tag":"loss","step":3,"value":0.25)", 102.5) +
                    DataLine("PARAMETERS", R"("tag":"p","values":{"lr":0.1,"net":{"depth":2}})") +
                    DataLine("TAG", R"("tag":"kind","text":"test")") +
                    DataLine("TAGS", R"("tag":"t","values":{"one":"1","two":null})") + EndLine(0));
  CHECK(lines.run.id == "abcdefghijklmnop");
  CHECK(lines.run.name == "site-1-j1-train");
  CHECK(lines.run.group == "train-j1");
  CHECK(lines.run.site == "site-1");
  CHECK(lines.run.started == 100);
  CHECK(lines.run.state == RunSummary::State::kFinished);
  CHECK(lines.run.config.at("lr") == "0.1");
  CHECK(lines.run.config.at("net") == R"({"depth":2})");
  CHECK(lines.run.config.at("client") == "\"site-1\"");
  CHECK(lines.run.tags == Texts{"kind:test", "one:1", "two"});
  CHECK(lines.run.summary.at("loss") == "0.25");
  CHECK(lines.rows == Texts{"_step=3 _timestamp=102.500000 _runtime=2.5 loss=0.25"});
  CHECK(lines.run.rows == 1);
  CHECK(lines.run.bad_bytes == 0);
}

TEST_CASE("the last end counts, and a run that went on behind one has not ended") {
  CHECK(Lines(RunLine() + EndLine(0) + EndLine(3)).run.exit_code == 3);
  const std::string went_on = RunLine() + EndLine(1) + DataLine("TEXT", R"("tag":"t","text":"x")");
  CHECK(Lines(went_on).run.state == RunSummary::State::kRunning);
  CHECK(Lines(went_on + EndLine(0)).run.state == RunSummary::State::kFinished);
  CHECK(Lines(RunLine()).run.state == RunSummary::State::kRunning);
}

TEST_CASE("lines of a step are one row; a key that is there again begins another one") {
  const auto metric = [](const std::string& rest) { return DataLine("METRIC", rest); };
  const auto keys = [](const Lines& lines) {
    Texts found;
    for (std::string row : lines.rows) {
      row.erase(row.find(" _timestamp"), row.find(' ', row.find("_runtime")) - row.find(" _time"));
      found.push_back(row);
    }
    return found;
  };
  const Lines steps(RunLine() + metric(R"("tag":"a","step":1,"value":1)") +
                    metric(R"("tag":"b","step":1,"value":2)") +
                    metric(R"("tag":"c","value":3)") +  // joins the row of the step before
                    metric(R"("tag":"a","step":1,"value":4)") +
                    metric(R"("tag":"a","step":2,"value":5)"));
  CHECK(keys(steps) == Texts{"_step=1 a=1 b=2 c=3", "_step=1 a=4", "_step=2 a=5"});
  CHECK(steps.run.rows == 3);
  CHECK(steps.run.summary.at("a") == "5");
  const Lines none(RunLine() + metric(R"("tag":"a","value":1)") + metric(R"("tag":"b","value":2)"));
  CHECK(keys(none) == Texts{"_step=0 a=1", "_step=1 b=2"});
}

TEST_CASE("dicts become a value for each leaf, and numbers that are not finite are so again") {
  const Lines lines(
      RunLine() +
      DataLine("METRICS",
               R"("tag":"m","step":1,"values":{"a/b":null,"c":{"d":null,"e":1},"f":null})"
               R"(,"nonfinite":{"a/b":"NaN","c/d":"-Infinity"})") +
      DataLine("METRIC", R"("tag":"x","step":1,"value":null,"nonfinite":{"value":"Infinity"})") +
      DataLine("METRIC", R"("tag":"on","step":1,"text":"true")") +
      DataLine("TEXT", R"("tag":"word","step":1,"text":"true")"));
  REQUIRE(lines.rows.size() == 1);
  CHECK(lines.rows[0].ends_with(
      R"(a/b=NaN c.d=-Infinity c.e=1 f=null x=Infinity on=true word="true")"));
}

TEST_CASE(
    "console lines, texts with a path and images are told, and their files are in the lines") {
  const std::string before = RunLine() + DataLine("LOG_RECORD", R"("tag":"l","text":"one\n")") +
                             DataLine("LOG_RECORD", R"("tag":"l","text":"two")");
  const std::string text = DataLine("TEXT", R"("tag":"t","path":"a/b.txt","text":"é\n")");
  const std::string image = DataLine("IMAGE", R"("tag":"i","step":1,"base64":"iVBORw=="))");
  const std::string media =
      DataLine("MEDIA", R"("tag":"m","step":1,"values":{"_type":"image-file","data":"AAEC",)"
                        R"("caption":"a \"b\""})");
  const std::string list =
      DataLine("MEDIA", R"("tag":"n","step":1,"values":{"_type":"list","items":[)"
                        R"({"_type":"image-file","data":"AA=="},)"
                        R"({"_type":"image-file","data":"AQ==","caption":"c"}]})");
  const std::string pixels =
      DataLine("IMAGE", R"("tag":"p","step":1,"values":{"height":1,"width":1,"channels":3,)"
                        R"("data":"AAAA"})");
  const std::string none = DataLine("IMAGE", R"("tag":"q","step":1,"text":"none")");
  const Lines lines(before + text + image + media + list + pixels + none);
  CHECK(lines.console == "one\ntwo\n");
  const std::string text_place = PlaceOf(before), image_place = PlaceOf(before + text),
                    media_place = PlaceOf(before + text + image),
                    list_place = PlaceOf(before + text + image + media),
                    pixels_place = PlaceOf(before + text + image + media + list);
  CHECK(lines.files == Texts{"a/b.txt@" + text_place});
  REQUIRE(lines.rows.size() == 1);
  CHECK(lines.rows[0].ends_with(
      R"( i={"_type":"image-file","path":")" + image_place + R"("})" +
      R"( m={"_type":"image-file","path":")" + media_place + R"(","caption":"a \"b\""})" +
      R"( n={"_type":"images/separated","filenames":[")" + list_place + R"( 0",")" + list_place +
      R"( 1"],"captions":[null,"c"]})" + R"( p={"_type":"image-file","path":")" + pixels_place +
      R"("})" + R"( q={"_type":"image-file"})"));
  CHECK(lines.File(text_place) == "é\n");
  CHECK(lines.File(image_place) == "\x89PNG");
  CHECK(lines.File(media_place) == std::string("\0\1\2", 3));
  CHECK(lines.File(list_place + " 1") == "\1");
  CHECK(lines.File(pixels_place).value().starts_with("\x89PNG"));
}

TEST_CASE("nothing but a line's own file is given, and no more than is asked for") {
  const std::string image = DataLine("IMAGE", R"("tag":"i","base64":"iVBORw=="))");
  const Lines lines(RunLine() + image + DataLine("IMAGE", R"("tag":"i","base64":"!!"))"));
  const std::string place = PlaceOf(RunLine());
  CHECK(lines.File(place, 3).error().code == ErrorCode::kTooLarge);
  for (const std::string& other :
       {place + "1", place + " 0", place + " x", std::string("line 0"), std::string("line -1"),
        std::string("line 99999999999"), PlaceOf(RunLine() + image), std::string("/etc/passwd"),
        std::string("../x"), std::string("")})
    CHECK_FALSE(lines.File(other).has_value());
}

TEST_CASE("damage in the middle is read over and told in bytes; a torn end is none") {
  const std::string bad = "{\"time\":1,\"type\":\"METRIC\"}\n";
  const std::string metric = DataLine("METRIC", R"("tag":"a","step":1,"value":1)");
  CHECK(Lines(RunLine() + bad + metric).run.bad_bytes == bad.size());
  CHECK(Lines(RunLine() + bad + metric).rows.size() == 1);
  CHECK(Lines(RunLine() + metric + metric.substr(0, 50)).run.bad_bytes == 0);
  const std::string long_one(30'000'000, 'x');
  const Lines around(RunLine() + bad + metric + long_one + "\n" + EndLine(0) + bad);
  CHECK(around.run.bad_bytes == bad.size() + long_one.size() + 1);
  CHECK(around.run.state == RunSummary::State::kFinished);
}

TEST_CASE("a file says of each line whether it is whole, and a repair keeps the whole ones") {
  const TempFolder temp;
  const std::string metric = DataLine("METRIC", R"("tag":"a","step":1,"value":1)");
  const auto check = [&](const std::string& bytes) {
    return JsonlRunReader().Check(Write(temp.path() / kName, bytes)).value();
  };
  const std::string whole = RunLine() + metric + EndLine(0);
  CHECK(check(whole).damage == Damage::kNone);
  CHECK(check(whole).records == 3);
  CHECK(check(whole).rows == 1);
  CHECK(check(whole).ended);
  CHECK_FALSE(check(whole + metric).ended);
  const LogCondition torn = check(whole.substr(0, whole.size() - 1));
  CHECK(torn.damage == Damage::kCutOff);
  CHECK(torn.whole_end == (RunLine() + metric).size());
  CHECK(torn.unreadable == EndLine(0).size() - 1);
  CHECK(JsonlRunReader().Repair(temp.path() / kName, torn).has_value());
  CHECK(fs::file_size(temp.path() / kName) == torn.whole_end);
  std::string bytes = whole + metric;
  bytes[RunLine().size() + 5] ^= 1;
  const LogCondition damaged = check(bytes);
  CHECK(damaged.damage == Damage::kDamaged);
  CHECK(damaged.records == 3);
  CHECK(damaged.whole_end == RunLine().size());
  CHECK(damaged.unreadable == metric.size());
  CHECK(JsonlRunReader().Repair(temp.path() / kName, damaged).has_value());
  std::ifstream in(temp.path() / kName);
  CHECK(std::string(std::istreambuf_iterator<char>(in), {}) == RunLine() + EndLine(0) + metric);
}

TEST_CASE("a file that somebody writes is so, and one of other lines is none of ours") {
  const TempFolder temp;
  const fs::path log = Write(temp.path() / kName, RunLine());
  const UniqueFd writer(open(log.c_str(), O_RDWR | O_CLOEXEC));
  REQUIRE(flock(writer.get(), LOCK_EX) == 0);
  CHECK(JsonlRunReader().Check(log).value().written);
  for (const char* bytes : {"", "{\"a\": 1}\n", "\xff\xfe\n\n\n"}) {
    const fs::path other = Write(temp.path() / "other.jsonl", bytes);
    CHECK(JsonlRunReader().Check(other).error().code == ErrorCode::kMalformed);
    const auto read = JsonlRunReader().Read(other, nullptr);
    REQUIRE_FALSE(read.has_value());
    CHECK(read.error().message.find("other.jsonl is no file of JSON lines") != std::string::npos);
  }
}

TEST_CASE("lines with a right mark and wrong members do no harm") {
  const Lines lines(RunLine() + Line(R"("type":"METRIC")") + Line(R"("x":[[[)") +
                    DataLine("METRIC", R"("tag":5,"step":"x","value":{"a":)") +
                    DataLine("METRICS", R"("tag":"t","step":9999999999999999999,"values":[1])") +
                    DataLine("MEDIA", R"("tag":"t","values":{"_type":"list","items":[1,{}]})") +
                    DataLine("NEW", R"("tag":"t","value":1)") + EndLine(0));
  CHECK(lines.run.state == RunSummary::State::kFinished);
  CHECK(lines.run.bad_bytes == 0);
}

TEST_CASE(
    "a run that is there as W&B's log and as lines is found once, and files of others never") {
  const TempFolder temp;
  const fs::path lines = Write(temp.path() / kName, RunLine());
  Write(temp.path() / "jsonl" / "notes.jsonl", "{}\n");
  Write(temp.path() / "data" / "abcdefghijklmnop.jsonl", "{}\n");
  CHECK(FindRuns(temp.path()).value().size() == 1);
  const fs::path log =
      Write(temp.path() / "wandb" / "offline-run-1-x" / "run-abcdefghijklmnop.wandb", "");
  const std::vector<FoundRun> once = FindRuns(temp.path()).value();
  REQUIRE(once.size() == 1);
  CHECK(once[0].log == fs::canonical(log));
  CHECK(FindRunLogs(temp.path()).value().size() == 2);
  CHECK(FindRuns(lines).value().front().reader == &JsonlRunReader());
  const fs::path aside = Write(temp.path() / "jsonl" / "abc.jsonl.damaged", RunLine());
  CHECK(FindRuns(aside).value().front().reader == &JsonlRunReader());
}

}  // namespace flarebridge
