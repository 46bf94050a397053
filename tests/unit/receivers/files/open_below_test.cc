#include "receivers/files/open_below.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <string>

#include "receivers/files/open_file.h"
#include "tests/unit/temp_folder.h"

namespace flarebridge {
namespace {

namespace fs = std::filesystem;
using flarebridge::testing::TempFolder;

// A run's folder, and something private beside it.
struct Folders {
  Folders() {
    fs::create_directories(run / "media" / "images");
    fs::create_directories(temp.path() / "private");
    Write(run / "a.txt", "a");
    Write(run / "media" / "images" / "b.png", "b");
    Write(temp.path() / "private" / "netrc", "secret");
  }
  static void Write(const fs::path& path, const std::string& content) {
    std::ofstream(path) << content;
  }
  TempFolder temp;
  fs::path run = temp.path() / "run";
};

// By openat2() where the kernel has it, and part by part.
std::string Read(const fs::path& folder, const std::string& name, Links links, bool walk) {
  const UniqueFd at(open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  const Expected<UniqueFd> file =
      walk ? OpenPartByPart(at.get(), name, links) : OpenBelow(folder, name, links);
  if (!file) return file.error().code == ErrorCode::kForbidden ? "refused" : "not there";
  char content[64] = "";
  const Expected<size_t> size = ReadAt(file->get(), 0, content, sizeof content);
  return std::string(content, size.value_or(0));
}

TEST_CASE("a file below the folder is opened, however deep") {
  const Folders folders;
  for (const bool walk : {false, true}) {
    for (const Links links : {Links::kRefuse, Links::kOwn}) {
      CHECK(Read(folders.run, "a.txt", links, walk) == "a");
      CHECK(Read(folders.run, "media/images/b.png", links, walk) == "b");
      CHECK(Read(folders.run, "media/none", links, walk) == "not there");
      CHECK(Read(folders.run, "a.txt/b", links, walk) == "not there");
      CHECK(Read(folders.run, "media", links, walk) == "refused");
    }
  }
}

TEST_CASE("no link is followed unless it is chosen, wherever in the path it is") {
  const Folders folders;
  fs::create_symlink(folders.temp.path() / "private" / "netrc", folders.run / "file");
  fs::create_symlink("../private/netrc", folders.run / "relative");
  fs::create_directory_symlink(folders.temp.path() / "private", folders.run / "folder");
  fs::create_symlink("a.txt", folders.run / "inside");
  fs::create_symlink("file", folders.run / "twice");
  for (const bool walk : {false, true}) {
    for (const char* name : {"file", "relative", "folder/netrc", "twice", "inside"}) {
      CAPTURE(name);
      CHECK(Read(folders.run, name, Links::kRefuse, walk) == "refused");
      CHECK(Read(folders.run, name, Links::kOwn, walk) ==
            (std::string(name) == "inside" ? "a" : "secret"));
    }
  }
}

TEST_CASE("a folder that the user names may be a link itself") {
  const Folders folders;
  fs::create_directory_symlink("run", folders.temp.path() / "latest");
  CHECK(Read(folders.temp.path() / "latest", "a.txt", Links::kRefuse, false) == "a");
}

TEST_CASE("a file of another user is not reached by a link, and a link of another leads nowhere") {
  if (geteuid() != 0) return;  // only root can make them
  const Folders folders;
  const fs::path target = folders.temp.path() / "private" / "netrc";
  fs::create_symlink(target, folders.run / "ours");
  fs::create_symlink(target, folders.run / "theirs");
  REQUIRE(lchown((folders.run / "theirs").c_str(), 12345, 12345) == 0);
  for (const bool walk : {false, true}) {
    CHECK(Read(folders.run, "ours", Links::kOwn, walk) == "secret");
    CHECK(Read(folders.run, "theirs", Links::kOwn, walk) == "refused");
  }
  REQUIRE(chown(target.c_str(), 12345, 12345) == 0);
  CHECK(Read(folders.run, "ours", Links::kOwn, false) == "refused");
}

TEST_CASE("links in a circle, pipes and paths that lead out are refused at once") {
  const Folders folders;
  fs::create_symlink("two", folders.run / "one");
  fs::create_symlink("one", folders.run / "two");
  REQUIRE(mkfifo((folders.run / "pipe").c_str(), 0600) == 0);
  for (const bool walk : {false, true}) {
    CHECK(Read(folders.run, "one", Links::kOwn, walk) == "not there");
    CHECK(Read(folders.run, "pipe", Links::kOwn, walk) == "refused");
  }
  CHECK(Read(folders.run, "../private/netrc", Links::kRefuse, false) == "refused");
  CHECK(Read(folders.run, "/etc/passwd", Links::kOwn, false) == "refused");
}

}  // namespace
}  // namespace flarebridge
