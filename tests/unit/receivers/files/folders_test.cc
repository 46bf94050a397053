#include "receivers/files/folders.h"

#include <doctest/doctest.h>

#include <fstream>
#include <string>

#include "receivers/files/file_info.h"
#include "tests/unit/temp_folder.h"

namespace flarebridge {
namespace {

namespace fs = std::filesystem;
using flarebridge::testing::TempFolder;

TEST_CASE("a folder is made once, and who comes second is told") {
  const TempFolder temp;
  CHECK(MakeFolder(temp.path() / "a").value());
  CHECK_FALSE(MakeFolder(temp.path() / "a").value());
  CHECK_FALSE(MakeFolder(temp.path() / "none" / "a").has_value());
  CHECK(MakeFolders(temp.path() / "b" / "c").has_value());
  CHECK(MakeFolders(temp.path() / "b" / "c").has_value());
  std::ofstream(temp.path() / "file").put('x');
  const Expected<void> below_file = MakeFolders(temp.path() / "file" / "d");
  REQUIRE_FALSE(below_file.has_value());
  CHECK(below_file.error().code == ErrorCode::kInvalidName);
  CHECK(PersistFolder(temp.path()).has_value());
  CHECK_FALSE(PersistFolder(temp.path() / "none").has_value());
}

TEST_CASE("a free name is the first that nothing has") {
  const TempFolder temp;
  const fs::path path = temp.path() / "x";
  CHECK(FreeName(path) == path);
  std::ofstream(path).put('x');
  CHECK(FreeName(path) == temp.path() / "x-2");
  fs::create_directory(temp.path() / "x-2");
  CHECK(FreeName(path) == temp.path() / "x-3");
}

TEST_CASE("what is set aside keeps its content, a hundred times") {
  const TempFolder temp;
  const fs::path path = temp.path() / "run";
  for (int time = 1; time <= 100; ++time) {
    fs::create_directory(path);
    std::ofstream(path / "log") << time;
    const fs::path aside = SetAside(path).value();
    CHECK_FALSE(fs::exists(path));
    CHECK(fs::exists(aside / "log"));
    CHECK(aside.filename() == (time == 1 ? "run.damaged" : "run.damaged-" + std::to_string(time)));
  }
  fs::create_directory(path);
  CHECK_FALSE(SetAside(path).has_value());
  CHECK(fs::exists(path));
  CHECK_FALSE(SetAside(temp.path() / "none").has_value());
}

TEST_CASE("a link points to its newest target, and leaves no draft") {
  const TempFolder temp;
  PointLink(temp.path() / "latest", "one");
  CHECK(fs::read_symlink(temp.path() / "latest") == "one");
  PointLink(temp.path() / "latest", "two");
  CHECK(fs::read_symlink(temp.path() / "latest") == "two");
  CHECK(std::distance(fs::directory_iterator(temp.path()), {}) == 1);
  PointLink(temp.path() / "none" / "latest", "one");  // no error, and nothing there
  CHECK_FALSE(fs::exists(temp.path() / "none"));
}

TEST_CASE("whether names in a folder may change is told before one is") {
  const TempFolder temp;
  CHECK(MayChange(temp.path()).has_value());
  const Expected<void> nowhere = MayChange(temp.path() / "none");
  REQUIRE_FALSE(nowhere.has_value());
  CHECK(nowhere.error().message.starts_with((temp.path() / "none").string() + " can't be changed"));
}

TEST_CASE("a private folder is its owner's alone, and one that is there stays as it is") {
  const TempFolder temp;
  const fs::path path = temp.path() / "above" / "private";
  REQUIRE(MakePrivateFolder(path / "").has_value());
  CHECK(InfoOf(path)->rights == 0700);
  fs::permissions(path, fs::perms::all);
  REQUIRE(MakePrivateFolder(path).has_value());
  CHECK(InfoOf(path)->rights == 0777);
  std::ofstream(temp.path() / "file") << "x";
  CHECK_FALSE(MakePrivateFolder(temp.path() / "file").has_value());
  CHECK_FALSE(MakePrivateFolder(temp.path() / "file" / "below").has_value());
}

}  // namespace
}  // namespace flarebridge
