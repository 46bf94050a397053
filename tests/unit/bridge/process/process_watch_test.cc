#include "bridge/process/process_watch.h"

#include <doctest/doctest.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <initializer_list>

namespace flarebridge {
namespace {

pid_t StartSleeper() {
  const pid_t pid = fork();
  if (pid == 0) {
    pause();
    _exit(0);
  }
  return pid;
}

// As an event loop does it: HasEnded() each time that it is time to look.
bool WaitForEnd(ProcessWatch& watch, int milliseconds) {
  pollfd ready{watch.fd(), POLLIN, 0};
  while (poll(&ready, 1, milliseconds) > 0) {
    if (watch.HasEnded()) return true;
    milliseconds -= 100;
    if (milliseconds <= 0) return false;
  }
  return false;
}

using Way = Expected<ProcessWatch> (*)(pid_t);
const std::initializer_list<Way> kWays = {&ProcessWatch::Of, &ProcessWatch::ByLooking};

TEST_CASE("a process that lives is not taken for gone, and its end is noticed, in each way") {
  for (const Way way : kWays) {
    const pid_t pid = StartSleeper();
    ProcessWatch watch = way(pid).value();
    CHECK_FALSE(WaitForEnd(watch, 300));
    kill(pid, SIGKILL);
    CHECK(WaitForEnd(watch, 10000));  // a zombie until here
    waitpid(pid, nullptr, 0);
    CHECK(watch.HasEnded());
  }
}

TEST_CASE("a process that was gone before it was watched has ended, in each way") {
  for (const Way way : kWays) {
    const pid_t pid = StartSleeper();
    kill(pid, SIGKILL);
    waitpid(pid, nullptr, 0);
    ProcessWatch watch = way(pid).value();
    CHECK(WaitForEnd(watch, 10000));
  }
}

TEST_CASE("another user's process is watched, too") {
  ProcessWatch watch = ProcessWatch::ByLooking(1).value();
  CHECK_FALSE(watch.HasEnded());
}

}  // namespace
}  // namespace flarebridge
