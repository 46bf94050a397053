#include "bridge/uploads/upload_queue.h"

#include <doctest/doctest.h>

#include <fstream>

#include "tests/unit/temp_folder.h"

namespace flarebridge {
namespace {

using flarebridge::testing::TempFolder;

TEST_CASE("what is added is there until it is taken out") {
  const TempFolder temp;
  UploadQueue queue(temp.path() / "uploads");
  CHECK(queue.empty());
  REQUIRE(queue.Add({"wandb", "/runs/a.wandb"}).has_value());
  REQUIRE(queue.Add({"wandb", "/runs/b.wandb"}).has_value());
  REQUIRE(queue.Add({"wandb", "/runs/b.wandb"}).has_value());
  CHECK(queue.List().size() == 2);
  UploadQueue later(temp.path() / "uploads");  // another process
  for (const UploadQueue::Entry& entry : later.List()) later.Remove(entry);
  CHECK(queue.empty());
}

TEST_CASE("an entry that was added again meanwhile stays") {
  const TempFolder temp;
  UploadQueue queue(temp.path());
  REQUIRE(queue.Add({"wandb", "/runs/a.wandb"}).has_value());
  const UploadQueue::Entry entry = queue.List().at(0);
  REQUIRE(queue.Add({"wandb", "/runs/a.wandb"}).has_value());
  queue.Remove(entry);
  CHECK(queue.List().size() == 1);
  queue.Remove(queue.List().at(0));
  CHECK(queue.empty());
}

TEST_CASE("what is no entry is left out") {
  const TempFolder temp;
  std::ofstream(temp.path() / "1.upload") << "/runs/cut";
  std::ofstream(temp.path() / "2.upload.new") << "/runs/a\n1\n";
  std::ofstream(temp.path() / "note") << "/runs/a\n1\n";
  CHECK(UploadQueue(temp.path()).empty());
}

TEST_CASE("a folder that can't be written is told") {
  CHECK_FALSE(UploadQueue("/proc/nowhere").Add({"wandb", "/runs/a.wandb"}).has_value());
}

}  // namespace
}  // namespace flarebridge
