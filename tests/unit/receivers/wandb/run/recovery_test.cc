// Laws of recovery from a checkpoint: it finds what reading all of the log finds, wherever the log
// ends, and whatever became of the checkpoint.
#include "receivers/wandb/run/recovery.h"

#include <doctest/doctest.h>

#include <fstream>
#include <iterator>
#include <random>
#include <sstream>

#include "receivers/files/open_file.h"
#include "receivers/files/stable_hash.h"
#include "receivers/wandb/log/checkpoint_reader.h"
#include "receivers/wandb/log/log_summary.h"
#include "receivers/wandb/log/log_writer.h"
#include "receivers/wandb/log/record_stream.h"
#include "receivers/wandb/log/record_writer.h"
#include "receivers/wandb/run/wandb_run.h"
#include "receivers/wandb/run/wandb_run_reader.h"
#include "tests/unit/receivers/wandb/run/one_run.h"
#include "tests/unit/temp_folder.h"

namespace flarebridge::wandb {
namespace {

namespace fs = std::filesystem;
using flarebridge::testing::TempFolder;
using std::chrono::milliseconds;

constexpr uint64_t kJournal = 7;

// All that recovery says, but for where it began.
std::string Describe(const Recovered& found) {
  std::ostringstream out;
  const auto say = [&out](const std::string& name, const auto& value) {
    out << name << " " << value << "\n";
  };
  say("corrupt", found.corrupt);
  say("whole_end", found.whole_end);
  say("content_end", found.content_end);
  say("has_run", found.has_run);
  say("ended", found.ended);
  say("number_before_end", found.number_before_end);
  say("number", found.number);
  say("knows_journal", found.applied.knows_journal());
  const AppliedMark mark = found.applied.Sum();
  say("floor", mark.floor);
  for (const uint64_t position : mark.positions) say("above", position);
  for (const uint64_t journal : found.journals) say("journal", journal);
  say("last_step", found.last_step.value_or(-1));
  say("first_step", found.first_step.value_or(-1));
  out.precision(17);
  say("runtime", found.runtime);
  say("last_time", found.last_time);
  say("tags_wait", found.tags_wait);
  const RunRecord& run = found.run;
  for (const std::string& text : {run.run_id, run.project, run.entity, run.group, run.job_type,
                                  run.display_name, run.notes, run.host, run.version})
    say("run", text);
  say("start", run.start_time);
  for (const std::string& tag : run.tags) say("tag", tag);
  for (const auto& [key, tag] : found.tag_keys.all()) say("tag of " + key, tag);
  const MetricState& metrics = found.metrics.state();
  for (const MetricDefinition& definition : metrics.definitions) {
    std::string fields;
    AppendMetricFields(definition, fields);
    say("definition", fields);
  }
  for (const MetricValues& values : metrics.values) {
    say("values of", values.path);
    for (const double number : {values.min, values.max, values.total}) say("number", number);
    say("count", values.count);
    say("first", values.has_first ? values.first : "none");
    say("by_hand", values.by_hand);
  }
  for (const StepMetric& step : metrics.steps) say("step " + step.name, step.path + step.json);
  // Not by_hand: of a key that was logged again nothing has to be known, and may be.
  return out.str();
}

class Log {
 public:
  // `events`: how many, of all kinds, mixed; the log is written in several lives of its run.
  // `journals`: of its lives, in turn.
  explicit Log(size_t events, bool ended = false, int journals = 1) : lives_(journals) {
    std::mt19937 random(11);
    std::unique_ptr<WandbRun> run = Open();
    int64_t step = 0;
    for (position_ = 1; position_ <= events; ++position_) {
      now_ += milliseconds(random() % 50);
      Give(*run, random, step);
      if (random() % 4 == 0) REQUIRE(run->Flush(now_).has_value());
      if (random() % 9 == 0) REQUIRE(run->Persist().has_value());
      if (random() % 300 == 0) run = Open(std::move(run));
    }
    if (ended) REQUIRE(run->Write(position_, RunEnded{kTime + 1e4, "s", 0, ""}, now_).has_value());
    REQUIRE(run->Drain().has_value());
    run.reset();
    path_ = FindLogs(temp_.path()).value().front();
    file_ = OpenToChange(path_).value();
    bytes_ = ReadWhole(path_, size_t{1} << 30).value();
    REQUIRE(ReadRecords(fd(), OnDamage::kStop, [this](const ParsedRecord& record, uint64_t start) {
              if (!record.checkpoint.empty()) checkpoints_.push_back(start);
            }).has_value());
  }

  int fd() const { return file_.get(); }
  const fs::path& path() const { return path_; }
  const std::string& bytes() const { return bytes_; }
  const std::vector<uint64_t>& checkpoints() const { return checkpoints_; }
  // The file holds these bytes.
  void Put(const std::string& bytes) const {
    REQUIRE(CutFile(fd(), 0).has_value());
    REQUIRE(WriteAt(fd(), 0, bytes).has_value());
  }
  // Recovery says the same with checkpoints as without. Gives what it found.
  Recovered CheckSame() const { return CheckSame(journal_); }
  Recovered CheckSame(uint64_t journal) const {
    const Expected<Recovered> all = RecoverFromBeginning(fd(), journal);
    Expected<Recovered> found = Recover(fd(), journal);
    REQUIRE(found.has_value() == all.has_value());
    if (!found) return {};
    CHECK(Describe(*found) == Describe(*all));
    return std::move(*found);
  }

