#include "receivers/wandb/upload/logs_beside.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <fstream>
#include <string>
#include <vector>

#include "receivers/wandb/upload/parts.h"
#include "tests/unit/receivers/wandb/upload/upload_bench.h"
#include "tests/unit/temp_folder.h"

namespace flarebridge::wandb {
namespace {

namespace fs = std::filesystem;
using flarebridge::testing::TempFolder;
using testing::MadeRun;

// A log of a run in a folder of its own; empty, as far as it matters here.
fs::path Make(const fs::path& parent, const std::string& folder, const std::string& id) {
  fs::create_directories(parent / folder);
  const fs::path log = parent / folder / ("run-" + id + ".wandb");
  std::ofstream(log) << "x";
  return log;
}

TEST_CASE("a parent of many runs is read once for all of them") {
  const TempFolder temp;
  std::vector<fs::path> logs;
  for (int run = 0; run < 300; ++run) {
    const std::string id = "run" + std::to_string(run);
    logs.push_back(Make(temp.path(), "offline-run-20260101_000000-" + id, id));
  }
  LogsBeside beside;
  PartsSearch search;
  search.beside = &beside;
  for (const fs::path& log : logs) {
    const Expected<EarlierParts> parts = FindEarlierParts(log, search);
    REQUIRE(parts.has_value());
    CHECK_FALSE(parts->superseded);
  }
  CHECK(beside.folders_read() == 1 + logs.size());
}

TEST_CASE("all uploads of a process look at their parent once") {
  testing::UploadBench bench;
  bench.run.Rows(1);
  bench.run.End();
  constexpr int kRuns = 20;
  for (int run = 0; run < kRuns; ++run) {
    const std::string id = "run" + std::to_string(run);
    const fs::path log = Make(bench.temp.path(), "offline-run-20260101_000000-" + id, id);
    fs::copy_file(bench.run.log(), log, fs::copy_options::overwrite_existing);
  }
  for (int run = 0; run < kRuns; ++run) {
    const std::string id = "run" + std::to_string(run);
    testing::ScriptedServer server(bench.now);
    RunUpload upload(
        bench.service,
        bench.temp.path() / ("offline-run-20260101_000000-" + id) / ("run-" + id + ".wandb"),
        bench.options);
    REQUIRE(bench.Finishes(upload, server));
  }
  CHECK(bench.service.beside.folders_read() == 1 + kRuns + 1);
}

TEST_CASE("a folder that comes later is seen, and those before it are not read again") {
  const TempFolder temp;
  const fs::path first = Make(temp.path(), "offline-run-20260101_000000-a", "a");
  for (int run = 0; run < 50; ++run) {
    const std::string id = "other" + std::to_string(run);
    Make(temp.path(), "offline-run-20260101_000000-" + id, id);
  }
  LogsBeside beside;
  CHECK(beside.Of(first).empty());
  const uint64_t before = beside.folders_read();
  // Whoever asks is there, whatever the time of the parent's change says.
  const auto time = fs::last_write_time(temp.path());
  const fs::path later = Make(temp.path(), "offline-run-20260101_000001-a", "a");
  fs::last_write_time(temp.path(), time);
  CHECK(beside.Of(later) == std::vector<fs::path>{first});
  CHECK(beside.folders_read() <= before + 3);
  CHECK(beside.Of(first) == std::vector<fs::path>{later});
  // And by the parent's time.
  const fs::path third = Make(temp.path(), "offline-run-20260101_000002-a", "a");
  fs::last_write_time(temp.path(), time + std::chrono::seconds(10));
  CHECK(beside.Of(first).size() == 2);
  CHECK(beside.folders_read() <= before + 6);
}

TEST_CASE("a folder is seen under the name that it has now, and when its log has come") {
  const TempFolder temp;
  const fs::path own = Make(temp.path(), "offline-run-20260101_000001-a", "a");
  const fs::path aside = temp.path() / "offline-run-20260101_000000-a.damaged";
  const fs::path other = Make(temp.path(), "offline-run-20260101_000000-a", "a");
  fs::create_directory(temp.path() / "offline-run-20260101_000002-a");
  LogsBeside beside;
  CHECK(beside.Of(own) == std::vector<fs::path>{other});
  fs::rename(other.parent_path(), aside);
  const fs::path late = Make(temp.path(), "offline-run-20260101_000002-a", "a");
  fs::last_write_time(temp.path(), fs::last_write_time(temp.path()) + std::chrono::seconds(10));
  std::vector<fs::path> found = beside.Of(own);
  std::sort(found.begin(), found.end());
  CHECK(found == std::vector<fs::path>{aside / "run-a.wandb", late});
  // What is gone is gone, though the parent's time does not tell.
  fs::remove(late);
  CHECK(beside.Of(own) == std::vector<fs::path>{aside / "run-a.wandb"});
}

TEST_CASE("links, other folders and a place that is none are no neighbours") {
  const TempFolder temp;
  const fs::path own = Make(temp.path(), "offline-run-20260101_000000-a", "a");
  Make(temp.path(), "copy-20260101_000000-a", "a");
  Make(temp.path() / "elsewhere", "offline-run-20260101_000002-a", "a");
  fs::create_directory_symlink(temp.path() / "elsewhere" / "offline-run-20260101_000002-a",
                               temp.path() / "offline-run-20260101_000002-a");
  LogsBeside beside;
  CHECK(beside.Of(own).empty());
  CHECK(beside.Of(temp.path() / "copy-20260101_000000-a" / "run-a.wandb").empty());
  CHECK(beside.Of("/proc/nowhere/offline-run-20260101_000000-a/run-a.wandb").empty());
}

}  // namespace
}  // namespace flarebridge::wandb
