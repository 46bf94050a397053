// Laws of what one event becomes in a run, and of what a hostile or odd one does not do.
#include <doctest/doctest.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <iterator>

#include "receivers/wandb/log/log_summary.h"
#include "receivers/wandb/log/record_fields.h"
#include "receivers/wandb/log/record_stream.h"
#include "receivers/wandb/run/wandb_run.h"
#include "tests/unit/temp_folder.h"

namespace flarebridge::wandb {
namespace {

namespace fs = std::filesystem;
using flarebridge::testing::TempFolder;

// A run in a folder of its own, to which events are given one after the other.
class OneRun {
 public:
  explicit OneRun(const std::string& arguments = "\x80", const std::string& side = "server")
      : arguments_(Document::Parse(arguments).value()), side_(side) {
    Reopen();
  }
  void Reopen(const std::string& arguments) {
    arguments_ = Document::Parse(arguments).value();
    Reopen();
  }
  // As after a worker's death: nothing is drained.
  void Reopen() {
    RunSpec spec;
    spec.journal = "journal-1";
    spec.job = "job";
    spec.site = "site-1";
    spec.run_name = "run";
    spec.side = side_;
    spec.folder = temp_.path().string();
    spec.started = kStart;
    spec.durable = run_ ? run_->DurablePosition() : 0;
    run_.reset();
    Expected<std::unique_ptr<WandbRun>> opened =
        WandbRun::Open(spec, spec.folder, WandbArguments::Parse(arguments_.root()).value());
    REQUIRE_MESSAGE(opened.has_value(), (opened ? "" : opened.error().message));
    run_ = std::move(*opened);
  }
  // `value` is msgpack.
  Expected<void> Give(DataType type, std::string_view tag, const std::string& value,
                      std::optional<int64_t> step = std::nullopt, std::string_view path = {},
                      Clock::time_point now = {}) {
    const Document document = Document::Parse(value).value();
    Data data;
    data.time = time_;
    data.site = "site-1";
    data.type = type;
    data.tag = tag;
    data.value = document.root();
    data.step = step;
    data.path = path;
    return run_->Write(++position_, data, now);
  }
  Expected<void> End() {
    return run_->Write(++position_, RunEnded{kStart + 9, "site-1", 0, ""}, {});
  }
  void SetTime(double time) { time_ = time; }

  WandbRun& run() { return *run_; }
  const fs::path& folder() const { return temp_.path(); }
  uint64_t position() const { return position_; }
  fs::path Log() const {
    const std::vector<fs::path> logs = FindLogs(temp_.path()).value();
    REQUIRE_FALSE(logs.empty());
    return logs.front();
  }
  // Rows as "key=json,key=json", without W&B's own keys but the step.
  std::vector<std::string> Rows() const {
    std::vector<std::string> rows;
    const auto log = ReadLog(Log(), [&](const std::vector<ParsedRecord::ParsedItem>& items) {
      std::string row;
      for (const auto& item : items) {
        if (item.key != "_step" && item.key.starts_with('_')) continue;
        row += (row.empty() ? "" : ",") + item.key + "=" + std::string(item.json);
      }
      rows.push_back(row);
    });
    REQUIRE(log.has_value());
    return rows;
  }
  LogSummary Summary() const { return ReadLog(Log(), nullptr).value(); }
  // All records, without their items, which are views.
  std::vector<ParsedRecord> Records() const {
    std::vector<ParsedRecord> records;
    const int fd = open(Log().c_str(), O_RDONLY | O_CLOEXEC);
    REQUIRE(ReadRecords(fd, OnDamage::kStop, [&](const ParsedRecord& record, uint64_t /*start*/) {
              records.push_back(record);
              records.back().items.clear();
            }).has_value());
    close(fd);
    return records;
  }

  static constexpr double kStart = 1789000000;

