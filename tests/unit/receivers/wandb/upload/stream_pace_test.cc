#include "receivers/wandb/upload/stream_pace.h"

#include <doctest/doctest.h>

#include <vector>

namespace flarebridge::wandb {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr StreamPace::Time kStart{seconds(1000)};

// When a run that always has lines makes its first requests, in milliseconds from the beginning.
std::vector<int64_t> Requests(int count, bool full) {
  StreamPace pace;
  pace.Begin(kStart);
  std::vector<int64_t> times;
  StreamPace::Time now = kStart;
  for (int i = 0; i < count; ++i) {
    now = std::max(now, pace.due());
    times.push_back((now - kStart) / milliseconds(1));
    pace.Sent(now, full);
  }
  return times;
}

TEST_CASE("after a quiet time a few requests go at once, at most two a second; then every 2 s") {
  CHECK(Requests(10, false) ==
        std::vector<int64_t>{0, 500, 1000, 1500, 2000, 2500, 3000, 4000, 6000, 8000});
}

TEST_CASE("full requests go one behind the other") {
  CHECK(Requests(5, true) == std::vector<int64_t>{0, 0, 0, 0, 0});
}

TEST_CASE("behind a backlog, however long, lines are gathered no longer than ever") {
  StreamPace pace;
  pace.Begin(kStart);
  for (int i = 0; i < 1000; ++i) pace.Sent(kStart, true);
  pace.Sent(kStart, false);
  CHECK(pace.due() == kStart + seconds(2));
}

TEST_CASE("full requests wait, too, once the server has said that they are too many") {
  StreamPace pace;
  pace.Begin(kStart);
  pace.SlowDown();
  pace.Sent(kStart, true);
  CHECK(pace.due() == kStart + milliseconds(500));
}

TEST_CASE("when nobody waits for more, lines go as soon as they may") {
  StreamPace pace;
  pace.Begin(kStart);
  for (int i = 0; i < 7; ++i) pace.Sent(kStart, false);
  CHECK(pace.due() == kStart + seconds(2));
  pace.GatherNoMore();
  CHECK(pace.due() == kStart + milliseconds(500));
}

TEST_CASE("a sign of life is due half a minute after the last request") {
  StreamPace pace;
  pace.Begin(kStart);
  pace.Sent(kStart + seconds(5), false);
  CHECK(pace.alive_due() == kStart + seconds(35));
}

}  // namespace
}  // namespace flarebridge::wandb
