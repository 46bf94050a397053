#include "bridge/process/detach.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <string>

#include "bridge/process/exit_code.h"
#include "receivers/files/open_file.h"
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
  const Expected<UniqueFd> file = CreateFile(pid_file, 0600, Existing::kEmpty);
  if (!file) return FailOf(pid_file, file);
  const Expected<void> written = WriteAt(file->get(), 0, std::to_string(getpid()) + "\n");
  if (!written) return FailOf(pid_file, written);
  if (write(starter_.get(), "r", 1) != 1) return FailSystem("the starter is gone");
  starter_.Close();
  return {};
}

}  // namespace flarebridge
