#include "bridge/process/process_watch.h"

#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <cerrno>
#include <sstream>
#include <string>

#include "receivers/files/open_file.h"
#include "receivers/files/system_error.h"

namespace flarebridge {
namespace {

// An end is noticed within this time: short beside all deadlines, and long enough to cost nothing.
constexpr long kLookNanoseconds = 100'000'000;

struct ProcessState {
  char letter = '?';
  uint64_t started = 0;  // clock ticks since the system's start
};

// What /proc tells of a process (proc(5), "stat"); nothing where it tells nothing.
std::optional<ProcessState> StateOf(pid_t pid) {
  const Expected<std::string> text = ReadWhole("/proc/" + std::to_string(pid) + "/stat", 4096);
  // The name stands in brackets and may hold any bytes.
  const size_t name_end = text ? text->rfind(')') : std::string::npos;
  if (name_end == std::string::npos) return std::nullopt;
  std::istringstream fields(text->substr(name_end + 1));
  ProcessState state;
  fields >> state.letter;
  constexpr int kFieldsBetween = 18;  // the state is field 3, the start is field 22
  std::string skipped;
  for (int i = 0; i < kFieldsBetween; ++i) fields >> skipped;
  fields >> state.started;
  if (!fields) return std::nullopt;
  return state;
}

bool IsThere(pid_t pid) { return kill(pid, 0) == 0 || errno != ESRCH; }

}  // namespace

Expected<ProcessWatch> ProcessWatch::Of(pid_t pid) {
  UniqueFd pidfd(static_cast<int>(syscall(SYS_pidfd_open, pid, 0)));
  if (pidfd) return ProcessWatch(pid, std::move(pidfd), false);
  return ByLooking(pid);
}

Expected<ProcessWatch> ProcessWatch::ByLooking(pid_t pid) {
  UniqueFd timer(timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK));
  itimerspec period{};
  period.it_interval.tv_nsec = period.it_value.tv_nsec = kLookNanoseconds;
  if (!timer || timerfd_settime(timer.get(), 0, &period, nullptr) != 0)
    return FailSystem("a process can't be watched");
  ProcessWatch watch(pid, std::move(timer), true);
  const std::optional<ProcessState> state = StateOf(pid);
  if (state) watch.started_ = state->started;
  watch.gone_ = !IsThere(pid);
  return watch;
}

bool ProcessWatch::HasEnded() {
  if (!looks_) {
    pollfd ended{fd_.get(), POLLIN, 0};
    return poll(&ended, 1, 0) > 0;
  }
  uint64_t rounds = 0;  // since the last look; reading them lets the timer wait again
  (void)!read(fd_.get(), &rounds, sizeof rounds);
  if (gone_ || !IsThere(pid_)) return true;
  const std::optional<ProcessState> state = StateOf(pid_);
  if (!state) return false;
  const bool another = started_ && state->started != *started_;
  return another || state->letter == 'Z' || state->letter == 'X';
}

}  // namespace flarebridge
