#include "bridge/workers/receiver_states.h"

#include <doctest/doctest.h>

namespace flarebridge {
namespace {

using State = ReceiverStates::State;
using Time = ReceiverStates::Time;
using std::chrono::hours;
using std::chrono::seconds;

const Time kNow = Time(hours(1000));

ReceiverStates Two() { return {{"wandb", "jsonl"}, 10, ReceiverStates::Patience()}; }

ReceiverStatus Lives(const std::string& name, uint64_t durable) { return {name, durable}; }
ReceiverStatus Fails(const std::string& name) {
  return {name, 0, ReceiverCondition::kFailed, "why"};
}
ReceiverStatus Refuses(const std::string& name) {
  return {name, 0, ReceiverCondition::kRefuses, "why"};
}

TEST_CASE("what nobody needs any more is what all have, whether they live or not") {
  ReceiverStates states = Two();
  states.Open();
  CHECK(states.Forgotten() == 10);
  REQUIRE(states.Take({Lives("wandb", 30), Lives("jsonl", 20)}, 30, kNow).value().progress);
  CHECK(states.Forgotten() == 20);
  REQUIRE(states.Take({Lives("wandb", 30), Fails("jsonl")}, 30, kNow).value().failed.size() == 1);
  CHECK(states.Forgotten() == 20);
  CHECK(states.FedFrom() == 30);
  CHECK(states.HasWork(30));
  CHECK(states.OpenOnesHave(30));
}

TEST_CASE("a failure counts once, however often a worker tells it") {
  ReceiverStates states = Two();
  states.Open();
  CHECK(states.Take({Lives("wandb", 10), Fails("jsonl")}, 30, kNow)->failed.size() == 1);
  CHECK(states.Take({Lives("wandb", 20), Fails("jsonl")}, 30, kNow)->failed.empty());
  CHECK(states.all()[1].failures == 1);
  CHECK_FALSE(states.RetryIsDue(30, kNow));
  CHECK(states.RetryIsDue(30, kNow + seconds(1)));
  states.Open();
  CHECK(states.Take({Lives("wandb", 20), Fails("jsonl")}, 30, kNow)->failed.size() == 1);
  CHECK_FALSE(states.RetryIsDue(30, kNow + seconds(1)));
  CHECK(states.RetryIsDue(30, kNow + seconds(2)));
}

TEST_CASE("progress makes a later failure a first one") {
  ReceiverStates states = Two();
  for (int i = 0; i < 5; ++i) {
    states.Open();
    REQUIRE(states.Take({Lives("wandb", 10), Fails("jsonl")}, 30, kNow).has_value());
  }
  states.Open();
  REQUIRE(states.Take({Lives("wandb", 10), Lives("jsonl", 15)}, 30, kNow).has_value());
  CHECK_FALSE(states.all()[1].failed_since.has_value());
  REQUIRE(states.Take({Lives("wandb", 10), Fails("jsonl")}, 30, kNow).has_value());
  CHECK(states.RetryIsDue(30, kNow + seconds(1)));
}

TEST_CASE("one that only lives and writes nothing does not start its time anew") {
  ReceiverStates states = Two();
  Time now = kNow;
  for (int minute = 0; minute < 61; ++minute, now += std::chrono::minutes(1)) {
    states.Open();
    REQUIRE(states.Take({Lives("wandb", 30), Lives("jsonl", 10)}, 30, now).has_value());
    REQUIRE(states.Take({Lives("wandb", 30), Fails("jsonl")}, 30, now).has_value());
  }
  CHECK(states.ToGiveUp(30, false, now) == &states.all()[1]);
}

TEST_CASE("nothing is given up for time or size before the limit, or while nobody else goes on") {
  ReceiverStates states = Two();
  states.Open();
  REQUIRE(states.Take({Lives("wandb", 10), Fails("jsonl")}, 30, kNow).has_value());
  states.OnStored(uint64_t{64} << 20);
  CHECK(states.ToGiveUp(30, false, kNow + hours(1) - seconds(1)) == nullptr);
  states.OnStored(1);
  CHECK(states.ToGiveUp(30, false, kNow) == &states.all()[1]);
  states.OnWorkerGone();  // the other has not all of it, and nobody writes
  CHECK(states.ToGiveUp(30, false, kNow + hours(2)) == nullptr);
  CHECK(states.LargestBacklog(30) == nullptr);
}

TEST_CASE("one that refuses is not opened again, nor waited for when the run is over") {
  ReceiverStates states = Two();
  states.Open();
  REQUIRE(states.Take({Lives("wandb", 30), Refuses("jsonl")}, 30, kNow).has_value());
  CHECK_FALSE(states.HasWork(30));
  CHECK_FALSE(states.RetryIsDue(30, kNow + hours(1)));
  REQUIRE(states.Open().size() == 1);
  states.OnWorkerGone();
  CHECK(states.ToGiveUp(30, false, kNow) == nullptr);
  CHECK(states.ToGiveUp(30, true, kNow) == &states.all()[1]);
}

TEST_CASE("where all of a worker's receivers refuse, the worker's end tells, and nothing changes") {
  ReceiverStates states = Two();
  states.Open();
  CHECK(states.Take({Refuses("wandb"), Refuses("jsonl")}, 30, kNow)->failed.empty());
  CHECK(states.HasWork(30));
}

TEST_CASE("a state that can't be is an error") {
  ReceiverStates states = Two();
  states.Open();
  CHECK_FALSE(states.Take({Lives("other", 10)}, 30, kNow).has_value());
  CHECK_FALSE(states.Take({Lives("wandb", 31)}, 30, kNow).has_value());
}

}  // namespace
}  // namespace flarebridge
