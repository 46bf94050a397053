// What a confined process can't do, tried by one that is.
#include "bridge/workers/confine.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <functional>

#include "tests/unit/temp_folder.h"

namespace flarebridge {
namespace {

namespace fs = std::filesystem;
using flarebridge::testing::TempFolder;

// Runs the attempt in a confined child: true if it succeeded there.
bool Succeeds(const fs::path& folder, const std::function<bool()>& attempt) {
  const pid_t child = fork();
  if (child == 0) {
    Confine({folder});
    _exit(attempt() ? 0 : 1);
  }
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  REQUIRE(WIFEXITED(status));
  return WEXITSTATUS(status) == 0;
}

bool CanOpen(const fs::path& path, int flags) {
  const int fd = open(path.c_str(), flags, 0600);
  if (fd >= 0) close(fd);
  return fd >= 0;
}

TEST_CASE("a confined process writes and reads below its folder, and nowhere else") {
  const TempFolder temp;
  const fs::path own = temp.path() / "own", others = temp.path() / "others";
  fs::create_directories(own);
  fs::create_directories(others);
  std::ofstream(others / "secret") << "a key";
  CHECK(Succeeds(own, [&] { return CanOpen(own / "log", O_RDWR | O_CREAT); }));
  CHECK(Succeeds(own, [&] { return CanOpen(own / "log", O_RDWR | O_TRUNC); }));
  CHECK(Succeeds(own, [&] { return fs::create_directories(own / "files" / "media"); }));
  CHECK(Succeeds(
      own, [&] { return rename((own / "log").c_str(), (own / "files" / "moved").c_str()) == 0; }));
  CHECK(Succeeds(own, [&] { return symlink("files", (own / "latest").c_str()) == 0; }));
  CHECK(Succeeds(own, [] { return CanOpen("/proc/self/stat", O_RDONLY); }));

  CHECK_FALSE(Succeeds(own, [&] { return CanOpen(others / "secret", O_RDONLY); }));
  CHECK_FALSE(Succeeds(own, [&] { return CanOpen(others / "new", O_WRONLY | O_CREAT); }));
  CHECK_FALSE(Succeeds(own, [&] { return unlink((others / "secret").c_str()) == 0; }));
  CHECK_FALSE(Succeeds(own, [&] { return CanOpen(own / ".." / "others" / "secret", O_RDONLY); }));
  CHECK_FALSE(Succeeds(own, [&] {
    return symlink((others / "secret").c_str(), (own / "way-out").c_str()) == 0 &&
           CanOpen(own / "way-out", O_RDONLY);
  }));
}

TEST_CASE("a confined process has no network, no other program and no other process") {
  const TempFolder temp;
  const pid_t parent = getpid();
  CHECK_FALSE(Succeeds(temp.path(), [] { return socket(AF_INET, SOCK_STREAM, 0) >= 0; }));
  CHECK_FALSE(Succeeds(temp.path(), [] { return socket(AF_UNIX, SOCK_STREAM, 0) >= 0; }));
  CHECK_FALSE(Succeeds(
      temp.path(), [] { return execl("/bin/true", "true", static_cast<char*>(nullptr)) == 0; }));
#ifdef __x86_64__
  constexpr long kX32 = 0x40000000;
  CHECK(Succeeds(temp.path(), [] { return syscall(kX32 + SYS_getpid) < 0 && errno == EPERM; }));
#endif
  CHECK_FALSE(Succeeds(temp.path(), [parent] { return kill(parent, 0) == 0; }));
  CHECK_FALSE(Succeeds(temp.path(), [] {
    int last = 0;
    for (int i = 0; i < 100; ++i) last = dup(0);
    return last >= 0;
  }));
}

TEST_CASE("calls that reach out of a confined process are refused, whatever they are given") {
  const TempFolder temp;
  constexpr long kNone = -1;
  for (const long call : {SYS_socket,
                          SYS_connect,
                          SYS_bind,
                          SYS_listen,
                          SYS_accept,
                          SYS_accept4,
                          SYS_execve,
                          SYS_execveat,
                          SYS_process_vm_readv,
                          SYS_process_vm_writev,
                          SYS_pidfd_open,
                          SYS_pidfd_getfd,
                          SYS_kill,
                          SYS_tkill,
                          SYS_mount,
                          SYS_umount2,
                          SYS_unshare,
                          SYS_setns,
                          SYS_pivot_root,
                          SYS_chroot,
                          SYS_bpf,
                          SYS_perf_event_open,
                          SYS_userfaultfd,
                          SYS_keyctl,
                          SYS_add_key,
                          SYS_request_key,
                          SYS_init_module,
                          SYS_finit_module,
                          SYS_kexec_load,
                          SYS_io_uring_setup}) {
    CAPTURE(call);
    CHECK(Succeeds(temp.path(), [call] {
      return syscall(call, kNone, kNone, kNone, kNone, kNone, kNone) == kNone && errno == EPERM;
    }));
  }
}

TEST_CASE("a folder that is not there confines to nothing, and is no error") {
  const TempFolder temp;
  CHECK_FALSE(Succeeds(temp.path() / "none",
                       [&] { return CanOpen(temp.path() / "x", O_WRONLY | O_CREAT); }));
}

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
TEST_CASE("a confined process can't take a machine's memory") {
  const TempFolder temp;
  const auto take = [](size_t bytes) {
    void* room = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return room != MAP_FAILED;
  };
  CHECK(Succeeds(temp.path(), [&] { return take(size_t{1} << 30); }));
  CHECK_FALSE(Succeeds(temp.path(), [&] { return take(size_t{5} << 30); }));
}
#endif

}  // namespace
}  // namespace flarebridge
