// What a confined process can't do, tried by one that is.
#include "bridge/workers/confine.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <functional>
#include <string>

#include "tests/unit/temp_folder.h"

namespace flarebridge {
namespace {

namespace fs = std::filesystem;
using flarebridge::testing::TempFolder;

// Runs the attempt in a confined child: true if it succeeded there.
bool Succeeds(const fs::path& folder, const std::function<bool()>& attempt) {
  const pid_t child = fork();
  if (child == 0) {
    (void)Confine({folder});
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
  CHECK(Succeeds(own, [] { return CanOpen("/proc/stat", O_RDONLY); }));

  CHECK_FALSE(Succeeds(own, [&] { return CanOpen(temp.path(), O_RDONLY | O_DIRECTORY); }));
  CHECK_FALSE(Succeeds(own, [&] { return CanOpen(others / "secret", O_RDONLY); }));
  CHECK_FALSE(Succeeds(own, [&] { return CanOpen(others / "new", O_WRONLY | O_CREAT); }));
  CHECK_FALSE(Succeeds(own, [&] { return unlink((others / "secret").c_str()) == 0; }));
  CHECK_FALSE(Succeeds(own, [&] { return CanOpen(own / ".." / "others" / "secret", O_RDONLY); }));
  CHECK_FALSE(Succeeds(own, [&] {
    return symlink((others / "secret").c_str(), (own / "way-out").c_str()) == 0 &&
           CanOpen(own / "way-out", O_RDONLY);
  }));
}

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
TEST_CASE("a confined process sees no other process, and not even itself") {
  const TempFolder temp;
  for (const char* name : {"stat", "environ", "maps", "mem", "fd"}) {
    const fs::path own = fs::path("/proc/self") / name;
    const fs::path parents = "/proc/" + std::to_string(getpid()) + "/" + name;
    CHECK_FALSE(Succeeds(temp.path(), [&] { return CanOpen(own, O_RDONLY); }));
    CHECK_FALSE(Succeeds(temp.path(), [&] { return CanOpen(parents, O_RDONLY); }));
  }
}
#endif

TEST_CASE("once its run is open, a confined process reaches that run's folder alone") {
  const TempFolder temp;
  const fs::path root = temp.path(), own = root / "run-1", others = root / "run-2";
  fs::create_directories(own / "files");
  fs::create_directories(others);
  std::ofstream(others / "log") << "another run's";
  const auto succeeds = [&](const std::function<bool()>& attempt) {
    return Succeeds(root, [&] { return ConfineTo({own}).has_value() && attempt(); });
  };
  CHECK(succeeds([&] { return CanOpen(own / "log", O_RDWR | O_CREAT | O_TRUNC); }));
  CHECK(succeeds([&] { return fs::create_directories(own / "files" / "media"); }));
  CHECK(
      succeeds([&] { return rename((own / "log").c_str(), (own / "files" / "b").c_str()) == 0; }));
  CHECK(succeeds([&] { return unlink((own / "files" / "b").c_str()) == 0; }));

  CHECK_FALSE(succeeds([&] { return CanOpen(others / "log", O_RDONLY); }));
  CHECK_FALSE(succeeds([&] { return CanOpen(others / "log", O_WRONLY | O_TRUNC); }));
  CHECK_FALSE(succeeds([&] { return truncate((others / "log").c_str(), 0) == 0; }));
  CHECK_FALSE(succeeds([&] { return chmod((others / "log").c_str(), 0777) == 0; }));
  CHECK_FALSE(succeeds([&] { return unlink((others / "log").c_str()) == 0; }));
  CHECK_FALSE(succeeds([&] { return rename(others.c_str(), (own / "stolen").c_str()) == 0; }));
  CHECK_FALSE(succeeds([&] { return CanOpen(root / "new", O_WRONLY | O_CREAT); }));
  CHECK_FALSE(succeeds([&] { return symlink("log", (own / "link").c_str()) == 0; }));
  CHECK(fs::file_size(others / "log") == 13);
}

TEST_CASE("a file that was open before stays so") {
  const TempFolder temp;
  CHECK(Succeeds(temp.path(), [&] {
    const int file = open((temp.path() / "log").c_str(), O_RDWR | O_CREAT, 0600);
    return ConfineTo({}).has_value() && write(file, "x", 1) == 1 && ftruncate(file, 0) == 0 &&
           fsync(file) == 0;
  }));
}

TEST_CASE("here all of it holds, and a process tells so") {
  CHECK(MissingConfinement().empty());
  Confinement less{Fail(ErrorCode::kUnsupported, "no files"), {}};
  CHECK_FALSE(less.holds());
  CHECK(less.Missing() == "files are not kept apart (no files)");
  less.calls = Fail(ErrorCode::kUnsupported, "no calls");
  CHECK(less.Missing().ends_with(", system calls are not limited (no calls)"));
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
