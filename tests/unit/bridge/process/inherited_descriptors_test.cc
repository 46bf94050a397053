#include "bridge/process/inherited_descriptors.h"

#include <doctest/doctest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <initializer_list>
#include <string>

#include "receivers/files/unique_fd.h"

namespace flarebridge {
namespace {

// Whether a shell that is spawned finds the descriptor. Gives its status: 0 if it does.
int StatusOf(int descriptor, void (*close_from)(posix_spawn_file_actions_t&, int)) {
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  if (close_from != nullptr) close_from(actions, 5);
  std::string script = "test -e /proc/self/fd/" + std::to_string(descriptor);
  std::string shell = "sh", option = "-c";
  char* arguments[] = {shell.data(), option.data(), script.data(), nullptr};
  pid_t pid = 0;
  const int failed = posix_spawn(&pid, "/bin/sh", &actions, nullptr, arguments, environ);
  posix_spawn_file_actions_destroy(&actions);
  REQUIRE(failed == 0);
  int status = 0;
  waitpid(pid, &status, 0);
  return WEXITSTATUS(status);
}

TEST_CASE("a child finds no descriptor of a library's, in each way") {
  const UniqueFd inherited(dup2(0, 57));  // not close-on-exec
  REQUIRE(inherited.get() == 57);
  CHECK(StatusOf(57, nullptr) == 0);
  CHECK(StatusOf(57, &CloseInChildFrom) != 0);
  CHECK(StatusOf(57, &CloseListedInChildFrom) != 0);
  CHECK(StatusOf(1, &CloseListedInChildFrom) == 0);
}

}  // namespace
}  // namespace flarebridge
