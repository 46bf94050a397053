#include "bridge/commands/live_runs.h"

#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "receivers/wandb/log/item_list.h"
#include "receivers/wandb/log/log_writer.h"
#include "receivers/wandb/log/record_writer.h"
#include "tests/unit/temp_folder.h"

using namespace flarebridge;

namespace {

namespace fs = std::filesystem;

constexpr int64_t kRows = 600;  // some blocks

// The bytes of a run of rows with a loss that is the step, and its end.
std::string MadeLog(int64_t rows) {
  std::string bytes;
  wandb::LogWriter writer(0);
  writer.AppendFileHeader(bytes);
  const auto add = [&](auto write) {
    std::string record;
    write(record);
    writer.AppendRecord(record, bytes);
  };
  int64_t number = 0;
  wandb::RunRecord run;
  run.run_id = "made";
  run.config.emplace_back("client", "\"site-1\"");
  add([&](std::string& out) { wandb::AppendRun(++number, run, nullptr, out); });
  for (int64_t step = 0; step < rows; ++step) {
    wandb::ItemList items;
    items.Add(wandb::PathOf("_step"), std::to_string(step));
    items.Add(wandb::PathOf("loss"), std::to_string(step));
    items.Add(wandb::PathOf("text"), "\"" + std::string(200, 'x') + "\"");
    add([&](std::string& out) { wandb::AppendHistory(++number, items, step, nullptr, out); });
  }
  add([&](std::string& out) { wandb::AppendExit(++number, 0, 1, out); });
  return bytes;
}

class Folder {
 public:
  void Write(std::string_view bytes) {
    fs::create_directories(log().parent_path());
    std::ofstream(log(), std::ios::binary) << bytes;
  }
  fs::path log() const { return folder_.path() / "run-made" / "run-made.wandb"; }
  std::string path() const { return folder_.path().string(); }

 private:
  testing::TempFolder folder_;
};

// That what was read piece by piece is what one pass over the log gives.
void CheckAsRead(const LiveRuns& live, const Folder& folder) {
  const RunList read = ReadRuns(FindRuns(folder.path()).value());
  REQUIRE(live.list().runs.size() == read.runs.size());
  const ListedRun &a = *live.list().runs.front(), &b = *read.runs.front();
  CHECK(a.name == b.name);
  CHECK(a.summary.rows == b.summary.rows);
  CHECK(a.summary.state == b.summary.state);
  CHECK(a.summary.bad_bytes == b.summary.bad_bytes);
  const MetricRange *range = a.ranges.Find("loss"), *other = b.ranges.Find("loss");
  REQUIRE((range == nullptr) == (other == nullptr));
  if (range == nullptr) return;
  CHECK(range->last == other->last);
  CHECK(range->highest == other->highest);
  const SeriesBins* bins = live.curves().Find("loss", a.place);
  REQUIRE(bins != nullptr);
  CHECK(bins->bins().size() == b.summary.rows);
}

}  // namespace

TEST_CASE("a log that grows by any pieces is shown as one that is read as a whole") {
  const std::string bytes = MadeLog(kRows);
  for (const size_t piece : {size_t{977}, size_t{32768}, bytes.size()}) {
    Folder folder;
    LiveRuns live(folder.path(), Curves({"loss"}));
    CHECK_FALSE(live.Renew());
    for (size_t end = piece / 2; end < bytes.size() + piece; end += piece) {
      folder.Write(std::string_view(bytes).substr(0, end));
      live.Renew();
      CheckAsRead(live, folder);
      CHECK_FALSE(live.Renew());
    }
    CHECK(live.list().runs.front()->summary.state == RunSummary::State::kFinished);
    CHECK(live.list().runs.front()->summary.rows == static_cast<uint64_t>(kRows));
  }
}

TEST_CASE("what is read of a log that was cut off, replaced or removed is forgotten") {
  const std::string bytes = MadeLog(kRows);
  Folder folder;
  LiveRuns live(folder.path(), Curves({"loss"}));
  folder.Write(bytes);
  CHECK(live.Renew());
  fs::resize_file(folder.log(), bytes.size() / 2);
  CHECK(live.Renew());
  CheckAsRead(live, folder);

  const fs::path other = folder.path() + "/other";
  std::ofstream(other, std::ios::binary) << MadeLog(3);
  fs::rename(other, folder.log());
  CHECK(live.Renew());
  CheckAsRead(live, folder);
  CHECK(live.list().runs.front()->summary.rows == 3);

  fs::remove(folder.log());
  CHECK(live.Renew());
  CHECK(live.list().runs.empty());
  CHECK(live.curves().Find("loss", 0) == nullptr);
}

TEST_CASE("damage that comes is told, and what can't be read at all is an error") {
  std::string bytes = MadeLog(kRows);
  Folder folder;
  LiveRuns live(folder.path(), Curves({"loss"}));
  folder.Write(bytes.substr(0, 1000));
  CHECK(live.Renew());
  bytes[40000] = static_cast<char>(bytes[40000] ^ 1);
  folder.Write(bytes);
  CHECK(live.Renew());
  CheckAsRead(live, folder);
  CHECK(live.list().runs.front()->summary.bad_bytes > 0);

  folder.Write("this is no run log at all");
  CHECK(live.Renew());
  CHECK(live.list().runs.empty());
  REQUIRE(live.list().errors.size() == 1);
  CHECK(live.list().errors.front().message.starts_with(folder.log().string()));
}
