// Laws of records on their way into a run's log, and of the run's end.
#include "receivers/wandb/run/log_appender.h"

#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>
#include <utility>
#include <vector>

#include "receivers/wandb/log/record_stream.h"
#include "receivers/wandb/log/record_writer.h"
#include "tests/unit/temp_folder.h"

namespace flarebridge::wandb {
namespace {

using Kind = ParsedRecord::Kind;

using Records = std::vector<std::pair<Kind, int64_t>>;  // with their numbers

class LogAppenderTest {
 protected:
  LogAppender Open() {
    Expected<AppendOnlyFile> file = AppendOnlyFile::Open(path_);
    REQUIRE(file);
    Expected<Recovered> recovered = Recover(file->fd(), 1);
    REQUIRE(recovered);
    return LogAppender(std::move(*file), *recovered);
  }
  static void AddLine(LogAppender& log) {
    log.Add([](int64_t number, std::string& out) { AppendOutput(number, 1, "x\n", nullptr, out); });
  }
  static void AddEnd(LogAppender& log) {
    REQUIRE(log.BeginEnd());
    log.Add([](int64_t number, std::string& out) { AppendExit(number, 0, 1, out); });
    REQUIRE(log.FinishEnd());
  }
  Records Read() const {
    Expected<AppendOnlyFile> file = AppendOnlyFile::Open(path_);
    REQUIRE(file);
    Records found;
    const Expected<LogEnd> end =
        ReadRecords(file->fd(), OnDamage::kStop, [&](const ParsedRecord& record, uint64_t) {
          found.emplace_back(record.kind, record.number);
        });
    REQUIRE(end);
    CHECK_FALSE(end->torn);
    CHECK_FALSE(end->corrupt);
    return found;
  }

  flarebridge::testing::TempFolder folder_;
  std::filesystem::path path_ = folder_.path() / "run-x.wandb";
};

TEST_CASE_FIXTURE(LogAppenderTest, "records are numbered from 1, and reach the file at once") {
  {
    LogAppender log = Open();
    REQUIRE(log.StartAnew());
    AddLine(log);
    AddLine(log);
    CHECK(std::filesystem::file_size(path_) == 0);
    CHECK(log.waiting_bytes() > 0);
    REQUIRE(log.WriteOut());
    CHECK(log.waiting_bytes() == 0);
  }
  CHECK(Read() == Records{{Kind::kOutput, 1}, {Kind::kOutput, 2}});
}

TEST_CASE_FIXTURE(LogAppenderTest, "a log goes on behind its last whole record") {
  {
    LogAppender log = Open();
    REQUIRE(log.StartAnew());
    AddLine(log);
    REQUIRE(log.WriteOut());
  }
  std::ofstream(path_, std::ios::binary | std::ios::app) << "half a record";
  {
    LogAppender log = Open();
    REQUIRE(log.CutTorn());
    AddLine(log);
    REQUIRE(log.WriteOut());
  }
  CHECK(Read() == Records{{Kind::kOutput, 1}, {Kind::kOutput, 2}});
}

TEST_CASE_FIXTURE(LogAppenderTest,
                  "an end is taken off when the run goes on, also by another one") {
  for (const bool same : {true, false}) {
    CAPTURE(same);
    {
      LogAppender log = Open();
      REQUIRE(log.StartAnew());
      AddLine(log);
      AddEnd(log);
      CHECK(log.ended());
      if (same) {
        REQUIRE(log.Reopen());
        CHECK_FALSE(log.ended());
        AddLine(log);
        REQUIRE(log.WriteOut());
      }
    }
    if (!same) {
      LogAppender log = Open();
      CHECK(log.ended());
      REQUIRE(log.Reopen());
      AddLine(log);
      REQUIRE(log.WriteOut());
    }
    CHECK(Read() == Records{{Kind::kOutput, 1}, {Kind::kOutput, 2}});
  }
}

TEST_CASE_FIXTURE(LogAppenderTest, "a log without an end is the same after it was opened again") {
  {
    LogAppender log = Open();
    REQUIRE(log.StartAnew());
    AddLine(log);
    REQUIRE(log.Reopen());
    REQUIRE(log.WriteOut());
  }
  CHECK(Read() == Records{{Kind::kOutput, 1}});
}

TEST_CASE_FIXTURE(LogAppenderTest, "what was uploaded to its end is no more once the run goes on") {
  LogAppender log = Open();
  REQUIRE(log.StartAnew());
  AddEnd(log);
  const std::string synced = path_.string() + ".synced";
  std::ofstream{synced};
  REQUIRE(log.Reopen());
  CHECK_FALSE(std::filesystem::exists(synced));
}

TEST_CASE_FIXTURE(LogAppenderTest, "what was uploaded while it grew is no more once it has ended") {
  LogAppender log = Open();
  REQUIRE(log.StartAnew());
  AddLine(log);
  REQUIRE(log.WriteOut());
  const std::string synced = path_.string() + ".synced";
  std::ofstream{synced};
  AddEnd(log);
  CHECK_FALSE(std::filesystem::exists(synced));
}

TEST_CASE_FIXTURE(LogAppenderTest, "what was uploaded stays so until something is written") {
  const std::string synced = path_.string() + ".synced";
  {
    LogAppender log = Open();
    REQUIRE(log.StartAnew());
    AddLine(log);
    REQUIRE(log.WriteOut());
  }
  std::ofstream{synced};
  LogAppender log = Open();
  REQUIRE(log.CutTorn());
  REQUIRE(log.WriteOut());
  REQUIRE(log.PersistAll());
  CHECK(std::filesystem::exists(synced));
  AddLine(log);
  REQUIRE(log.WriteOut());
  CHECK_FALSE(std::filesystem::exists(synced));
}

}  // namespace
}  // namespace flarebridge::wandb
