#include <doctest/doctest.h>

#include "receivers/upload/rate_limit.h"
#include "receivers/upload/retry_policy.h"

namespace flarebridge {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

TEST_CASE("statuses mean what they mean to W&B's own client") {
  for (const long status : {200, 201, 204}) CHECK(Judge(status) == Outcome::kSuccess);
  for (const long status : {400, 401, 403, 404, 409, 410, 413, 422, 501, 301, 307})
    CHECK(Judge(status) == Outcome::kRefused);
  for (const long status : {0, 408, 418, 425, 429, 500, 502, 503, 504, 599, 700})
    CHECK(Judge(status) == Outcome::kRetry);
}

TEST_CASE("waits double from the first to the longest") {
  const RetryWaits waits;
  CHECK(WaitBefore(waits, 0, 0, std::nullopt) == seconds(2));
  CHECK(WaitBefore(waits, 1, 0, std::nullopt) == seconds(4));
  CHECK(WaitBefore(waits, 1, 1, std::nullopt) == seconds(5));
  for (const unsigned attempt : {5U, 20U, 10000U, ~0U})
    CHECK(WaitBefore(waits, attempt, 1, std::nullopt) == seconds(60));
}

TEST_CASE("what a server asks for is waited, up to an hour") {
  CHECK(WaitBefore({}, 3, 0, 0.25) == milliseconds(250));
  CHECK(WaitBefore({}, 3, 0, 600) == seconds(600));
  CHECK(WaitBefore({}, 3, 0, 1e12) == seconds(3600));
  CHECK(WaitBefore({}, 0, 0, -1) == seconds(2));
}

TEST_CASE("a request that fails is made again, until it has failed for too long") {
  Retries retries;
  const Retries::Time start{seconds(1000)};
  const auto fail = [&](Retries::Time now) {
    return retries.Failed(now, {}, 0, std::nullopt, seconds(10));
  };
  CHECK_FALSE(retries.failing());
  CHECK(fail(start) == start + seconds(2));
  CHECK(retries.failing());
  CHECK(fail(start + seconds(2)) == start + seconds(6));
  CHECK(fail(start + seconds(6)) == std::nullopt);
  retries.Over();
  CHECK_FALSE(retries.failing());
  CHECK(fail(start + seconds(20)) == start + seconds(22));
}

// Requests that are taken within a time, by one who asks again when it is told to.
int Taken(RateLimit& limit, RateLimit::Time from, seconds time) {
  int taken = 0;
  for (RateLimit::Time now = from; now < from + time;) {
    const auto later = limit.Take(now);
    if (!later) ++taken;
    if (later) {
      CHECK(*later > now);
      now = *later;
    }
  }
  return taken;
}

TEST_CASE("no more than the rate is taken, but for a few at once") {
  RateLimit limit;
  const RateLimit::Time start{seconds(1000)};
  const int taken = Taken(limit, start, seconds(10));
  CHECK(taken >= 10 * RateLimit::kMost);
  CHECK(taken <= 10 * RateLimit::kMost + 11);
}

TEST_CASE("a server that is too busy is left alone for as long as it says, then asked less often") {
  RateLimit limit;
  const RateLimit::Time start{seconds(1000)};
  limit.Busy(start, 5);
  CHECK(limit.Take(start + seconds(4)) == start + seconds(5));
  CHECK(Taken(limit, start + seconds(5), seconds(10)) < 6 * RateLimit::kMost);
  for (int i = 1; i < 100; ++i) limit.Busy(start + seconds(100 + 2 * i), std::nullopt);
  const int least = Taken(limit, start + seconds(400), seconds(100));
  CHECK(least >= 100 * RateLimit::kLeast);
  CHECK(least <= 100 * RateLimit::kLeast + 11);
}

TEST_CASE("refusals of one moment count once") {
  RateLimit limit;
  const RateLimit::Time start{seconds(1000)};
  for (int i = 0; i < 100; ++i) limit.Busy(start, 0);
  CHECK(Taken(limit, start + seconds(1), seconds(10)) > 4 * RateLimit::kMost);
}

TEST_CASE("what a server says is left is spread over its time") {
  RateLimit limit;
  const RateLimit::Time start{seconds(1000)};
  limit.Taken(start, 20, 10);
  const int taken = Taken(limit, start, seconds(10));
  CHECK(taken >= 18);
  CHECK(taken <= 32);
  limit.Taken(start + seconds(20), 0, 30);
  CHECK(limit.Take(start + seconds(21)) == start + seconds(50));
}

TEST_CASE("headers that make no sense change nothing") {
  RateLimit limit;
  const RateLimit::Time start{seconds(1000)};
  limit.Taken(start, -1, 10);
  limit.Taken(start, 5, 0);
  limit.Taken(start, std::nullopt, 10);
  CHECK(Taken(limit, start, seconds(1)) >= RateLimit::kMost);
}

}  // namespace
}  // namespace flarebridge
