#include "receivers/files/file_watch.h"

#include <doctest/doctest.h>

#include <condition_variable>
#include <fstream>
#include <string>
#include <vector>

#include "tests/unit/temp_folder.h"

namespace flarebridge {
namespace {

namespace fs = std::filesystem;

// Gathers what a watch tells.
class Told {
 public:
  void Add(const fs::path& file) {
    const MutexLock lock(mutex_);
    files_.push_back(file.filename());
    changed_.notify_all();
  }
  // Waits until so many were told, 20 s at most.
  std::vector<fs::path> WaitFor(size_t count) {
    MutexLock lock(mutex_);
    changed_.wait_for(lock.waitable(), std::chrono::seconds(20),
                      [&] { return files_.size() >= count; });
    return files_;
  }

 private:
  Mutex mutex_;
  std::condition_variable changed_;
  std::vector<fs::path> files_;
};

void Write(const fs::path& file) { std::ofstream(file, std::ios::app) << "more"; }

TEST_CASE("a file that is written or cut is told once for each time that it is watched") {
  const testing::TempFolder temp;
  for (const char* name : {"a", "b", "c"}) Write(temp.path() / name);
  Told told;
  const auto watch = FileWatch::Start([&](const fs::path& file) { told.Add(file); });
  REQUIRE(watch);
  REQUIRE(watch->Watch(temp.path() / "a"));
  REQUIRE(watch->Watch(temp.path() / "c"));
  for (int i = 0; i < 3; ++i) Write(temp.path() / "a");
  CHECK(told.WaitFor(1) == std::vector<fs::path>{"a"});
  Write(temp.path() / "b");
  fs::resize_file(temp.path() / "c", 1);
  CHECK(told.WaitFor(2) == std::vector<fs::path>{"a", "c"});
  REQUIRE(watch->Watch(temp.path() / "a"));
  Write(temp.path() / "a");
  CHECK(told.WaitFor(3) == std::vector<fs::path>{"a", "c", "a"});
}

TEST_CASE("a file that is forgotten is not told, one that is not there can't be watched") {
  const testing::TempFolder temp;
  for (const char* name : {"a", "b"}) Write(temp.path() / name);
  Told told;
  const auto watch = FileWatch::Start([&](const fs::path& file) { told.Add(file); });
  REQUIRE(watch);
  CHECK_FALSE(watch->Watch(temp.path() / "absent"));
  REQUIRE(watch->Watch(temp.path() / "a"));
  REQUIRE(watch->Watch(temp.path() / "b"));
  watch->Forget(temp.path() / "a");
  watch->Forget(temp.path() / "absent");
  Write(temp.path() / "a");
  Write(temp.path() / "b");
  CHECK(told.WaitFor(1) == std::vector<fs::path>{"b"});
}

}  // namespace
}  // namespace flarebridge
