#include "receivers/wandb/log/run_folder.h"

#include <doctest/doctest.h>

#include <fstream>

#include "tests/unit/temp_folder.h"

namespace flarebridge::wandb {
namespace {

namespace fs = std::filesystem;
using flarebridge::testing::TempFolder;

TEST_CASE(
    "a run's folder has W&B's name and parts, and latest-run points to it by a relative link") {
  const TempFolder temp;
  const fs::path wandb = WandbFolder(temp.path());
  CHECK(wandb.filename() == "wandb");
  const fs::path folder = MakeRunFolder(wandb, "abc", 1789000000.5, false).value();
  const std::string name = folder.filename().string();
  CHECK(name.starts_with("offline-run-2026"));
  CHECK(name.ends_with("-abc"));
  CHECK(fs::is_directory(folder / "files"));
  CHECK(fs::is_directory(folder / "logs"));
  CHECK(fs::read_symlink(wandb / "latest-run") == folder.filename());
}

TEST_CASE("a second folder of the same second gets a later name, not a suffix") {
  const TempFolder temp;
  const fs::path first = MakeRunFolder(temp.path(), "abc", 100, false).value();
  const fs::path second = MakeRunFolder(temp.path(), "abc", 100, false).value();
  CHECK(first != second);
  CHECK(first.filename().string().size() == second.filename().string().size());
  CHECK(fs::read_symlink(temp.path() / "latest-run") == second.filename());
}

TEST_CASE("a run's folders with logs are found, newest first") {
  using Paths = std::vector<fs::path>;
  const TempFolder temp;
  CHECK(FindRunFolders(temp.path(), "abc").empty());
  const fs::path older = MakeRunFolder(temp.path(), "abc", 100, false).value();
  CHECK(FindRunFolders(temp.path(), "abc").empty());  // no log yet
  std::ofstream(LogPath(older, "abc")).put('x');
  CHECK(FindRunFolders(temp.path(), "abc") == Paths{older});
  const fs::path newer = MakeRunFolder(temp.path(), "abc", 200, true).value();
  std::ofstream(LogPath(newer, "abc")).put('x');
  CHECK(FindRunFolders(temp.path(), "abc") == Paths{newer, older});
  CHECK_FALSE(IsUploaded(LogPath(newer, "abc")));
  std::ofstream(UploadedMark(LogPath(newer, "abc"))).put('x');
  CHECK(IsUploaded(LogPath(newer, "abc")));
  CHECK(FindRunFolders(temp.path(), "bc").empty());
}

TEST_CASE("a folder that can't be made is an error that says where and what to do") {
  const Expected<fs::path> made = MakeRunFolder("/proc/nowhere/wandb", "abc", 100, false);
  REQUIRE_FALSE(made.has_value());
  CHECK(made.error().code == ErrorCode::kIo);
  CHECK(made.error().message.find("/proc/nowhere") != std::string::npos);
}

}  // namespace
}  // namespace flarebridge::wandb
