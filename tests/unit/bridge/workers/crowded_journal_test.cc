// The supervisor where runs that are stuck take the room that others need.
#include <doctest/doctest.h>

#include <csignal>

#include "bridge/process/exit_code.h"
#include "tests/unit/bridge/workers/supervisor_world.h"

namespace flarebridge {
namespace {

using flarebridge::testing::Lives;
using flarebridge::testing::Positions;
using flarebridge::testing::SupervisorWorld;
using std::chrono::minutes;
using std::chrono::seconds;

Supervisor::Limits Crowded() {
  Supervisor::Limits limits;
  limits.crowded_bytes = 10000;
  return limits;
}

TEST_CASE("a run that can't be written makes room for others, with its events in quarantine") {
  SupervisorWorld world(Crowded());
  const int64_t stuck = world.Add({"wandb", "jsonl"});
  world.Store(stuck, 3, false, 5000);
  for (int attempt = 0; attempt < 3; ++attempt) {
    world.Exit(kExitIo);
    CHECK(world.Quarantined("") == 0);
    world.Pass(seconds(20));
  }
  world.Exit(kExitIo);  // a worker was there: another one has its time, too
  world.Pass(minutes(1));
  world.Exit(kExitIo);
  world.Pass(seconds(2));
  CHECK(world.Quarantined(".wandb.events") == 3);
  CHECK(world.Quarantined(".jsonl.events") == 3);
  CHECK(world.durable == 3);
  CHECK(world.stored_bytes() == 0);
  CHECK(world.notices.back().find("others need the journal's room") != std::string::npos);
  // What follows goes there, too, its end with it, and no worker is started for it.
  const size_t workers = world.workers.size();
  const uint64_t last = world.Store(stuck, 2, true);
  world.Pass(minutes(5));
  CHECK(world.durable == last);
  CHECK(world.workers.size() == workers);
  CHECK(world.finished == 1);
}

TEST_CASE("of the runs that are stuck the one with the most makes room, and no more than needed") {
  SupervisorWorld world(Crowded());
  const int64_t small = world.Add({"wandb"});
  world.Store(small, 1, false, 3000);
  world.Exit(kExitConfig);
  const int64_t large = world.Add({"wandb"});
  world.Store(large, 2, false, 4000);
  world.Exit(kExitConfig);
  world.Pass(seconds(61));
  world.Pass(minutes(10));
  CHECK(world.Quarantined("") == 2);
  CHECK(world.stored_bytes() > 3000);
}

TEST_CASE(
    "a worker that hangs while the journal is nearly full is replaced, and nothing given up") {
  SupervisorWorld world(Crowded());
  world.Store(world.Add({"wandb"}), 3, false, 5000);
  world.Ready({Lives("wandb", 0)});
  world.Pass(seconds(61));
  CHECK(world.worker().killed);
  world.Exit(0, SIGKILL);
  world.Pass(seconds(1));
  REQUIRE(world.workers.size() == 2);
  world.Ready({Lives("wandb", 0)});
  CHECK(world.Given() == Positions{1, 2, 3});
  world.Durable({Lives("wandb", 3)});
  world.Pass(minutes(10));
  CHECK(world.Quarantined("") == 0);
  CHECK_FALSE(world.worker().killed);
}

TEST_CASE("a worker that hangs again, so that others have no room, is given up") {
  SupervisorWorld world(Crowded());
  world.Store(world.Add({"wandb"}), 3, false, 5000);
  for (int attempt = 0; attempt < 2; ++attempt) {
    CHECK(world.Quarantined("") == 0);
    world.Ready({Lives("wandb", 0)});
    world.Pass(seconds(61));
    CHECK(world.worker().killed);
    world.Exit(0, SIGKILL);
    world.Pass(seconds(1));
  }
  CHECK(world.Quarantined(".wandb.events") == 3);
  CHECK(world.workers.size() == 2);
}

TEST_CASE("a run that gets on is waited for, however slow it is and full the journal") {
  SupervisorWorld world(Crowded());
  world.Store(world.Add({"wandb"}), 30, false, 5000);
  world.Ready({Lives("wandb", 0)});
  for (uint64_t position = 1; position < 28; ++position) {
    world.Pass(seconds(50));
    world.Durable({Lives("wandb", position)});
  }
  CHECK_FALSE(world.worker().killed);
  CHECK(world.Quarantined("") == 0);
}

TEST_CASE("a run that is stuck is waited for while there is room for others") {
  Supervisor::Limits limits = Crowded();
  limits.crowded_bytes = 20000;
  SupervisorWorld world(limits);
  world.Store(world.Add({"wandb"}), 3, false, 5000);
  world.Ready({Lives("wandb", 0)});
  world.Pass(std::chrono::hours(3));
  CHECK_FALSE(world.worker().killed);
  CHECK(world.Quarantined("") == 0);
}

}  // namespace
}  // namespace flarebridge