  static constexpr double kTime = 1789000000;
  const uint64_t journal_ = StableHash("journal-1");

 private:
  std::unique_ptr<WandbRun> Open(std::unique_ptr<WandbRun> before = nullptr) {
    before.reset();  // it dies
    RunSpec spec;
    spec.journal = "journal-" + std::to_string(1 + life_++ % lives_);
    spec.job = "job";
    spec.site = "s";
    spec.run_name = "run";
    spec.side = "server";
    spec.started = kTime + 0.123456789;
    constexpr uint64_t kEvery = 2500;
    return WandbRun::Open(spec, temp_.path(), WandbArguments::Parse(Value()).value(), {}, kEvery)
        .value();
  }

  void Give(WandbRun& run, std::mt19937& random, int64_t& step) const {
    const std::string text(random() % 40 == 0 ? 20'000 : random() % 60, 't');
    ValueNode node;
    node.kind = ValueKind::kText;
    node.text = text;
    Data data;
    data.time = kTime + static_cast<double>(position_) * 0.0123;
    data.site = "s";
    data.type = DataType::kMetric;
    data.value = Value(&node);
    const std::string tag = "k" + std::to_string(random() % 7);
    data.tag = tag;
    ValueNode number;
    number.kind = ValueKind::kFloat;
    number.number = static_cast<double>(random() % 1000) / 8;
    if (random() % 2 == 0) data.value = Value(&number);
    if (random() % 25 == 0) {
      GiveOperation(run, random, data);
      return;
    }
    switch (random() % 10) {
      case 0:
        data.type = DataType::kParameter;
        break;
      case 1:
        data.type = DataType::kTag;
        break;
      case 2:
        data.type = DataType::kLogRecord;
        break;
      case 3:
        data.step = std::max<int64_t>(0, step - static_cast<int64_t>(random() % 4));
        break;
      case 4:
        break;
      default:
        data.step = step += static_cast<int64_t>(random() % 2);
    }
    REQUIRE(run.Write(position_, data, now_).has_value());
  }

  void GiveOperation(WandbRun& run, std::mt19937& random, Data data) const {
    using namespace testing;
    const std::string define = Text("define_metric");
    const std::string all = List({Text("min"), Text("max"), Text("mean"), Text("first")});
    const std::string operations[] = {
        Map({{"op", define}, {"summary", all}}),
        Map({{"op", define}, {"step_metric", Text("k1")}}),
        Map({{"op", define}, {"summary", List({Text("max")})}, {"overwrite", "\xc3"}}),
        Map({{"op", Text("summary")}, {"value", Integer(5)}}),
        Map({{"op", Text("summary_delete")}}),
        Map({{"op", Text("run")}, {"name", Text("n")}}),
        Map({{"op", Text("alert")}})};
    const Document operation = Document::Parse(operations[random() % 7]).value();
    data.type = DataType::kOperation;
    data.value = operation.root();
    if (random() % 4 == 0) data.tag = "k*";
    REQUIRE(run.Write(position_, data, now_).has_value());
  }

  TempFolder temp_;
  fs::path path_;
  UniqueFd file_;
  std::string bytes_;
  std::vector<uint64_t> checkpoints_;
  uint64_t position_ = 0;
  Clock::time_point now_{};
  int life_ = 0;
  int lives_;
};

TEST_CASE("recovery from a checkpoint finds what reading all finds, wherever the log is cut") {
  for (const bool ended : {false, true}) {
    const Log log(1500, ended);
    const std::vector<uint64_t>& checkpoints = log.checkpoints();
    REQUIRE(checkpoints.size() > 10);
    REQUIRE(log.bytes().size() > 5 * size_t{32768});
    // Any byte around some of them, and some of all others.
    std::vector<size_t> cuts;
    for (size_t size = log.bytes().size(); size > 0; size -= std::min<size_t>(size, 1733))
      cuts.push_back(size);
    for (size_t i = 0; i < checkpoints.size(); i += checkpoints.size() / 3) {
      const size_t at = checkpoints[i];
      for (size_t size = at > 30 ? at - 30 : 0; size < at + 700; ++size) cuts.push_back(size);
    }
    size_t from_one = 0;
    for (const size_t size : cuts) {
      CAPTURE(size);
      log.Put(log.bytes().substr(0, size));
      const Recovered found = log.CheckSame();
      from_one += found.checkpoint_at > 0 ? 1 : 0;
      CHECK(found.checkpoint_at <= size);
      if (size % 8 != 0) continue;
      // A power cut may leave the file's length, and zeros or others' bytes in it.
      log.Put(log.bytes().substr(0, size) + std::string(size % 3 * 20'000 + 40, '\0'));
      log.CheckSame();
    }
    CHECK(from_one > cuts.size() / 2);
  }
}

TEST_CASE("a checkpoint that is damaged in any byte is not believed") {
  const Log log(600);
  const size_t at = log.checkpoints().back();
  for (size_t place = at; place < std::min(log.bytes().size(), at + 500); ++place) {
    CAPTURE(place);
    std::string bytes = log.bytes();
    bytes[place] = static_cast<char>(bytes[place] ^ 0x10);
    log.Put(bytes);
    CHECK(log.CheckSame().checkpoint_at <= at);
  }
}

TEST_CASE("another journal's checkpoint tells all but what it can't know") {
  for (const int journals : {1, 2, 3}) {
    const Log log(2000, false, journals);
    for (size_t size = log.bytes().size(); size > 0; size -= std::min<size_t>(size, 3331)) {
      CAPTURE(size);
      log.Put(log.bytes().substr(0, size));
      // One of which the log has nothing, and those that have written it.
      const Recovered unknown = log.CheckSame(kJournal);
      CHECK_FALSE(unknown.applied.knows_journal());
      for (int number = 1; number <= 3; ++number)
        log.CheckSame(StableHash("journal-" + std::to_string(number)));
    }
  }
}

TEST_CASE("a checkpoint that this program can't read is passed by") {
  const Log log(600);
  std::string bytes = log.bytes();
  for (const std::string& content : {std::string(), std::string("\x08\x03"), std::string("\xff")}) {
    std::string record(kCheckpointBegin);
    record += static_cast<char>(content.size()) + content;
    ItemList items;
    items.Put(PathOf("n"), "1");
    AppendSummary(1, items, record);
    LogWriter(bytes.size()).AppendRecord(record, bytes);
  }
  log.Put(bytes);
  log.CheckSame();
}

TEST_CASE("damage before a checkpoint does not stop the run, and is found by a check") {
  const Log log(600);
  std::string bytes = log.bytes();
  bytes[log.checkpoints()[3] - 20] ^= 0x10;
  log.Put(bytes);
  const Recovered found = Recover(log.fd(), log.journal_).value();
  CHECK_FALSE(found.corrupt);
  CHECK(found.whole_end == bytes.size());
  CHECK(RecoverFromBeginning(log.fd(), log.journal_).value().corrupt);
  const LogCondition condition = WandbRunReader().Check(log.path()).value();
  CHECK(condition.damage == LogCondition::Damage::kDamaged);
}

TEST_CASE("a checkpoint is written behind what is on the disk, and only behind something new") {
  const TempFolder temp;
  RunSpec spec;
  spec.journal = "journal-1";
  spec.job = spec.site = spec.run_name = "x";
  const auto open = [&](uint64_t every) {
    return WandbRun::Open(spec, temp.path(), WandbArguments::Parse(Value()).value(), {}, every)
        .value();
  };
  const auto give = [](WandbRun& run, uint64_t first, uint64_t last) {
    for (; first <= last; ++first) {
      ValueNode node;
      node.kind = ValueKind::kUint;
      node.unsigned_integer = first;
      Data data;
      data.time = 1789000000;
      data.site = data.tag = "x";
      data.type = DataType::kMetric;
      data.step = static_cast<int64_t>(first);
      data.value = Value(&node);
      REQUIRE(run.Write(first, data, {}).has_value());
      REQUIRE(run.Flush(Clock::time_point(std::chrono::seconds(first))).has_value());
    }
  };
  const auto checkpoints = [&] {
    const fs::path log = FindLogs(temp.path()).value().front();
    const UniqueFd file = OpenToRead(log).value();
    size_t count = 0;
    REQUIRE(ReadRecords(file.get(), OnDamage::kStop, [&](const ParsedRecord& record, uint64_t) {
              count += size_t{!record.checkpoint.empty()};
            }).has_value());
    return count;
  };
  auto run = open(WandbRun::kCheckpointEvery);
  give(*run, 1, 200);
  REQUIRE(run->Persist().has_value());
  CHECK(checkpoints() == 0);
  run.reset();
  // A log of a version without them.
  run = open(1000);
  REQUIRE(run->Persist().has_value());
  CHECK(checkpoints() == 0);
  give(*run, 201, 202);
  CHECK(checkpoints() == 0);
  REQUIRE(run->Persist().has_value());
  CHECK(checkpoints() == 1);
  REQUIRE(run->Persist().has_value());
  CHECK(checkpoints() == 1);
  give(*run, 203, 230);
  CHECK(checkpoints() == 1);
  REQUIRE(run->Persist().has_value());
  CHECK(checkpoints() == 2);
}

TEST_CASE("whoever waits for a recovery hears that it gets on") {
  const Log log(600);
  size_t heard = 0;
  REQUIRE(RecoverFromBeginning(log.fd(), log.journal_, [&heard] { ++heard; }).has_value());
  CHECK(heard >= log.bytes().size() / 32768);
}

}  // namespace
}  // namespace flarebridge::wandb
