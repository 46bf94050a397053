// The supervisor and a run's worker: its start, its end, its death.
#include <doctest/doctest.h>

#include <csignal>

#include "bridge/process/exit_code.h"
#include "tests/unit/bridge/workers/supervisor_world.h"

namespace flarebridge {
namespace {

using flarebridge::testing::Lives;
using flarebridge::testing::Positions;
using flarebridge::testing::SupervisorWorld;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

TEST_CASE("a worker is started when its run has events, and given them once it is ready") {
  SupervisorWorld world;
  const int64_t run = world.Add({"wandb"});
  CHECK(world.workers.empty());
  world.Store(run, 3);
  REQUIRE(world.workers.size() == 1);
  CHECK(world.Opened() == "wandb:0");
  CHECK(world.Given().empty());
  world.Ready({Lives("wandb", 0)});
  CHECK(world.Given() == Positions{1, 2, 3});
  world.Store(run, 2);
  CHECK(world.Given() == Positions{1, 2, 3, 4, 5});
  world.Durable({Lives("wandb", 5)});
  CHECK(world.durable == 5);
  CHECK(world.stored_bytes() == 0);
}

TEST_CASE("a run whose end is in its receiver lets its worker go, and is finished once") {
  SupervisorWorld world;
  const int64_t run = world.Add({"wandb"});
  const uint64_t last = world.Store(run, 3, true);
  world.Ready({Lives("wandb", 0)});
  CHECK_FALSE(world.worker().closed);
  world.Durable({Lives("wandb", last)});
  CHECK(world.worker().closed);
  CHECK(world.finished == 0);
  CHECK_FALSE(world.supervisor().AllDone());
  world.Exit(kExitOk);
  CHECK(world.finished == 1);
  CHECK(world.supervisor().AllDone());
  CHECK(world.notices.empty());
  world.Pass(minutes(10));
  CHECK(world.workers.size() == 1);
  CHECK(world.finished == 1);
}

TEST_CASE(
    "a worker that dies is replaced after a wait, by one that is fed behind what is durable") {
  SupervisorWorld world;
  const int64_t run = world.Add({"wandb"});
  world.Store(run, 4);
  world.Ready({Lives("wandb", 0)});
  world.Durable({Lives("wandb", 2)});
  world.Exit(0, SIGKILL);
  CHECK(world.workers.size() == 1);
  world.Store(run, 1);
  world.Pass(milliseconds(200));
  REQUIRE(world.workers.size() == 2);
  CHECK(world.Opened() == "wandb:2");
  world.Ready({Lives("wandb", 1)});  // an event without effects leaves no trace in it
  // A slice of the journal is given from its beginning.
  CHECK(world.Given() == Positions{1, 2, 3, 4, 5});
  CHECK(world.notices.size() == 1);
  world.Exit(0, SIGKILL);
  world.Pass(milliseconds(200));
  CHECK(world.workers.size() == 2);  // the second wait is longer
  world.Pass(milliseconds(200));
  CHECK(world.workers.size() == 3);
}

TEST_CASE("an event at which three workers die of themselves is left out of its run") {
  for (const int signal : {SIGSEGV, SIGKILL}) {
    SupervisorWorld world;
    const int64_t run = world.Add({"wandb"});
    world.Store(run, 3);
    for (int death = 0; death < 3; ++death) {
      world.Ready({Lives("wandb", 0)});
      world.worker().at_work = 2;
      world.Exit(0, signal);
      world.Pass(seconds(30));
    }
    CHECK(world.workers.size() == 4);
    CHECK(world.Quarantined(".event") == (signal == SIGSEGV ? 1 : 0));
    world.Ready({Lives("wandb", 0)});
    CHECK(world.Given() == Positions{1, 2, 3});  // in its place there is one without effect
  }
}

// How often workers are killed at the same event until it is left out, of 20 times at most.
size_t KillsUntilLeftOut(bool by_bridge) {
  SupervisorWorld world;
  world.Store(world.Add({"wandb"}), 3);
  for (size_t kills = 1; kills <= 20; ++kills) {
    world.Ready({Lives("wandb", 0)});
    world.worker().at_work = 2;
    if (by_bridge) world.Ready({Lives("nonsense", 0)});
    CHECK(world.worker().killed == by_bridge);
    world.Exit(0, SIGKILL);
    world.Pass(seconds(30));
    if (world.Quarantined(".event") == 1) return kills;
  }
  return 0;
}

TEST_CASE("an event at which workers are killed for memory again and again is left out") {
  CHECK(KillsUntilLeftOut(false) == 10);
  CHECK(KillsUntilLeftOut(true) == 0);  // no fault of the event
}

TEST_CASE("a worker that says nonsense is killed") {
  SupervisorWorld world;
  const int64_t run = world.Add({"wandb"});
  world.Store(run, 3);
  world.Ready({Lives("wandb", 4)});  // there is no such event yet
  CHECK(world.worker().killed);
  SupervisorWorld other;
  other.Store(other.Add({"wandb"}), 3);
  other.Ready({Lives("jsonl", 1)});
  CHECK(other.worker().killed);
}

TEST_CASE("a worker that reads on is waited for, however long; one that is silent is killed") {
  SupervisorWorld world;
  const int64_t run = world.Add({"wandb"});
  world.Store(run, 3);
  std::string opening;
  AppendOpening(opening);
  for (int second = 0; second < 600; second += 20) {
    world.Say(opening);
    CHECK(world.supervisor().last_progress() == world.now());
    world.Pass(seconds(20));
    CHECK_FALSE(world.worker().killed);
  }
  CHECK(world.workers.size() == 1);
  world.Pass(seconds(11));
  CHECK(world.worker().killed);
}

TEST_CASE("a stop lets workers write out and starts none again") {
  SupervisorWorld world;
  const int64_t run = world.Add({"wandb"});
  world.Store(run, 3);
  world.Ready({Lives("wandb", 0)});
  world.supervisor().StopAll(Supervisor::Time(std::chrono::hours(1000)));
  CHECK(world.worker().closed);
  world.Durable({Lives("wandb", 2)});
  world.Exit(kExitOk);
  world.Pass(minutes(10));
  CHECK(world.workers.size() == 1);
  CHECK(world.durable == 2);
  CHECK_FALSE(world.supervisor().AllDone());
  CHECK(world.supervisor().Undone() == std::vector<std::string>{"site"});
}

TEST_CASE("a run whose only receiver refuses is not tried again, and keeps its events") {
  SupervisorWorld world;
  world.Store(world.Add({"wandb"}), 3, true);
  std::string words;
  AppendNotice({NoticeLevel::kError, "no such folder"}, words);
  world.Say(words);
  world.Exit(kExitConfig);
  world.Pass(std::chrono::hours(3));
  CHECK(world.workers.size() == 1);
  CHECK(world.supervisor().NothingMoves());
  CHECK_FALSE(world.supervisor().AllDone());
  CHECK(world.finished == 0);
  CHECK(world.supervisor().Undone() == std::vector<std::string>{"site (no such folder)"});
  CHECK(world.Quarantined("") == 0);
}

TEST_CASE(
    "where a run that failed for good is not waited for, its events go to quarantine in time") {
  Supervisor::Limits limits;
  limits.gives_up_runs = true;
  limits.patience.bytes = 10000;
  for (const bool too_much : {false, true}) {
    CAPTURE(too_much);
    SupervisorWorld world(limits);
    const int64_t run = world.Add({"wandb"});
    world.Store(run, 3);
    std::string words;
    AppendNotice({NoticeLevel::kError, "makes no sense"}, words);
    world.Say(words);
    world.Exit(kExitConfig);
    world.Pass(minutes(59));
    CHECK(world.durable == 0);
    if (too_much) {
      world.Store(run, 1, false, 20000);
      world.Pass(seconds(1));
      CHECK(world.durable == 4);
    } else {
      world.Pass(minutes(1));
      CHECK(world.durable == 3);
    }
    CHECK(world.notices.back().starts_with("wandb is given up (makes no sense)"));
    // Its end goes there, too, and then nothing is left of it.
    const uint64_t last = world.Store(run, 2, true);
    world.Pass(seconds(1));
    CHECK(world.durable == last);
    CHECK(world.finished == 1);
    CHECK(world.workers.size() == 1);
    CHECK(world.Quarantined(".wandb.events") == last);
    CHECK(world.supervisor().AllDone());
  }
}

TEST_CASE("a run that was complete before the start, and not dropped, is finished at the start") {
  SupervisorWorld world;
  world.AddComplete({"wandb"});
  CHECK(world.finished == 1);
  CHECK(world.workers.empty());
}

TEST_CASE("what is to be uploaded is told again when a run that was done with goes on") {
  SupervisorWorld world;
  const int64_t run = world.Add({"wandb"});
  world.Store(run, 1, true);
  std::string frame;
  AppendUpload({"wandb", "/a"}, frame);
  world.Say(frame);
  world.Ready({Lives("wandb", 0)});
  CHECK(world.uploads == std::vector<std::string>{"wandb /a"});
  world.Store(run, 1);
  CHECK(world.uploads.size() == 2);
}

}  // namespace
}  // namespace flarebridge
