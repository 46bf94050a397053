#include "receivers/files/append_only_file.h"

#include <doctest/doctest.h>
#include <sys/resource.h>

#include <csignal>
#include <fstream>
#include <string>

#include "receivers/files/open_file.h"
#include "tests/unit/temp_folder.h"

namespace flarebridge {
namespace {

namespace fs = std::filesystem;
using flarebridge::testing::TempFolder;

TEST_CASE("what is appended stands behind what was there, also after it was moved") {
  const TempFolder temp;
  const fs::path path = temp.path() / "log";
  std::ofstream(path) << "old";
  AppendOnlyFile first = AppendOnlyFile::Open(path).value();
  CHECK(first.size() == 3);
  AppendOnlyFile file = std::move(first);
  REQUIRE(file.Append("new").has_value());
  REQUIRE(file.Append("").has_value());
  CHECK(file.Persist().has_value());
  CHECK(file.size() == 6);
  CHECK(ReadWhole(path, 100).value() == "oldnew");
  REQUIRE(file.CutTo(4).has_value());
  REQUIRE(file.Append("er").has_value());
  CHECK(ReadWhole(path, 100).value() == "oldner");
}

TEST_CASE("one process writes a log, and a link is none") {
  const TempFolder temp;
  const fs::path path = temp.path() / "log";
  {
    const Expected<AppendOnlyFile> file = AppendOnlyFile::Open(path);
    const Expected<AppendOnlyFile> second = AppendOnlyFile::Open(path);
    REQUIRE_FALSE(second.has_value());
    CHECK(second.error().code == ErrorCode::kBusy);
  }
  CHECK(AppendOnlyFile::Open(path).has_value());
  fs::create_symlink("log", temp.path() / "link");
  const Expected<AppendOnlyFile> link = AppendOnlyFile::Open(temp.path() / "link");
  REQUIRE_FALSE(link.has_value());
  CHECK(link.error().code == ErrorCode::kIo);
}

TEST_CASE("a write that fails leaves nothing of itself") {
  const TempFolder temp;
  AppendOnlyFile file = AppendOnlyFile::Open(temp.path() / "log").value();
  REQUIRE(file.Append("whole").has_value());
  // A limit that the write goes over in its middle: the system takes the first part.
  rlimit before{};
  REQUIRE(getrlimit(RLIMIT_FSIZE, &before) == 0);
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  const rlimit small{8, before.rlim_max};
  REQUIRE(setrlimit(RLIMIT_FSIZE, &small) == 0);
  const Expected<void> written = file.Append("half of this");
  REQUIRE(setrlimit(RLIMIT_FSIZE, &before) == 0);
  std::signal(SIGXFSZ, handler);
  REQUIRE_FALSE(written.has_value());
  CHECK(written.error().code == ErrorCode::kIo);
  CHECK(file.size() == 5);
  CHECK(ReadWhole(temp.path() / "log", 100).value() == "whole");
}

TEST_CASE("a log that was removed, moved or replaced is not on the disk") {
  const TempFolder temp;
  const fs::path path = temp.path() / "folder" / "log";
  const auto after = [&](auto deed) {
    fs::create_directories(path.parent_path());
    AppendOnlyFile file = AppendOnlyFile::Open(path).value();
    REQUIRE(file.Append("new").has_value());
    CHECK(file.Persist().has_value());
    CHECK_FALSE(file.IsTakenAway());
    deed();
    CHECK(file.IsTakenAway());
    const Expected<void> persisted = file.Persist();
    REQUIRE_FALSE(persisted.has_value());
    CHECK(persisted.error().code == ErrorCode::kIo);
    CHECK(persisted.error().message.find(path.string()) != std::string::npos);
  };
  after([&] { fs::remove(path); });
  after([&] { fs::remove_all(path.parent_path()); });
  after([&] { fs::rename(path.parent_path(), temp.path() / "elsewhere"); });
  after([&] {
    fs::remove(path);
    std::ofstream(path) << "another";
  });
}

}  // namespace
}  // namespace flarebridge
