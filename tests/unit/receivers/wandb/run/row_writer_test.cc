// Laws of rows on their way into a run's log: what each record claims to hold.
#include "receivers/wandb/run/row_writer.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <unistd.h>

#include <vector>

#include "receivers/wandb/log/record_stream.h"
#include "receivers/wandb/log/record_writer.h"
#include "tests/unit/temp_folder.h"

namespace flarebridge::wandb {
namespace {

constexpr uint64_t kJournal = 1;

struct Written {
  ParsedRecord::Kind kind;
  int64_t step = 0;
  AppliedMark mark;
};

class RowWriterTest {
 protected:
  RowWriterTest()
      : path_(folder_.path() / "run-x.wandb"),
        log_(AppendOnlyFile::Open(path_).value(), recovered_),
        rows_(kJournal, recovered_, run_, log_) {
    REQUIRE(log_.StartAnew());
  }
  void Add(uint64_t position, std::optional<int64_t> step, const char* key = "loss") {
    ItemList items;
    items.Add(PathOf(key), "0.5");
    rows_.Add(position, step, 10, items, now_);
    rows_.Pass(position);
  }
  // History records, and others with a mark.
  std::vector<Written> Read() {
    REQUIRE(log_.WriteOut());
    std::vector<Written> written;
    const int fd = open(path_.c_str(), O_RDONLY | O_CLOEXEC);
    REQUIRE(ReadRecords(fd, OnDamage::kStop, [&](const ParsedRecord& record, uint64_t) {
      if (record.mark) written.push_back({record.kind, record.step, *record.mark});
    }));
    close(fd);
    return written;
  }

