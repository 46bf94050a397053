#include "receivers/wandb/upload/summary_updates.h"

#include <doctest/doctest.h>

#include "receivers/wandb/upload/line_buffer.h"

namespace flarebridge::wandb {
namespace {

using std::chrono::seconds;

constexpr SummaryUpdates::Time kStart{seconds(1000)};

TEST_CASE("a summary is due while it differs from the one that was confirmed") {
  SummaryUpdates summary;
  CHECK_FALSE(summary.IsDue(0, false, kStart));
  CHECK(summary.IsDue(3, false, kStart));
  CHECK(summary.Take("{}", 3) == "{}");
  CHECK(summary.IsDue(3, false, kStart));  // no answer yet
  summary.Confirm(kStart);
  CHECK_FALSE(summary.IsDue(3, true, kStart));
  CHECK(summary.IsDue(4, false, kStart));
}

TEST_CASE("a large one goes every 15 s, but with the run's end at once") {
  SummaryUpdates summary;
  (void)summary.Take(std::string(70'000, 'x'), 1);
  summary.Confirm(kStart);
  CHECK_FALSE(summary.IsDue(2, false, kStart + seconds(14)));
  CHECK(summary.IsDue(2, false, kStart + seconds(15)));
  CHECK(summary.IsDue(2, true, kStart));
}

TEST_CASE("what a request without a summary confirms is no summary") {
  SummaryUpdates summary;
  (void)summary.Take("{}", 7);  // its request gets no answer, or is about a log that is read anew
  SUBCASE("read anew") { summary.Restart(); }
  SUBCASE("made again without it") { summary.LeaveOut(); }
  summary.Confirm(kStart);
  CHECK(summary.IsDue(7, true, kStart));
}

TEST_CASE("a large one whose request failed goes with the next one") {
  SummaryUpdates summary;
  (void)summary.Take(std::string(70'000, 'x'), 1);
  CHECK(summary.IsDue(1, false, kStart));
}

TEST_CASE("one that no server takes is not sent, and is told") {
  SummaryUpdates summary;
  CHECK(summary.Take(std::string(kMaxLine + 1, 'x'), 1).empty());
  CHECK(summary.too_long());
  CHECK(summary.Take("{}", 2) == "{}");
  CHECK_FALSE(summary.too_long());
}

}  // namespace
}  // namespace flarebridge::wandb
