#include "bridge/session_processes.h"

#include <doctest/doctest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>

namespace flarebridge {
namespace {

// A child that waits until it is killed.
class Child {
 public:
  Child() : pid_(fork()) {
    if (pid_ == 0) {
      while (true) pause();
    }
  }
  ~Child() { End(); }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  void End() {
    if (pid_ <= 0) return;
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
    pid_ = 0;
  }
  pid_t pid() const { return pid_; }

 private:
  pid_t pid_;
};

// Lets the loop turn until the session's process is seen to have ended, 10 s at most.
bool SeesEnd(EventLoop& loop, const SessionProcesses& processes, const std::string& session) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  while (!processes.HasEnded(session) && std::chrono::steady_clock::now() < deadline)
    loop.RunOnce(std::chrono::milliseconds(200));
  return processes.HasEnded(session);
}

TEST_CASE("of several processes the one that has died is known, and the others live") {
  const auto loop = EventLoop::Create().value();
  SessionProcesses processes(*loop);
  Child one;
  const Child other;
  const pid_t pid = one.pid();
  processes.WatchThese({{"one", pid}, {"other", other.pid()}});
  CHECK(processes.Lives("one"));
  CHECK(processes.Lives("other"));
  CHECK_FALSE(processes.AnyHasEnded());
  one.End();
  CHECK(SeesEnd(*loop, processes, "one"));
  CHECK_FALSE(processes.Lives("one"));
  CHECK(processes.Lives("other"));
  CHECK(processes.AnyHasEnded());
  processes.WatchThese({{"other", other.pid()}});
  CHECK_FALSE(processes.AnyHasEnded());
  CHECK_FALSE(processes.HasEnded("one"));
  processes.WatchThese({{"late", pid}});  // was dead before anybody looked
  CHECK(SeesEnd(*loop, processes, "late"));
  CHECK_FALSE(processes.Lives("other"));
}

}  // namespace
}  // namespace flarebridge
