// The law that the server is told nothing which this machine's disk may still lose: what is brought
// to the disk is seen at the system call, which this file takes the place of.
#include <doctest/doctest.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <map>

#include "events/mutex.h"
#include "receivers/wandb/upload/run_upload.h"
#include "tests/unit/receivers/wandb/upload/made_run.h"
#include "tests/unit/receivers/wandb/upload/scripted_server.h"
#include "tests/unit/temp_folder.h"

namespace {

// How much of each file is on the disk, by inode.
flarebridge::Mutex& PersistedMutex() {
  static flarebridge::Mutex mutex;
  return mutex;
}
std::map<ino_t, off_t>& Persisted() {
  static std::map<ino_t, off_t> persisted;
  return persisted;
}

}  // namespace

// In place of the C library's, in all of this program.
extern "C" int fdatasync(int fd) {
  struct stat info {};
  if (fstat(fd, &info) == 0) {
    const flarebridge::MutexLock lock(PersistedMutex());
    Persisted()[info.st_ino] = info.st_size;
  }
  return static_cast<int>(syscall(SYS_fdatasync, fd));
}

namespace flarebridge::wandb {
namespace {

using flarebridge::testing::TempFolder;
using testing::MadeRun;
using testing::ScriptedServer;

TEST_CASE("rows and a run's end are on this machine's disk before the server is told of them") {
  const TempFolder temp;
  MadeRun run(temp.path());
  Clock::time_point now{std::chrono::seconds(100'000)};
  ScriptedServer server(now);
  UploadService service;
  service.account.base_url = "http://server";
  service.account.key = "made-up";
  service.now = [&now] { return now; };
  UploadOptions options;
  options.follow = true;
  RunUpload upload(service, run.log(), options);
  size_t told = 0;
  const auto check = [&] {
    struct stat info {};
    REQUIRE(stat(run.log().c_str(), &info) == 0);
    const MutexLock lock(PersistedMutex());
    CHECK(Persisted()[info.st_ino] == info.st_size);
    ++told;
  };
  server.Before("lines", check);
  server.Before("end", check);
  for (int piece = 0; piece < 5; ++piece) {
    run.Rows(3);
    if (piece == 4) run.End();
    for (bool done = false; !done && server.rows.size() < 3U * (static_cast<size_t>(piece) + 1);) {
      const Expected<Upload::Turn> turn = upload.Step(server);
      REQUIRE(turn.has_value());
      done = turn->done;
      now = std::max(now, turn->next);
    }
  }
  for (bool done = false; !done;) {
    const Expected<Upload::Turn> turn = upload.Step(server);
    REQUIRE(turn.has_value());
    done = turn->done;
    now = std::max(now, turn->next);
  }
  CHECK(server.rows.size() == 15);
  CHECK(told >= 6);
}

}  // namespace
}  // namespace flarebridge::wandb
