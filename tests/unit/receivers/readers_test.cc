// What commands are told of runs, by W&B's reader.
#include "receivers/readers.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/file.h>

#include <fstream>
#include <utility>

#include "receivers/files/unique_fd.h"
#include "receivers/wandb/log/log_writer.h"
#include "receivers/wandb/log/record_writer.h"
#include "tests/unit/temp_folder.h"

namespace flarebridge {
namespace {

namespace fs = std::filesystem;
using Damage = LogCondition::Damage;
using testing::TempFolder;

// A run of one row that has ended as `exit_code` says.
std::string LogOf(const std::string& id, int exit_code) {
  std::string log, record;
  wandb::LogWriter writer(0);
  writer.AppendFileHeader(log);
  const auto put = [&] {
    writer.AppendRecord(record, log);
    record.clear();
  };
  wandb::RunRecord run;
  run.run_id = id;
  run.display_name = "name of " + id;
  run.tags = {"one", "two"};
  run.config = {{"lr", "0.5"}};
  wandb::AppendRun(1, run, nullptr, record);
  put();
  wandb::ItemList items;
  std::string step, loss;
  wandb::AppendPath("_step", step);
  wandb::AppendPath("loss", loss);
  items.Add(step, "7");
  items.Add(loss, "0.25");
  wandb::AppendHistory(2, items, 7, nullptr, record);
  put();
  wandb::AppendSummary(3, items, record);
  put();
  wandb::AppendExit(4, exit_code, 0, record);
  put();
  return log;
}

fs::path Write(const fs::path& path, std::string_view bytes) {
  fs::create_directories(path.parent_path());
  std::ofstream(path, std::ios::binary) << bytes;
  return path;
}

FoundRun Only(const fs::path& path) {
  const std::vector<FoundRun> runs = FindRuns(path).value();
  REQUIRE(runs.size() == 1);
  return runs.front();
}

TEST_CASE("runs below a folder are found by their names, sorted; nobody's files are not") {
  const TempFolder temp;
  Write(temp.path() / "b" / "run-2.wandb", "");
  Write(temp.path() / "a" / "run-1.wandb", "");
  Write(temp.path() / "a" / "run-1.wandb.synced", "");
  Write(temp.path() / "notes.txt", "");
  const std::vector<FoundRun> runs = FindRuns(temp.path()).value();
  REQUIRE(runs.size() == 2);
  CHECK(runs[0].log.filename() == "run-1.wandb");
  CHECK(runs[1].log.filename() == "run-2.wandb");
  CHECK(runs[0].reader != nullptr);
}

TEST_CASE(
    "a folder without runs has none, and a path that is not there is an error that names it") {
  const TempFolder temp;
  CHECK(FindRuns(temp.path()).value().empty());
  const auto missing = FindRuns(temp.path() / "missing");
  REQUIRE_FALSE(missing.has_value());
  CHECK(missing.error().code == ErrorCode::kIo);
  CHECK(missing.error().message.find("missing") != std::string::npos);
}

TEST_CASE("a log that is named itself is read whatever its name, also by a link") {
  const TempFolder temp;
  const fs::path log = Write(temp.path() / "copy.bin", LogOf("abc", 0));
  fs::create_symlink(log, temp.path() / "link");
  for (const fs::path& path : {log, temp.path() / "link"}) {
    const FoundRun run = Only(path);
    CHECK(run.log == fs::canonical(log));
    CHECK(run.reader->Read(run.log, nullptr).value().id == "abc");
  }
}

TEST_CASE(
    "a run's summary says who it is, how it ended and what it holds; its rows come in order") {
  const TempFolder temp;
  const FoundRun found = Only(Write(temp.path() / "run-abc.wandb", LogOf("abc", 3)));
  std::vector<std::string> cells;
  const RunSummary run =
      found.reader
          ->Read(found.log,
                 [&](const Row& row) {
                   for (const Cell& cell : row)
                     cells.push_back(std::string(cell.key) + "=" + std::string(cell.json));
                 })
          .value();
  CHECK(cells == std::vector<std::string>{"_step=7", "loss=0.25"});
  CHECK(run.name == "name of abc");
  CHECK(run.tags == std::vector<std::string>{"one", "two"});
  CHECK(run.config.at("lr") == "0.5");
  CHECK(run.summary.at("loss") == "0.25");
  CHECK_FALSE(run.summary.contains("_step"));
  CHECK(run.rows == 1);
  CHECK(run.state == RunSummary::State::kFailed);
  CHECK(run.exit_code == 3);
  CHECK(run.bad_bytes == 0);
}

TEST_CASE("a file that is no run log is an error that names it, also when it is checked") {
  const TempFolder temp;
  const FoundRun found = Only(Write(temp.path() / "run-abc.wandb", "something else"));
  const auto read = found.reader->Read(found.log, nullptr);
  REQUIRE_FALSE(read.has_value());
  CHECK(read.error().message.find("run-abc.wandb") != std::string::npos);
  CHECK_FALSE(found.reader->Check(found.log).has_value());
}

TEST_CASE("a whole log is called whole, and whether somebody writes it") {
  const TempFolder temp;
  const FoundRun found = Only(Write(temp.path() / "run-abc.wandb", LogOf("abc", 0)));
  const LogCondition whole = found.reader->Check(found.log).value();
  CHECK(whole.damage == Damage::kNone);
  CHECK(whole.records == 4);
  CHECK(whole.rows == 1);
  CHECK(whole.ended);
  CHECK(whole.unreadable == 0);
  CHECK_FALSE(whole.written);
  const UniqueFd writer(open(found.log.c_str(), O_RDWR | O_CLOEXEC));
  REQUIRE(flock(writer.get(), LOCK_EX) == 0);
  CHECK(found.reader->Check(found.log).value().written);
}

TEST_CASE(
    "a log that is cut off is told by the byte, and repaired with its first state beside it") {
  const TempFolder temp;
  const std::string bytes = LogOf("abc", 0);
  const fs::path log = Write(temp.path() / "run-abc.wandb", bytes.substr(0, bytes.size() - 1));
  const FoundRun found = Only(log);
  const LogCondition torn = found.reader->Check(log).value();
  CHECK(torn.damage == Damage::kCutOff);
  CHECK(torn.records == 3);
  CHECK_FALSE(torn.ended);
  CHECK(torn.whole_end + torn.unreadable == bytes.size() - 1);
  CHECK(found.reader->Repair(log, torn).value() == "run-abc.wandb.before-repair");
  CHECK(fs::file_size(log) == torn.whole_end);
  CHECK(fs::file_size(log.string() + ".before-repair") == bytes.size() - 1);
  CHECK(found.reader->Check(log).value().damage == Damage::kNone);
}

TEST_CASE("damage with whole records behind it is told apart from a torn end") {
  const TempFolder temp;
  std::string bytes = LogOf("abc", 0);
  bytes[20] = static_cast<char>(bytes[20] ^ 1);  // in the first record
  const FoundRun found = Only(Write(temp.path() / "run-abc.wandb", bytes));
  CHECK(found.reader->Check(found.log).value().damage == Damage::kDamaged);
  CHECK(found.reader->Read(found.log, nullptr).value().bad_bytes > 0);
}

TEST_CASE("a repair keeps what is readable behind damage, byte for byte, and the file as it was") {
  const TempFolder temp;
  std::string bytes;
  wandb::LogWriter writer(0);
  writer.AppendFileHeader(bytes);
  for (int i = 0; i < 300; ++i) {
    std::string record;
    wandb::AppendOutput(i, 1, std::string(1000, static_cast<char>('a' + i % 26)), nullptr, record);
    writer.AppendRecord(record, bytes);
  }
  const auto records = [](const fs::path& log) {
    const LogCondition found = Only(log).reader->Check(log).value();
    return std::pair(found.records, found.damage);
  };
  const fs::path log = Write(temp.path() / "run-abc.wandb", bytes);
  REQUIRE(records(log) == std::pair<uint64_t, Damage>(300, Damage::kNone));
  bytes[100'000] = static_cast<char>(bytes[100'000] ^ 1);
  bytes.resize(bytes.size() - 1);  // and torn at its end
  Write(log, bytes);
  const FoundRun found = Only(log);
  const LogCondition damaged = found.reader->Check(log).value();
  CHECK(damaged.damage == Damage::kDamaged);
  CHECK(damaged.records > 260);
  CHECK(damaged.records < 299);
  CHECK(damaged.unreadable > 1000);
  CHECK(damaged.unreadable < 34'000);
  CHECK(found.reader->Repair(log, damaged).value() == "run-abc.wandb.before-repair");
  CHECK(records(log) == std::pair<uint64_t, Damage>(damaged.records, Damage::kNone));
  CHECK(fs::file_size(log.string() + ".before-repair") == bytes.size());
  CHECK_FALSE(fs::exists(log.string() + ".new"));
}

}  // namespace
}  // namespace flarebridge
