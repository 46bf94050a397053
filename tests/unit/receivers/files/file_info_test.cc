#include "receivers/files/file_info.h"

#include <doctest/doctest.h>
#include <unistd.h>

#include <fstream>

#include "receivers/files/open_file.h"
#include "tests/unit/temp_folder.h"

namespace flarebridge {
namespace {

namespace fs = std::filesystem;
using flarebridge::testing::TempFolder;

TEST_CASE("a file's kind, size, owner and rights are told, through links too") {
  const TempFolder temp;
  const fs::path path = temp.path() / "x";
  std::ofstream(path) << "12345";
  fs::permissions(path, fs::perms(0640));
  fs::create_symlink("x", temp.path() / "link");
  for (const fs::path& name : {path, temp.path() / "link"}) {
    const FileInfo info = InfoOf(name).value();
    CHECK(info.is_file);
    CHECK_FALSE(info.is_folder);
    CHECK(info.size == 5);
    CHECK(info.owner == geteuid());
    CHECK(info.rights == 0640);
    CHECK(info.IsOpenToOthers());
  }
  CHECK(InfoOf(OpenToRead(path)->get())->size == 5);
  CHECK(InfoOf(temp.path())->is_folder);
  CHECK_FALSE(InfoOf(temp.path())->IsOpenToOthers());
  CHECK_FALSE(InfoOf("/dev/null")->is_file);
  CHECK_FALSE(InfoOf(temp.path() / "none").has_value());
  CHECK_FALSE(InfoOf(-1).has_value());
}

}  // namespace
}  // namespace flarebridge
