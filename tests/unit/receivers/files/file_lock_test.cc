#include "receivers/files/file_lock.h"

#include <doctest/doctest.h>

#include "receivers/files/open_file.h"
#include "tests/unit/temp_folder.h"

namespace flarebridge {
namespace {

using flarebridge::testing::TempFolder;

// Locks belong to open files, so that one process can hold two that keep each other away.
TEST_CASE("a file's lock keeps all others away until it is let go") {
  const TempFolder temp;
  const auto path = temp.path() / "lock";
  {
    const FileLock lock = FileLock::OfFile(path).value();
    CHECK(lock.held());
    const Expected<FileLock> second = FileLock::OfFile(path);
    REQUIRE_FALSE(second.has_value());
    CHECK(second.error().code == ErrorCode::kBusy);
    CHECK_FALSE(FileLock::Shared(path).has_value());
    CHECK(IsLocked(OpenToRead(path)->get()));
  }
  CHECK_FALSE(IsLocked(OpenToRead(path)->get()));
  FileLock lock = FileLock::OfFile(path).value();
  lock.Release();
  CHECK_FALSE(lock.held());
  CHECK(FileLock::OfFile(path).has_value());
}

TEST_CASE("to look whether a file is locked does not lock it") {
  const TempFolder temp;
  const UniqueFd file = CreateFile(temp.path() / "x", 0600, Existing::kKeep).value();
  CHECK_FALSE(IsLocked(file.get()));
  CHECK(FileLock::OfFile(temp.path() / "x").has_value());
  CHECK(TryLock(file.get()).value() == LockState::kOurs);
}

TEST_CASE("those who share a lock keep away only who wants it alone") {
  const TempFolder temp;
  const auto path = temp.path() / "lock";
  CHECK_FALSE(FileLock::Shared(path)->held());  // it is not there
  CHECK(FileLock::OfFile(path).has_value());
  const FileLock one = FileLock::Shared(path).value(), two = FileLock::Shared(path).value();
  CHECK(one.held());
  CHECK(two.held());
  CHECK_FALSE(FileLock::OfFile(path).has_value());
}

TEST_CASE("a folder is locked as a file is, and one that is not there is an error") {
  const TempFolder temp;
  {
    const FileLock lock = FileLock::OfFolder(temp.path()).value();
    const Expected<FileLock> second = FileLock::OfFolder(temp.path());
    REQUIRE_FALSE(second.has_value());
    CHECK(second.error().code == ErrorCode::kBusy);
  }
  CHECK(FileLock::OfFolder(temp.path()).has_value());
  CHECK_FALSE(FileLock::OfFolder(temp.path() / "none").has_value());
}

TEST_CASE("a lock that is handed on is held once") {
  const TempFolder temp;
  const auto path = temp.path() / "lock";
  FileLock lock = FileLock::OfFile(path).value();
  FileLock other = std::move(lock);
  CHECK(other.held());
  CHECK_FALSE(FileLock::OfFile(path).has_value());
  other = FileLock();
  CHECK(FileLock::OfFile(path).has_value());
}

}  // namespace
}  // namespace flarebridge
