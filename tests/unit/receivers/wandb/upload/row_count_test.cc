#include "receivers/wandb/upload/row_count.h"

#include <doctest/doctest.h>

namespace flarebridge::wandb {
namespace {

using std::chrono::seconds;
using Verdict = RowCount::Verdict;

constexpr RowCount::Time kStart{seconds(1000)};

TEST_CASE("as many rows as were sent, or more, are all") {
  for (const uint64_t counted : {3U, 4U}) {
    RowCount count;
    CHECK(count.Counted(counted, 3, kStart) == Verdict::kEqual);
    CHECK(count.settled());
    CHECK(count.verified());
  }
}

TEST_CASE("a short count is asked again each second, for half a minute; then all is sent, once") {
  RowCount count;
  for (int second = 0; second < 30; ++second) {
    CHECK(count.Counted(2, 3, kStart + seconds(second)) == Verdict::kAskAgain);
    CHECK(count.due() == kStart + seconds(second + 1));
  }
  CHECK(count.Counted(2, 3, kStart + seconds(30)) == Verdict::kSendAgain);
  CHECK_FALSE(count.short_for_good());
  count.Restart();
  CHECK(count.Counted(2, 3, kStart + seconds(40)) == Verdict::kAskAgain);
  CHECK(count.Counted(2, 3, kStart + seconds(70)) == Verdict::kShort);
  CHECK(count.settled());
  CHECK(count.short_for_good());
  CHECK_FALSE(count.verified());
}

TEST_CASE("a count that is refused, or fails for half a minute, is done without") {
  RowCount refused;
  CHECK(refused.Failed(true, kStart));
  CHECK(refused.settled());
  CHECK_FALSE(refused.short_for_good());
  RowCount failing;
  CHECK_FALSE(failing.Failed(false, kStart));
  CHECK_FALSE(failing.Failed(false, kStart + seconds(29)));
  CHECK(failing.Failed(false, kStart + seconds(30)));
  CHECK_FALSE(failing.verified());
}

}  // namespace
}  // namespace flarebridge::wandb