 private:
  TempFolder temp_;
  Document arguments_;
  std::string side_;
  std::unique_ptr<WandbRun> run_;
  uint64_t position_ = 0;
  double time_ = kStart + 1;
};

// A text as msgpack.
std::string Text(const std::string& text) {
  std::string bytes = "\xda";
  bytes.push_back(static_cast<char>(text.size() >> 8));
  bytes.push_back(static_cast<char>(text.size() & 0xff));
  return bytes + text;
}

std::string Umlauts(size_t count) {
  std::string text;
  for (size_t i = 0; i < count; ++i) text += "\xc3\xbc";
  return text;
}

using Rows = std::vector<std::string>;

// {"op": "stats", "items": {"cpu": 3}}
const std::string kSample =
    "\x82\xa2op\xa5stats\xa5items\x81\xa3"
    "cpu\x03";

// Records of system metrics in a run whose site has sampled its machine twice.
size_t SystemRecords(const std::string& side, bool ended, const std::string& arguments = "\x80") {
  OneRun one(arguments, side);
  if (ended) REQUIRE(one.End().has_value());
  for (int sample = 0; sample < 2; ++sample)
    REQUIRE(one.Give(DataType::kOperation, "system", kSample).has_value());
  REQUIRE(one.run().Flush({}).has_value());
  CHECK(one.run().Report().empty());
  size_t found = 0;
  for (const ParsedRecord& record : one.Records()) {
    if (record.kind != ParsedRecord::Kind::kStats) continue;
    ++found;
    CHECK(record.time > OneRun::kStart);
  }
  return found;
}

TEST_CASE("samples of a site's machine are in its run on either side, until the run's end") {
  CHECK(SystemRecords("client", false) == 2);
  CHECK(SystemRecords("server", false) == 2);
  CHECK(SystemRecords("client", true) == 0);
}

TEST_CASE("a run without samples is given none by who writes it") {
  OneRun one("\x80", "client");
  for (int second = 0; second <= 60; ++second)
    REQUIRE(one.run().Flush(Clock::time_point(std::chrono::seconds(1000 + second))).has_value());
  for (const ParsedRecord& record : one.Records()) CHECK(record.kind != ParsedRecord::Kind::kStats);
}

TEST_CASE("a run that may not tell of its machine has no host, environment or system metrics") {
  const std::string arguments = "\x81\xa6system\xc2";  // {"system": False}
  CHECK(SystemRecords("client", false, arguments) == 0);
  const auto tells = [](OneRun& one) {
    const std::vector<ParsedRecord> records = one.Records();
    return std::any_of(records.begin(), records.end(), [](const ParsedRecord& record) {
      return record.field == kEnvironment || !record.run.host.empty();
    });
  };
  OneRun one(arguments, "client"), other("\x80", "client");
  CHECK_FALSE(tells(one));
  CHECK(tells(other));
  // A run that could tell more before tells nothing from here on.
  other.Reopen(arguments);
  const size_t before = other.Records().size();
  REQUIRE(other.Give(DataType::kTag, "stage", Text("final")).has_value());
  REQUIRE(other.End().has_value());
  const std::vector<ParsedRecord> records = other.Records();
  size_t runs = 0;
  for (size_t i = before; i < records.size(); ++i) {
    if (records[i].kind == ParsedRecord::Kind::kRun) ++runs;
    CHECK(records[i].run.host.empty());
  }
  CHECK(runs > 0);
}

TEST_CASE("a dict without content becomes no record: an empty one ends W&B's upload") {
  OneRun one;
  const size_t before = one.Records().size();
  for (const DataType type : {DataType::kParameters, DataType::kTags, DataType::kMetrics,
                              DataType::kScalars, DataType::kScalar, DataType::kText}) {
    REQUIRE(one.Give(type, "t", "\x80").has_value());
    // {"a": {}}
    if (type == DataType::kMetrics)
      REQUIRE(one.Give(type, "t",
                       "\x81\xa1"
                       "a\x80")
                  .has_value());
  }
  REQUIRE(one.run().Drain().has_value());
  CHECK(one.Records().size() == before);
  CHECK(one.run().Report().starts_with("7 records"));
  CHECK(one.run().DurablePosition() == one.position());
}

// A dict of so many numbers, as msgpack: {"0": 1, "1": 1, ...}, with keys of 5 bytes.
std::string Numbers(size_t count) {
  std::string map = "\xde";
  map += {static_cast<char>(count >> 8), static_cast<char>(count & 0xff)};
  for (size_t i = 0; i < count; ++i) {
    const std::string key = std::to_string(10000 + i);
    map += "\xa5" + key + "\x01";
  }
  return map;
}

TEST_CASE("a small event never becomes a row that W&B does not take: what has no room is named") {
  OneRun one;
  // Each of 4,000 values repeats a key of 40,000 bytes.
  const std::string event = "\x82" + Text(std::string(40000, 'k')) + Numbers(4000) + "\xa4loss" +
                            "\xcb\x3f\xe0" + std::string(6, '\0');
  REQUIRE(one.Give(DataType::kMetrics, "metrics", event, 1).has_value());
  REQUIRE(one.Give(DataType::kScalar, "after", "\x01", 2).has_value());
  REQUIRE(one.End().has_value());
  size_t largest = 0;
  size_t values = 0;
  const auto log = ReadLog(one.Log(), [&](const std::vector<ParsedRecord::ParsedItem>& items) {
    size_t bytes = 0;
    for (const auto& item : items) bytes += item.key.size() + item.json.size();
    largest = std::max(largest, bytes);
    values += items.size();
  });
  REQUIRE(log);
  CHECK(log->bad_bytes == 0);
  CHECK(log->rows == 2);
  CHECK(log->summary.at("after") == "1");
  CHECK(log->summary.at("loss") == "0.5");
  CHECK(largest > size_t{9} << 20);
  CHECK(largest < 10383360);
  CHECK(fs::file_size(one.Log()) < size_t{2} * 10383360);
  const uint64_t left_out = 4000 + 2 + 2 * 3 - values;  // three of W&B's own in each row
  CHECK(one.run().Report().find(std::to_string(left_out) + " values have no room") == 0);
  CHECK(one.run().Report().find("kkkk") != std::string::npos);
}

TEST_CASE("an event without content does not take a run's end away") {
  OneRun one;
  REQUIRE(one.End().has_value());
  REQUIRE(one.Give(DataType::kMetrics, "m", "\x80").has_value());
  REQUIRE(one.Give(DataType::kParameters, "m", "\x80").has_value());
  fs::create_directory(one.run().Folder().value() / "files" / "taken");
  REQUIRE(one.Give(DataType::kText, "t", "\xa1z", {}, "taken").has_value());
  REQUIRE(one.run().Drain().has_value());
  CHECK(one.Summary().state == LogSummary::State::kFinished);
}

TEST_CASE("a tag or file name is never cut within a character: protobuf refuses such a record") {
  OneRun one("\x81\xa4tags\x91" + Text("x" + Umlauts(80)));
  CHECK(one.Summary().run.tags == std::vector<std::string>{"x" + Umlauts(63)});
  REQUIRE(one.Give(DataType::kTag, "key", Text(Umlauts(80))).has_value());
  REQUIRE(one.Give(DataType::kText, "t", "\xa1z", {}, "x" + Umlauts(120)).has_value());
  REQUIRE(one.run().Drain().has_value());
  CHECK(one.Summary().run.tags ==
        std::vector<std::string>{"x" + Umlauts(63), "key:" + Umlauts(60)});
  CHECK(fs::exists(one.run().Folder().value() / "files" / ("x" + Umlauts(99))));
}

TEST_CASE("an empty tag, which W&B refuses, is left out") {
  OneRun one("\x81\xa4tags\xa0");
  CHECK(one.Summary().run.tags.empty());
  REQUIRE(one.Give(DataType::kTags, "t",
                   "\x82\xa0\xa0\xa1"
                   "a\xa1"
                   "b")
              .has_value());
  REQUIRE(one.run().Drain().has_value());
  CHECK(one.Summary().run.tags == std::vector<std::string>{"a:b"});
}

TEST_CASE("a tag does not bring back the config that the run began with") {
  OneRun one(
      "\x81\xa6"
      "config\x81\xa2lr\x01");
  REQUIRE(one.Give(DataType::kParameter, "lr", "\x02").has_value());
  REQUIRE(one.Give(DataType::kTag, "stage", "\xa1z").has_value());
  REQUIRE(one.run().Drain().has_value());
  CHECK(one.Summary().config.at("lr") == "2");
  one.Reopen();
  REQUIRE(one.Give(DataType::kTag, "stage", "\xa1y").has_value());
  REQUIRE(one.run().Drain().has_value());
  CHECK(one.Summary().config.at("lr") == "2");
  CHECK(one.Summary().config.at("client") == "\"site-1\"");
  CHECK(one.Summary().run.tags == std::vector<std::string>{"stage:y"});
}

TEST_CASE("thousands of tags of one key take little, and the last one stays") {
  OneRun one(
      "\x81\xa4tags\x91\xa7"
      "epoch:0");
  for (int i = 0; i <= 6100; ++i) {
    const Clock::time_point now{std::chrono::milliseconds(1000 + i)};
    REQUIRE(
        one.Give(DataType::kTag, "epoch", Text(std::to_string(i) + "-of-the-training"), {}, {}, now)
            .has_value());
  }
  // Killed before the last tags are in a run record: they are known from what was written.
  REQUIRE(one.run().Persist().has_value());
  one.Reopen();
  REQUIRE(one.run().NextFlush());
  REQUIRE(one.run().Flush(*one.run().NextFlush()).has_value());
  CHECK_FALSE(one.run().NextFlush());
  const LogSummary summary = one.Summary();
  CHECK(summary.run.tags == std::vector<std::string>{"epoch:0", "epoch:6100-of-the-training"});
  CHECK(summary.config.at("epoch") == "\"6100-of-the-training\"");
  CHECK(fs::file_size(one.Log()) < size_t{2} << 20);
}

TEST_CASE("a run has 256 tags at most; what more say is in the config, and counted") {
  OneRun one;
  for (int i = 0; i < 300; ++i)
    REQUIRE(one.Give(DataType::kTag, "k" + std::to_string(i), "\x01").has_value());
  REQUIRE(one.End().has_value());
  CHECK(one.Summary().run.tags.size() == 256);
  CHECK(one.Summary().config.contains("k299"));
  CHECK(one.run().Report().starts_with("44 tags are in the config only"));
}

TEST_CASE("a file that the file system can't take is counted; the run goes on") {
  OneRun one;
  REQUIRE(one.Give(DataType::kText, "t", "\xa1z", {}, "a").has_value());
  REQUIRE(one.Give(DataType::kText, "t", "\xa1y", {}, "a/b").has_value());
  REQUIRE(one.Give(DataType::kText, "t", "\xa1y", {}, "c/d").has_value());
  REQUIRE(one.Give(DataType::kText, "t", "\xa1y", {}, "c").has_value());
  REQUIRE(one.Give(DataType::kMetric, "m", "\x01", 0).has_value());
  REQUIRE(one.run().Drain().has_value());
  CHECK(one.Rows() == Rows{"m=1,_step=0"});
  CHECK(one.run().Report().find("2 records have no place") != std::string::npos);
  CHECK(one.run().DurablePosition() == one.position());
}

TEST_CASE("a link that is in a file's way is not followed: nothing outside files/ is written") {
  OneRun one;
  const fs::path outside = one.folder() / "outside";
  std::ofstream(outside).put('o');
  fs::create_symlink(outside, one.run().Folder().value() / "files" / "link");
  REQUIRE(one.Give(DataType::kText, "t", "\xa1y", {}, "link").has_value());
  CHECK(std::ifstream(outside).get() == 'o');
  CHECK(one.run().Report().starts_with("1 records have no place"));
}

TEST_CASE("a record between two of one step does not tear their row apart") {
  OneRun one;
  for (int64_t step = 0; step < 3; ++step) {
    REQUIRE(one.Give(DataType::kMetric, "a", "\x01", step).has_value());
    REQUIRE(one.Give(DataType::kLogRecord, "log", "\xa4line").has_value());
    REQUIRE(one.Give(DataType::kParameter, "p", "\x02").has_value());
    REQUIRE(one.Give(DataType::kTag, "t", "\xa1x").has_value());
    REQUIRE(one.Give(DataType::kText, "t", "\xa1x", {}, "file").has_value());
    REQUIRE(one.Give(DataType::kMetric, "b", "\x03", step).has_value());
  }
  REQUIRE(one.run().Drain().has_value());
  CHECK(one.Rows() == Rows{"a=1,b=3,_step=0", "a=1,b=3,_step=1", "a=1,b=3,_step=2"});
  CHECK(one.run().Report().empty());
}

TEST_CASE("records that were written while rows waited are known after a crash") {
  OneRun one;
  REQUIRE(one.Give(DataType::kMetric, "a", "\x01", 0).has_value());        // 1, waits
  REQUIRE(one.Give(DataType::kLogRecord, "log", "\xa4line").has_value());  // 2, written
  REQUIRE(one.run().Flush({}).has_value());
  REQUIRE(one.run().Persist().has_value());
  CHECK(one.run().DurablePosition() == 0);
  const auto size = fs::file_size(one.Log());
  one.Reopen();
  CHECK(one.run().DurablePosition() == 0);
  const Document value = Document::Parse("\x01").value();
  Data data;
  data.time = OneRun::kStart + 1;
  data.type = DataType::kMetric;
  data.tag = "a";
  data.value = value.root();
  data.step = 0;
  REQUIRE(one.run().Write(1, data, {}).has_value());
  data.type = DataType::kLogRecord;
  REQUIRE(one.run().Write(2, data, {}).has_value());
  CHECK(fs::file_size(one.Log()) == size);
  REQUIRE(one.run().Drain().has_value());
  CHECK(one.run().DurablePosition() == 2);
  CHECK(one.Rows() == Rows{"a=1,_step=0"});
}

TEST_CASE("a clock that is far off breaks no number") {
  OneRun one;
  one.SetTime(1e300);
  REQUIRE(one.Give(DataType::kMetric, "a", "\x01", 0).has_value());
  REQUIRE(one.Give(DataType::kLogRecord, "log", "\xa4line").has_value());
  one.SetTime(0);
  REQUIRE(one.Give(DataType::kMetric, "a", "\x01", 1).has_value());
  REQUIRE(one.End().has_value());
  REQUIRE(one.run().Drain().has_value());
  double last = 0;
  int rows = 0;
  REQUIRE(ReadLog(one.Log(), [&](const std::vector<ParsedRecord::ParsedItem>& items) {
            for (const auto& item : items) {
              if (item.key != "_runtime") continue;
              const double runtime = std::stod(std::string(item.json));
              CHECK(runtime >= last);
              CHECK(runtime < 1e12);
              last = runtime;
              ++rows;
            }
          }).has_value());
  CHECK(rows == 2);
}

TEST_CASE("the mark of a run's end is on its last record") {
  OneRun one;
  REQUIRE(one.Give(DataType::kMetric, "a", "\x01", 0).has_value());
  REQUIRE(one.End().has_value());
  REQUIRE(one.run().Persist().has_value());
  const std::vector<ParsedRecord> records = one.Records();
  CHECK(records.back().kind == ParsedRecord::Kind::kFinal);
  REQUIRE(records.back().mark.has_value());
  CHECK(records.back().mark->floor == 2);
  CHECK(records[records.size() - 2].kind == ParsedRecord::Kind::kExit);
  CHECK_FALSE(records[records.size() - 2].mark.has_value());
}

TEST_CASE(
    "a log is set aside whenever it is damaged, each time under a name of its own, and told") {
  OneRun one;
  for (int round = 1; round <= 3; ++round) {
    CAPTURE(round);
    // 1 KiB: all within the first block, with whole records behind the damage.
    for (int64_t step = 0; step < 20; ++step)
      REQUIRE(one.Give(DataType::kMetric, "a", "\x01", step).has_value());
    REQUIRE(one.run().Drain().has_value());
    const fs::path log = one.Log();
    const fs::path folder = log.parent_path();
    std::ifstream before(log, std::ios::binary);
    std::string bytes(std::istreambuf_iterator<char>(before), {});
    bytes[600] = static_cast<char>(~bytes[600]);
    std::ofstream(log, std::ios::binary) << bytes;
    one.Reopen();
    CHECK(one.Rows().empty());
    CHECK(one.run().DurablePosition() == 0);
    CHECK(one.run().Report().find("damaged") != std::string::npos);
    CHECK(FindLogs(one.folder()).value().size() == static_cast<size_t>(round) + 1);
    const std::string aside =
        folder.string() + ".damaged" + (round == 1 ? "" : "-" + std::to_string(round));
    std::ifstream after(fs::path(aside) / log.filename(), std::ios::binary);
    CHECK(std::string(std::istreambuf_iterator<char>(after), {}) == bytes);
  }
}

}  // namespace
}  // namespace flarebridge::wandb
