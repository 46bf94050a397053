// Laws of a run that is interrupted and continued: every event exactly once, in the right place.
#include "receivers/wandb/run/wandb_run.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <map>
#include <random>
#include <set>

#include "receivers/wandb/log/log_summary.h"
#include "receivers/wandb/log/record_stream.h"
#include "receivers/wandb/log/run_folder.h"
#include "tests/unit/temp_folder.h"

namespace flarebridge::wandb {
namespace {

namespace fs = std::filesystem;
using flarebridge::testing::TempFolder;
using std::chrono::milliseconds;

RunSpec SpecIn(const fs::path& folder, const std::string& journal = "journal-1") {
  RunSpec spec;
  spec.journal = journal;
  spec.job = "job";
  spec.site = "site-1";
  spec.run_name = "run";
  spec.side = "server";
  spec.folder = folder.string();
  spec.started = 1789000000;
  return spec;
}

// One event of the journal, kept so that it can be replayed.
struct Recorded {
  uint64_t position = 0;
  std::string kind;  // "metric", "parameter", "tag", "end"
  std::string tag;
  std::optional<int64_t> step;
  double value = 0;
};

Expected<void> Give(WandbRun& run, const Recorded& event, Clock::time_point now) {
  if (event.kind == "end")
    return run.Write(event.position, RunEnded{1789000100, "site-1", 0, ""}, now);
  ValueNode node;
  node.kind = ValueKind::kFloat;
  node.number = event.value;
  Data data;
  data.time = 1789000000 + static_cast<double>(event.position) * 0.001;
  data.site = "site-1";
  data.type = event.kind == "metric" ? DataType::kMetric
              : event.kind == "tag"  ? DataType::kTag
                                     : DataType::kParameter;
  data.tag = event.tag;
  data.value = Value(&node);
  data.step = event.step;
  return run.Write(event.position, data, now);
}

std::unique_ptr<WandbRun> Open(const fs::path& folder, const std::string& journal = "journal-1",
                               uint64_t durable = 0,
                               uint64_t checkpoint_every = WandbRun::kCheckpointEvery) {
  RunSpec spec = SpecIn(folder, journal);
  spec.durable = durable;
  Expected<std::unique_ptr<WandbRun>> run =
      WandbRun::Open(spec, folder, WandbArguments::Parse(Value()).value(), {}, checkpoint_every);
  REQUIRE_MESSAGE(run.has_value(), (run ? "" : run.error().message));
  return std::move(*run);
}

fs::path LogIn(const fs::path& folder) {
  const std::vector<fs::path> logs = FindLogs(folder).value();
  REQUIRE(logs.size() == 1);
  return logs.front();
}

// Every metric's value, as written in rows: value -> times. Values are unique, so that they name
// events.
struct Content {
  std::multiset<std::string> metrics;
  std::map<std::string, int64_t>
      step_of;  // of a metric's key: its own step, also where it was late
  std::vector<int64_t> steps;
  std::multiset<std::string> parameters;  // keys, one for each time that a record set them
  LogSummary summary;
};

Content ReadContent(const fs::path& folder) {
  Content content;
  content.summary = ReadLog(LogIn(folder), [&](const std::vector<ParsedRecord::ParsedItem>& row) {
                      int64_t own = -1;
                      for (const auto& item : row) {
                        if (item.key == "_step")
                          content.steps.push_back(std::stoll(std::string(item.json)));
                        if (item.key == "flarebridge/step")
                          own = std::stoll(std::string(item.json));
                        if (item.key.starts_with("m")) content.metrics.emplace(item.json);
                      }
                      for (const auto& item : row)
                        content.step_of[item.key] = own >= 0 ? own : content.steps.back();
                    }).value();
  const int fd = open(LogIn(folder).c_str(), O_RDONLY | O_CLOEXEC);
  REQUIRE(ReadRecords(fd, OnDamage::kStop, [&](const ParsedRecord& record, uint64_t /*start*/) {
            if (record.kind != ParsedRecord::Kind::kConfig) return;
            for (const auto& item : record.items) {
              if (item.key.starts_with("p")) content.parameters.insert(item.key);
            }
          }).has_value());
  close(fd);
  return content;
}

TEST_CASE("a new run is readable at once, with its name, group and config") {
  const TempFolder temp;
  const auto run = Open(temp.path());
  const Content content = ReadContent(temp.path());
  CHECK(content.summary.run.display_name == "site-1-job-run");
  CHECK(content.summary.run.start_time == doctest::Approx(1789000000));
  CHECK(content.summary.config.at("client") == "\"site-1\"");
  CHECK(content.summary.state == LogSummary::State::kRunning);
}

TEST_CASE("rows become readable within the merger's window, and are durable after a sync") {
  const TempFolder temp;
  const auto run = Open(temp.path());
  const Clock::time_point now{};
  REQUIRE(Give(*run, {1, "metric", "m", 0, 0.5}, now).has_value());
  REQUIRE(Give(*run, {2, "metric", "m", 1, 0.25}, now).has_value());
  REQUIRE(run->Persist().has_value());
  CHECK(run->DurablePosition() == 0);
  CHECK(run->NextFlush().value() <= now + milliseconds(500));
  REQUIRE(run->Flush(*run->NextFlush()).has_value());
  CHECK(ReadContent(temp.path()).metrics.count("0.5") == 1);
  REQUIRE(run->Persist().has_value());
  CHECK(run->DurablePosition() == 1);
}

TEST_CASE("the values of a row that is still open are in the summary within the window") {
  const TempFolder temp;
  const auto run = Open(temp.path());
  const Clock::time_point now{};
  REQUIRE(Give(*run, {1, "metric", "m", 7, 0.5}, now).has_value());
  REQUIRE(run->Flush(now).has_value());
  CHECK(run->NextFlush().value() == now + milliseconds(300));
  REQUIRE(run->Flush(now + milliseconds(300)).has_value());
  CHECK(ReadContent(temp.path()).metrics.count("0.5") == 0);
  CHECK(ReadContent(temp.path()).summary.summary.at("m") == "0.5");
  // It is told once, and not each time that somebody looks.
  CHECK(run->NextFlush().value() > now + std::chrono::minutes(1));
}

TEST_CASE("what did not become a value of its own row is counted and told") {
  const TempFolder temp;
  const auto run = Open(temp.path());
  REQUIRE(Give(*run, {1, "metric", "m", 5, 0.5}, {}).has_value());
  CHECK(run->Report().empty());
  REQUIRE(Give(*run, {2, "metric", "m", 5, 0.25}, {}).has_value());
  REQUIRE(run->Drain().has_value());
  REQUIRE(Give(*run, {3, "metric", "m", 4, 0.125}, {}).has_value());
  Data image;
  image.time = 1;
  image.type = DataType::kImage;
  image.tag = "i";
  REQUIRE(run->Write(4, image, {}).has_value());
  REQUIRE(run->Drain().has_value());
  CHECK(run->DurablePosition() == 4);
  for (const char* words :
       {"1 records came after", "1 values were replaced", "1 records have no place"}) {
    CHECK(run->Report().find(words) != std::string::npos);
  }
}

TEST_CASE("two processes can't write one run") {
  const TempFolder temp;
  const auto run = Open(temp.path());
  const Expected<std::unique_ptr<WandbRun>> second =
      WandbRun::Open(SpecIn(temp.path()), temp.path(), WandbArguments::Parse(Value()).value());
  REQUIRE_FALSE(second.has_value());
  CHECK(second.error().code == ErrorCode::kBusy);
}

TEST_CASE("a run that has ended goes on when more comes, in the same file, and ends again") {
  const TempFolder temp;
  const Clock::time_point now{};
  {
    const auto run = Open(temp.path());
    REQUIRE(Give(*run, {1, "metric", "m", 0, 0.5}, now).has_value());
    REQUIRE(Give(*run, {2, "end", "", std::nullopt, 0}, now).has_value());
    REQUIRE(run->Persist().has_value());
    CHECK(run->DurablePosition() == 2);
  }
  CHECK(ReadContent(temp.path()).summary.state == LogSummary::State::kFinished);
  {
    // Opened and closed with nothing new: the end stays.
    const auto run = Open(temp.path());
    CHECK(run->DurablePosition() == 2);
    REQUIRE(run->Drain().has_value());
  }
  CHECK(ReadContent(temp.path()).summary.state == LogSummary::State::kFinished);
  {
    // Another journal counts its positions anew.
    const auto run = Open(temp.path(), "journal-2");
    CHECK(run->DurablePosition() == 0);
    REQUIRE(Give(*run, {1, "metric", "m", 1, 0.25}, now).has_value());
    REQUIRE(run->Drain().has_value());
    CHECK(ReadContent(temp.path()).summary.state == LogSummary::State::kRunning);
    REQUIRE(Give(*run, {2, "end", "", std::nullopt, 0}, now).has_value());
    REQUIRE(run->Persist().has_value());
  }
  const Content content = ReadContent(temp.path());
  CHECK(content.summary.state == LogSummary::State::kFinished);
  CHECK(content.metrics == std::multiset<std::string>{"0.5", "0.25"});
}

// A log of 2000 events with a damage in it; gives its path.
fs::path MakeDamaged(const fs::path& folder) {
  {
    const auto run = Open(folder);
    for (uint64_t i = 1; i <= 2000; ++i) {
      REQUIRE(Give(*run, {i, "metric", "m", static_cast<int64_t>(i), static_cast<double>(i)}, {})
                  .has_value());
    }
    REQUIRE(run->Drain().has_value());
  }
  const fs::path log = LogIn(folder);
  std::fstream file(log, std::ios::in | std::ios::out | std::ios::binary);
  file.seekp(5000);
  file.put('!');
  return log;
}

TEST_CASE(
    "a log that is taken away while it is written is told, and what came later is written anew") {
  const TempFolder temp;
  {
    const auto run = Open(temp.path());
    REQUIRE(Give(*run, {1, "metric", "m", 0, 0.5}, {}).has_value());
    REQUIRE(run->Drain().has_value());
    fs::remove_all(temp.path() / "wandb");
    REQUIRE(Give(*run, {2, "metric", "m", 1, 0.25}, {}).has_value());
    const Expected<void> drained = run->Drain();
    REQUIRE_FALSE(drained.has_value());
    CHECK(drained.error().message.find(" records that were on the disk") != std::string::npos);
    CHECK(drained.error().message.find(" 0 records") == std::string::npos);
    CHECK(run->DurablePosition() == 1);
  }
  const auto run = Open(temp.path(), "journal-1", 1);
  REQUIRE(Give(*run, {2, "metric", "m", 1, 0.25}, {}).has_value());
  REQUIRE(run->Drain().has_value());
  CHECK(ReadContent(temp.path()).metrics == std::multiset<std::string>{"0.25"});
}

TEST_CASE("a log that lacks what was confirmed is set aside untouched, and the run goes on anew") {
  const TempFolder temp;
  const fs::path damaged = MakeDamaged(temp.path());
  const auto size = fs::file_size(damaged);
  const auto run = Open(temp.path(), "journal-1", 2000);
  CHECK(run->DurablePosition() == 0);
  CHECK(run->Folder() == damaged.parent_path());  // the name is free again
  CHECK(fs::file_size(damaged.parent_path().string() + ".damaged/" + damaged.filename().string()) ==
        size);
}

TEST_CASE("damage behind all that was confirmed is what a power cut leaves, and is cut off") {
  const TempFolder temp;
  const fs::path damaged = MakeDamaged(temp.path());
  const auto run = Open(temp.path(), "journal-1", 10);
  CHECK(run->DurablePosition() >= 10);
  CHECK(run->DurablePosition() < 2000);
  CHECK(run->Report().empty());
  CHECK(LogIn(temp.path()) == damaged);
}

TEST_CASE("damage of an earlier journal's time is never cut off") {
  const TempFolder temp;
  MakeDamaged(temp.path());
  const auto run = Open(temp.path(), "journal-2");
  CHECK(run->Report().find("damaged") != std::string::npos);
  CHECK(FindLogs(temp.path()).value().size() == 2);
}

TEST_CASE("a log that was uploaded goes on where it was; only another journal's is left alone") {
  const TempFolder temp;
  const auto give = [](WandbRun& run) {
    for (int i = 1; i <= 5; ++i)
      REQUIRE(Give(run, {static_cast<uint64_t>(i), "metric", "m", i, i + 0.5}, {}).has_value());
    REQUIRE(Give(run, {6, "end", "", std::nullopt, 0}, {}).has_value());
  };
  {
    const auto run = Open(temp.path());
    give(*run);
    REQUIRE(run->Persist().has_value());
  }
  const fs::path log = LogIn(temp.path());
  const fs::path mark = UploadedMark(log);
  std::ofstream{mark};
  const uint64_t size = fs::file_size(log);
  {
    // All of it once more: the journal has not forgotten it yet.
    const auto run = Open(temp.path());
    give(*run);
    REQUIRE(run->Drain().has_value());
    CHECK(run->DurablePosition() == 6);
  }
  CHECK(fs::file_size(LogIn(temp.path())) == size);
  CHECK(fs::exists(mark));
  {
    const auto run = Open(temp.path());
    REQUIRE(Give(*run, {7, "metric", "m", 7, 7.5}, {}).has_value());
    CHECK_FALSE(fs::exists(mark));
    REQUIRE(run->Drain().has_value());
  }
  CHECK(ReadContent(temp.path()).metrics ==
        std::multiset<std::string>{"1.5", "2.5", "3.5", "4.5", "5.5", "7.5"});
  std::ofstream{mark};
  Open(temp.path(), "journal-2");
  CHECK(FindLogs(temp.path()).value().size() == 2);
}

// Writes the events with flushes and syncs in between; gives the durable position.
std::vector<Recorded> MakeEvents(std::mt19937& random, size_t count) {
  std::vector<Recorded> events;
  uint64_t position = 0;
  int64_t step = 0;
  for (size_t i = 0; i < count; ++i) {
    position += 1 + random() % 3;  // other sites' events have the positions between
    Recorded event{position, "metric", "", step, static_cast<double>(i) + 0.5};
    switch (random() % 8) {
      case 0:
        event.step = std::max<int64_t>(0, step - static_cast<int64_t>(random() % 5));
        break;
      case 1:
        event.step.reset();
        break;
      case 2:
        event.kind = random() % 3 == 0 ? "tag" : "parameter";
        break;
      default:
        event.step = step += static_cast<int64_t>(random() % 2);
    }
    // Of one key a later value wins; unique tags keep every value visible.
    event.tag = event.kind.front() + std::to_string(i);
    events.push_back(event);
  }
  events.push_back({position + 1, "end", "", std::nullopt, 0});
  return events;
}

void CheckComplete(const fs::path& folder, const std::vector<Recorded>& events) {
  const Content content = ReadContent(folder);
  std::multiset<std::string> metrics;
  std::multiset<std::string> parameters;
  std::multiset<std::string> tags;
  for (const Recorded& event : events) {
    if (event.kind == "parameter") parameters.insert(event.tag);
    if (event.kind == "tag") {
      tags.insert(event.tag + ":" + std::to_string(static_cast<int64_t>(event.value)) + ".5");
      // Set again, to the same, if the log was torn between a tag's two records.
      CHECK(content.summary.config.contains(event.tag));
    }
    if (event.kind != "metric") continue;
    metrics.insert(std::to_string(static_cast<int64_t>(event.value)) + ".5");
    if (event.step && content.step_of.contains(event.tag))
      CHECK(content.step_of.at(event.tag) == *event.step);
  }
  CHECK(content.metrics == metrics);
  CHECK(content.parameters == parameters);
  const std::vector<std::string>& written = content.summary.run.tags;
  CHECK(std::multiset<std::string>(written.begin(), written.end()) == tags);
  CHECK(std::is_sorted(content.steps.begin(), content.steps.end()));
  CHECK(content.summary.state == LogSummary::State::kFinished);
  CHECK_FALSE(content.summary.torn);
}

TEST_CASE("cut at any byte of its end, a log is continued with every event exactly once") {
  std::mt19937 random(7);
  const std::vector<Recorded> events = MakeEvents(random, 40);
  std::string whole;
  fs::path relative;
  {
    const TempFolder temp;
    const auto run = Open(temp.path());
    for (const Recorded& event : events) {
      const Clock::time_point at = Clock::time_point() + milliseconds(event.position * 20);
      REQUIRE(Give(*run, event, at).has_value());
      REQUIRE(run->Flush(at).has_value());
    }
    REQUIRE(run->Persist().has_value());
    CheckComplete(temp.path(), events);
    const fs::path log = LogIn(temp.path());
    relative = fs::relative(log, temp.path());
    std::ifstream file(log, std::ios::binary);
    whole.assign(std::istreambuf_iterator<char>(file), {});
  }
  for (size_t size = 0; size <= whole.size();
       size += size + 1500 < whole.size() && size > 20 ? 41u : 1u) {
    CAPTURE(size);
    const TempFolder temp;
    fs::create_directories((temp.path() / relative).parent_path());
    std::ofstream(temp.path() / relative, std::ios::binary) << whole.substr(0, size);
    const auto run = Open(temp.path());
    const uint64_t durable = run->DurablePosition();
    for (const Recorded& event : events) {
      if (event.position > durable) REQUIRE(Give(*run, event, {}).has_value());
    }
    REQUIRE(run->Drain().has_value());
    CheckComplete(temp.path(), events);
  }
}

TEST_CASE("killed at random moments, again and again, a run ends with every event exactly once") {
  for (unsigned seed = 1; seed <= 60; ++seed) {
    CAPTURE(seed);
    std::mt19937 random(seed);
    const std::vector<Recorded> events = MakeEvents(random, 120);
    const TempFolder temp;
    uint64_t forgotten = 0;  // the journal gives again what is above: what was never durable
    Clock::time_point now{};
    bool complete = false;
    const uint64_t checkpoint_every = seed % 2 == 0 ? 1000 : WandbRun::kCheckpointEvery;
    while (!complete) {
      auto run = Open(temp.path(), "journal-1", 0, checkpoint_every);
      const fs::path log = LogIn(temp.path());
      uint64_t synced = fs::file_size(log);
      size_t next = 0;
      while (next < events.size() && events[next].position <= forgotten) ++next;
      const size_t until = std::min<size_t>(events.size(), next + random() % 60);
      for (; next < until; ++next) {
        now += milliseconds(random() % 200);
        REQUIRE(Give(*run, events[next], now).has_value());
        if (random() % 3 == 0) REQUIRE(run->Flush(now).has_value());
        if (random() % 7 != 0) continue;
        REQUIRE(run->Persist().has_value());
        synced = fs::file_size(log);
        forgotten = run->DurablePosition();
      }
      complete = next == events.size();
      if (complete) REQUIRE(run->Drain().has_value());
      run.reset();
      // The process dies; of what was not synced any part may be on the disk.
      const uint64_t size = fs::file_size(log);
      if (!complete && size > synced) {
        fs::resize_file(log, synced + random() % (size - synced + 1));
        // A power cut may leave the file's size and zeros for its bytes.
        if (random() % 4 == 0) fs::resize_file(log, size);
      }
    }
    CheckComplete(temp.path(), events);
  }
}

}  // namespace
}  // namespace flarebridge::wandb
