#include "bridge/process/detach.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <fstream>

#include "bridge/process/exit_code.h"
#include "receivers/files/system_error.h"

namespace flarebridge {
namespace {

// The starter's part: it ends when the child is ready, or as the child ended.
[[noreturn]] void WaitForReady(pid_t child, int pipe) {
  char byte = 0;
  ssize_t got = 0;
  do {
    got = read(pipe, &byte, 1);
  } while (got < 0 && errno == EINTR);
  if (got == 1) _exit(kExitOk);
  int status = 0;
  waitpid(child, &status, 0);
  _exit(WIFEXITED(status) ? WEXITSTATUS(status) : kExitInternal);
}

}  // namespace

Expected<Detachment> Detachment::Detach() {
  std::array<int, 2> ends{};
  if (pipe2(ends.data(), O_CLOEXEC) != 0) return FailSystem("pipe2");
  UniqueFd ours(ends[0]);
  UniqueFd childs(ends[1]);
  const pid_t child = fork();
  if (child < 0) return FailSystem("fork");
  if (child > 0) {
    childs.Close();
    WaitForReady(child, ours.get());
  }
  setsid();
  return Detachment(std::move(childs));
}

Expected<void> Detachment::Ready(const std::string& pid_file) {
  std::ofstream file(pid_file, std::ios::trunc);
  file << getpid() << '\n';
  file.close();
  if (!file) return FailSystem(pid_file + " can't be written");
  if (write(starter_.get(), "r", 1) != 1) return FailSystem("the starter is gone");
  starter_.Close();
  return {};
}

}  // namespace flarebridge
