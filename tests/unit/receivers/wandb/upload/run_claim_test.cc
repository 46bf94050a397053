#include "receivers/wandb/upload/run_claim.h"

#include <doctest/doctest.h>

#include <vector>

#include "receivers/wandb/upload/line_buffer.h"

namespace flarebridge::wandb {
namespace {

using std::chrono::seconds;

constexpr RunClaim::Time kStart{seconds(1000)};

RunThere There(uint64_t rows, const std::string& last_row) {
  return {true, {{kHistoryStream, rows}, {kEventsStream, 2}, {kConsoleStream, 9}}, last_row};
}

// Logs that have brought so many rows there, of a part that began at 1000 s.
RunClaim::Local Local(uint64_t explained, const std::string& row = "") {
  RunClaim::Local local;
  if (explained > 0) local.explained = {{kHistoryStream, explained}};
  local.start_time = 1000;
  local.row = [row](uint64_t) { return row; };
  return local;
}

const std::string kOlder = R"({"_timestamp":999,"loss":1})";
const std::string kNewer = R"({"_timestamp":1001,"loss":1})";

TEST_CASE("a run that is not there begins at its first line") {
  RunClaim claim;
  const auto base = claim.Decide({}, Local(0), kStart);
  REQUIRE(base);
  REQUIRE(*base);
  CHECK((*base)->empty());
  CHECK_FALSE(claim.existed());
}

TEST_CASE("a run that is not there though parts of it were brought there is refused") {
  CHECK(RunClaim().Decide({}, Local(3), kStart).error().code == ErrorCode::kForbidden);
}

TEST_CASE(
    "rows that the earlier parts explain are no reason to wait, also if they are counted late") {
  for (const uint64_t rows : {0U, 2U, 3U}) {
    RunClaim claim;
    const auto base = claim.Decide(There(rows, kNewer), Local(3), kStart);
    REQUIRE(base);
    REQUIRE(*base);
    CHECK(**base == RunClaim::Lines{{kHistoryStream, 3}});
    CHECK(claim.existed());
  }
}

TEST_CASE("a last row that is one of these logs' own means that all were sent from here") {
  const auto base = RunClaim().Decide(There(5, kNewer), Local(3, kNewer), kStart);
  REQUIRE(base);
  REQUIRE(*base);
  CHECK(**base == RunClaim::Lines{{kHistoryStream, 3}});
}

TEST_CASE("lines come behind older ones of elsewhere once their count stays the same") {
  RunClaim claim;
  for (const auto& [rows, at] :
       std::vector<std::pair<uint64_t, int>>{{5, 0}, {5, 4}, {7, 6}, {7, 10}}) {
    const auto base = claim.Decide(There(rows, kOlder), Local(3), kStart + seconds(at));
    REQUIRE(base);
    CHECK_FALSE(*base);
    CHECK(claim.due() > kStart + seconds(at));
  }
  const auto base = claim.Decide(There(7, kOlder), Local(3), kStart + seconds(11));
  REQUIRE(base);
  REQUIRE(*base);
  CHECK(**base == RunClaim::Lines{{kHistoryStream, 7}, {kEventsStream, 2}, {kConsoleStream, 9}});
}

TEST_CASE("rows of elsewhere that are newer than the log, or tell no time, are refused") {
  for (const std::string& last :
       {kNewer, std::string(R"({"loss":1})"), std::string("?"), std::string()}) {
    RunClaim claim;
    (void)claim.Decide(There(5, last), Local(0), kStart);
    const auto base = claim.Decide(There(5, last), Local(0), kStart + seconds(5));
    REQUIRE_FALSE(base);
    CHECK(base.error().code == ErrorCode::kForbidden);
  }
}

TEST_CASE("rows are the same whatever the order of their keys and the form of their numbers") {
  CHECK(IsSameRow(R"({"a":1,"b":NaN})", R"({ "b": NaN, "a": 1.0 })"));
  CHECK_FALSE(IsSameRow(R"({"a":1})", R"({"a":2})"));
  CHECK_FALSE(IsSameRow("", R"({"a":2})"));
  CHECK_FALSE(IsSameRow("?", "!"));
}

}  // namespace
}  // namespace flarebridge::wandb