  flarebridge::testing::TempFolder folder_;
  std::filesystem::path path_;
  Recovered recovered_;
  RunRecord run_;
  LogAppender log_;
  RowWriter rows_;
  Clock::time_point now_{};
};

TEST_CASE("the time of a run goes on whatever its site's clock says") {
  const double start = 1000000;
  // A site that is an hour behind, one with a time of the year 2100 among its own, one an hour
  // ahead of now.
  const double ahead = EpochNow() + 3600;
  const std::vector<std::pair<std::vector<double>, std::vector<double>>> clocks = {
      {{start - 3600, start - 3590, start - 3580}, {0, 10, 20}},
      {{start + 5, 4.1e9, start + 15}, {5, 5, 15}},
      {{ahead, ahead + 10}, {0, 10}}};
  for (const auto& [times, runtimes] : clocks) {
    const flarebridge::testing::TempFolder folder;
    const std::filesystem::path path = folder.path() / "run-x.wandb";
    Recovered recovered;
    RunRecord run;
    run.start_time = times.front() == ahead ? EpochNow() : start;
    LogAppender log(AppendOnlyFile::Open(path).value(), recovered);
    RowWriter rows(kJournal, recovered, run, log);
    REQUIRE(log.StartAnew());
    for (size_t i = 0; i < times.size(); ++i) {
      ItemList items;
      items.Add(PathOf("loss"), "0.5");
      rows.Add(i + 1, static_cast<int64_t>(i), times[i], items, {});
    }
    rows.WriteAll();
    REQUIRE(log.WriteOut());
    const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
    std::vector<double> found;
    REQUIRE(ReadRecords(fd, OnDamage::kStop, [&](const ParsedRecord& record, uint64_t) {
      if (record.kind != ParsedRecord::Kind::kHistory) return;
      for (const ParsedRecord::ParsedItem& item : record.items) {
        if (item.key == "_runtime") found.push_back(std::stod(std::string(item.json)));
      }
    }));
    close(fd);
    REQUIRE(found.size() == runtimes.size());
    // Our own clock's tolerance of a minute is what can't be told apart.
    for (size_t i = 0; i < found.size(); ++i)
      CHECK(found[i] ==
            doctest::Approx(runtimes[i]).epsilon(0.001).scale(times.front() == ahead ? 70000 : 1));
  }
}

TEST_CASE_FIXTURE(RowWriterTest, "nothing is claimed before it is in the log") {
  Add(1, 0);
  Add(2, 1);
  CHECK(rows_.EncodedPosition() == 0);
  rows_.WriteAll();
  CHECK(rows_.EncodedPosition() == 2);
}

TEST_CASE_FIXTURE(RowWriterTest,
                  "a row claims its own events and all before those that come later") {
  Add(1, 5, "a");
  Add(2, 6, "a");
  Add(3, 5, "b");
  rows_.WriteAll();
  const std::vector<Written> written = Read();
  REQUIRE(written.size() == 2);
  CHECK(written[0].step == 5);
  CHECK(written[0].mark.floor == 1);
  CHECK(written[0].mark.positions == std::vector<uint64_t>{3});
  CHECK(written[1].mark.floor == 3);
  CHECK(written[1].mark.positions.empty());
  CHECK(written[1].mark.journal == kJournal);
}

TEST_CASE_FIXTURE(RowWriterTest,
                  "a record that overtakes waiting rows lists itself above their floor") {
  Add(4, 0);
  const AppliedMark overtaking = rows_.MarkAt(7);
  CHECK(overtaking.floor == 3);
  CHECK(overtaking.positions == std::vector<uint64_t>{7});
  rows_.Pass(7);
  rows_.WriteAll();
  CHECK(rows_.MarkAt(9).floor == 9);
  CHECK(Read().back().mark.floor == 7);
}

TEST_CASE_FIXTURE(RowWriterTest, "events without effects are passed by the next row's floor") {
  rows_.Pass(1);
  CHECK(rows_.EncodedPosition() == 1);
  Add(5, 0);
  rows_.Pass(6);
  CHECK(rows_.EncodedPosition() == 4);
  rows_.WriteAll();
  CHECK(Read().back().mark.floor == 6);
}

TEST_CASE_FIXTURE(RowWriterTest, "rows go out when they have waited for long enough") {
  Add(1, 0);
  REQUIRE(rows_.NextDue());
  rows_.WriteDue(*rows_.NextDue() - std::chrono::milliseconds(1));
  CHECK(Read().empty());
  rows_.WriteDue(*rows_.NextDue());
  CHECK(Read().size() == 1);
}

// Of each kind: the records, and the bytes of values of the largest.
struct Bulk {
  size_t rows = 0, summaries = 0, largest_row = 0, largest_summary = 0;
};

Bulk Measure(const std::filesystem::path& path) {
  Bulk bulk;
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  REQUIRE(ReadRecords(fd, OnDamage::kStop, [&](const ParsedRecord& record, uint64_t) {
    const bool row = record.kind == ParsedRecord::Kind::kHistory;
    if (!row && record.kind != ParsedRecord::Kind::kSummary) return;
    size_t bytes = 0;
    for (const auto& item : record.items) bytes += item.json.size();
    ++(row ? bulk.rows : bulk.summaries);
    size_t& largest = row ? bulk.largest_row : bulk.largest_summary;
    largest = std::max(largest, bytes);
  }));
  close(fd);
  return bulk;
}

TEST_CASE_FIXTURE(RowWriterTest,
                  "records of one step make no row, and rows no summary, that W&B does not take") {
  const auto add = [&](uint64_t position, std::optional<int64_t> step, size_t bytes) {
    ItemList items;
    items.Add(PathOf("key" + std::to_string(position)), std::string(bytes, '1'));
    rows_.Add(position, step, 10, items, now_);
    rows_.Pass(position);
  };
  for (uint64_t position = 1; position <= 4; ++position) add(position, 7, size_t{3} << 20);
  for (uint64_t position = 5; position <= 12; ++position) add(position, {}, size_t{3} << 20);
  CHECK(log_.waiting_bytes() > size_t{30} << 20);  // they do not gather in the writer
  add(13, 8, size_t{3} << 20);
  add(14, 8, size_t{8} << 20);
  rows_.WriteAll();
  CHECK(rows_.EncodedPosition() == 14);
  REQUIRE(log_.WriteOut());
  const Bulk bulk = Measure(path_);
  CHECK(bulk.largest_row < 10383360);
  CHECK(bulk.largest_summary < 10383360);
  CHECK(bulk.rows > 8);
  CHECK(rows_.left_out().values() == 0);  // the merger makes two rows of what is too large
}

TEST_CASE_FIXTURE(RowWriterTest, "a run's length is never shorter than its rows") {
  Add(1, 0);  // at 10 s
  CHECK(rows_.WriteLast(3) == 10);
  CHECK(rows_.WriteLast(30) == 30);
}

}  // namespace
}  // namespace flarebridge::wandb
