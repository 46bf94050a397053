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

TEST_CASE("an entry taken out late takes nothing with it that was added after it was listed") {
  const TempFolder temp;
  UploadQueue bridge(temp.path()), uploader(temp.path());
  REQUIRE(bridge.Add({"wandb", "/runs/a.wandb"}).has_value());
  const UploadQueue::Entry listed = uploader.List().at(0);
  REQUIRE(bridge.Add({"wandb", "/runs/a.wandb"}).has_value());
  const UploadQueue::Entry again = uploader.List().at(0);
  CHECK(again.file != listed.file);  // to take one out can't reach the other
  uploader.Remove(listed);
  REQUIRE(uploader.List().size() == 1);
  CHECK(uploader.List().at(0).stamp == again.stamp);
}

TEST_CASE("an entry tells which bridge has added it, and one of an earlier version tells none") {
  const TempFolder temp;
  REQUIRE(UploadQueue(temp.path(), "17-1").Add({"wandb", "/runs/a.wandb"}).has_value());
  UploadQueue next(temp.path(), "18-2");
  CHECK(next.List().at(0).bridge == "17-1");
  REQUIRE(next.Add({"wandb", "/runs/a.wandb"}).has_value());
  REQUIRE(next.List().size() == 1);
  CHECK(next.List().at(0).bridge == "18-2");
  next.Remove(next.List().at(0));
  std::ofstream(temp.path() / "1.upload") << "/runs/a.wandb\n17\nwandb\n";
  CHECK(next.List().at(0).bridge.empty());
}

TEST_CASE("an entry that was written before there were kinds is one of W&B's") {
  const TempFolder temp;
  std::ofstream(temp.path() / "1.upload") << "/runs/a.wandb\n17\n";
  UploadQueue queue(temp.path());
  const UploadQueue::Entry entry = queue.List().at(0);
  CHECK(entry.target.kind == "wandb");
  CHECK(entry.target.path == "/runs/a.wandb");
  queue.Remove(entry);
  CHECK(queue.empty());
}

TEST_CASE("a target keeps its kind, and one path may be of two kinds") {
  const TempFolder temp;
  UploadQueue queue(temp.path());
  REQUIRE(queue.Add({"wandb", "/runs/a"}).has_value());
  REQUIRE(queue.Add({"other", "/runs/a"}).has_value());
  REQUIRE(queue.List().size() == 2);
  for (const UploadQueue::Entry& entry : queue.List()) {
    CHECK(entry.target.path == "/runs/a");
    if (entry.target.kind == "other") queue.Remove(entry);
  }
  CHECK(queue.List().at(0).target.kind == "wandb");
}

TEST_CASE("what is no entry is left out") {
  const TempFolder temp;
  std::ofstream(temp.path() / "1.upload") << "/runs/cut";
  std::ofstream(temp.path() / "2.upload.new") << "/runs/a\n1\n";
  std::ofstream(temp.path() / "note") << "/runs/a\n1\n";
  CHECK(UploadQueue(temp.path()).empty());
}

TEST_CASE("an entry under the name that an older version gave it is listed and taken out") {
  const TempFolder temp;
  std::ofstream(temp.path() / "13646096770106105413.upload") << "/runs/a.wandb\n1789000000000\n";
  UploadQueue queue(temp.path());
  REQUIRE(queue.List().size() == 1);
  CHECK(queue.List().at(0).target.path == "/runs/a.wandb");
  REQUIRE(queue.Add({"wandb", "/runs/a.wandb"}).has_value());
  for (const UploadQueue::Entry& entry : queue.List()) {
    CHECK(entry.target.path == "/runs/a.wandb");
    queue.Remove(entry);
  }
  CHECK(queue.empty());
}

TEST_CASE("a folder that can't be written is told") {
  CHECK_FALSE(UploadQueue("/proc/nowhere").Add({"wandb", "/runs/a.wandb"}).has_value());
}

}  // namespace
}  // namespace flarebridge
