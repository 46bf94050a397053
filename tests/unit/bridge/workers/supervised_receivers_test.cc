// The supervisor, and receivers of a run that fail, are mended or are given up.
#include <doctest/doctest.h>

#include <csignal>

#include "bridge/process/exit_code.h"
#include "tests/unit/bridge/workers/supervisor_world.h"

namespace flarebridge {
namespace {

using flarebridge::testing::Fails;
using flarebridge::testing::Lives;
using flarebridge::testing::Positions;
using flarebridge::testing::Refuses;
using flarebridge::testing::SupervisorWorld;
using std::chrono::minutes;
using std::chrono::seconds;

TEST_CASE("a receiver that fails is told once and left behind, the other goes on") {
  SupervisorWorld world;
  const int64_t run = world.Add({"wandb", "jsonl"});
  world.Store(run, 4);
  CHECK(world.Opened() == "wandb:0 jsonl:0");
  world.Ready({Lives("wandb", 0), Lives("jsonl", 0)});
  world.Durable({Lives("wandb", 4), Fails("jsonl", 2)});
  world.Durable({Lives("wandb", 4), Fails("jsonl", 2)});
  REQUIRE(world.notices.size() == 1);
  CHECK(world.notices[0].starts_with("jsonl: no space"));
  CHECK(world.durable == 2);  // the journal keeps what it lacks
  world.Store(run, 2);
  CHECK(world.Given() == Positions{1, 2, 3, 4, 5, 6});
  world.Durable({Lives("wandb", 6), Fails("jsonl", 2)});
  CHECK(world.durable == 2);
  CHECK_FALSE(world.worker().closed);
}

TEST_CASE("a receiver that failed is opened again by a new worker, and fed behind what it has") {
  SupervisorWorld world;
  const int64_t run = world.Add({"wandb", "jsonl"});
  world.Store(run, 2);
  world.Store(run, 2);
  world.Ready({Lives("wandb", 0), Lives("jsonl", 0)});
  world.Durable({Lives("wandb", 4), Fails("jsonl", 2)});
  world.Pass(seconds(1));
  CHECK(world.worker().closed);  // it writes out what it has
  CHECK(world.workers.size() == 1);
  world.Exit(kExitOk);
  REQUIRE(world.workers.size() == 2);
  CHECK(world.Opened() == "wandb:4 jsonl:2");
  world.Ready({Lives("wandb", 4), Lives("jsonl", 2)});
  CHECK(world.Given() == Positions{3, 4});
  world.Durable({Lives("wandb", 4), Lives("jsonl", 4)});
  CHECK(world.durable == 4);
  CHECK(world.notices.size() == 1);
  CHECK_FALSE(world.worker().closed);
}

TEST_CASE("a failure that lasts is told once and tried again more and more seldom") {
  SupervisorWorld world;
  const int64_t run = world.Add({"wandb", "jsonl"});
  world.Store(run, 1);
  world.Ready({Lives("wandb", 0), Fails("jsonl", 0)});
  int tried = 0;
  for (int second = 0; second < 300; ++second) {
    world.Store(run, 1);
    world.Pass(seconds(1));
    if (!world.worker().closed) continue;
    ++tried;
    world.Exit(kExitOk);
    world.Ready({Lives("wandb", 0), Fails("jsonl", 0)});
  }
  CHECK(tried > 8);
  CHECK(tried < 16);
  CHECK(world.notices.size() == 1);
  CHECK(world.Given().back() == 301);
}

TEST_CASE("a receiver that refuses is not opened again, and the run ends without it") {
  SupervisorWorld world;
  const int64_t run = world.Add({"wandb", "other"});
  world.Store(run, 3);
  world.Ready({Lives("wandb", 0), Refuses("other")});
  REQUIRE(world.notices.size() == 1);
  CHECK(world.notices[0].starts_with("other: makes no sense"));
  world.Exit(0, SIGKILL);
  world.Pass(seconds(30));
  CHECK(world.Opened() == "wandb:0");
  world.Ready({Lives("wandb", 0)});
  const uint64_t last = world.Store(run, 1, true);
  world.Durable({Lives("wandb", last)});
  CHECK(world.durable == 0);
  CHECK(world.worker().closed);
  world.Exit(kExitOk);
  CHECK(world.finished == 1);
  CHECK(world.supervisor().AllDone());
  CHECK(world.durable == last);
  CHECK(world.Quarantined(".other.events") == 4);
}

TEST_CASE("a run's end waits for a receiver that may be mended, its other receivers do not") {
  SupervisorWorld world;
  const int64_t run = world.Add({"wandb", "jsonl"});
  const uint64_t last = world.Store(run, 3, true);
  world.Ready({Lives("wandb", 0), Fails("jsonl", 0)});
  world.Durable({Lives("wandb", last), Fails("jsonl", 0)});
  CHECK(world.worker().closed);
  world.Exit(kExitOk);
  CHECK(world.workers.size() == 1);
  CHECK(world.finished == 0);
  CHECK_FALSE(world.supervisor().AllDone());
  CHECK_FALSE(world.supervisor().NothingMoves());
  CHECK(world.supervisor().Undone() == std::vector<std::string>{"site (jsonl: no space)"});
  world.Pass(seconds(1));
  REQUIRE(world.workers.size() == 2);
  world.Ready({Lives("wandb", last), Lives("jsonl", 0)});
  CHECK(world.Given() == Positions{1, 2, 3});
  world.Durable({Lives("wandb", last), Lives("jsonl", last)});
  world.Exit(kExitOk);
  CHECK(world.finished == 1);
  CHECK(world.stored_bytes() == 0);
}

TEST_CASE("a receiver that fails for an hour is given up: its events are in quarantine") {
  SupervisorWorld world;
  const int64_t run = world.Add({"wandb", "jsonl"});
  world.Store(run, 3);
  world.Ready({Lives("wandb", 0), Lives("jsonl", 0)});
  world.Durable({Lives("wandb", 3), Fails("jsonl", 0)});
  for (int minute = 0; minute < 59; ++minute) {
    world.Pass(minutes(1));
    world.Exit(kExitOk);
    world.Ready({Lives("wandb", 3), Fails("jsonl", 0)});
  }
  CHECK(world.durable == 0);
  world.Pass(minutes(1));
  CHECK(world.durable == 3);
  CHECK(world.Quarantined(".jsonl.events") == 3);
  REQUIRE(world.notices.size() == 2);
  CHECK(world.notices[1].starts_with("jsonl is given up"));
  if (world.worker().closed) {
    world.Exit(kExitOk);
    world.Store(run, 1);
    CHECK(world.Opened() == "wandb:3");
  }
}

TEST_CASE("what follows for a receiver that was given up goes to quarantine, all of it") {
  Supervisor::Limits limits;
  limits.patience.bytes = 10'000;
  SupervisorWorld world(limits);
  const int64_t run = world.Add({"wandb", "jsonl"});
  world.Store(run, 1);
  world.Ready({Lives("wandb", 0), Fails("jsonl", 0)});
  uint64_t last = world.Store(run, 10, false, 2'000);
  world.Tick();
  CHECK(world.Quarantined(".jsonl.events") == 11);
  CHECK(world.durable == 0);  // the other has not said that it has them
  last = world.Store(run, 5);
  world.Durable({Lives("wandb", last)});
  CHECK(world.durable == 11);  // a little is kept until there is more of it
  last = world.Store(run, 20, false, 100'000);
  world.Durable({Lives("wandb", last)});
  world.Tick();
  CHECK(world.durable == last);
  last = world.Store(run, 1, true);
  world.Durable({Lives("wandb", last)});
  world.Exit(kExitOk);
  CHECK(world.Quarantined(".jsonl.events") == last);
  CHECK(world.stored_bytes() == 0);
  CHECK(world.finished == 1);
  CHECK(world.notices.size() == 2);
}

TEST_CASE("of many runs' failed receivers the one with the most is given up when it is too much") {
  Supervisor::Limits limits;
  limits.backlog_bytes = 50'000;
  SupervisorWorld world(limits);
  for (int number = 1; number <= 3; ++number) {
    const int64_t run = world.Add({"wandb", "jsonl"});
    world.Store(run, 1);
    world.Ready({Lives("wandb", 0), Fails("jsonl", 0)});
    world.Store(run, static_cast<uint32_t>(number), false, 10'000);
    world.Tick();
  }
  CHECK(world.Quarantined(".jsonl.events") == 4);  // those of the third
  CHECK(world.stored_bytes() > 0);
}

TEST_CASE("where no receiver of a run is left nothing is given up") {
  SupervisorWorld world;
  const int64_t run = world.Add({"wandb", "jsonl"});
  world.Store(run, 3);
  for (int attempt = 0; attempt < 200; ++attempt) {
    world.Durable({Fails("wandb", 0), Fails("jsonl", 0)});
    world.Exit(kExitIo);
    world.Pass(minutes(1));
    CHECK(world.Opened() == "wandb:0 jsonl:0");
  }
  CHECK(world.Quarantined("") == 0);
  world.Ready({Lives("wandb", 0), Lives("jsonl", 0)});
  CHECK(world.Given() == Positions{1, 2, 3});
}

}  // namespace
}  // namespace flarebridge
