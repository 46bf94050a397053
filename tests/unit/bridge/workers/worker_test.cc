// A worker as a process of its own, and its bridge's side of the socket played here.
#include "bridge/workers/worker.h"

#include <doctest/doctest.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <string>
#include <vector>

#include "bridge/process/exit_code.h"
#include "events/worker_frame.h"
#include "receivers/files/unique_fd.h"
#include "tests/unit/temp_folder.h"

namespace flarebridge {
namespace {

using flarebridge::testing::TempFolder;
using Kinds = std::vector<FrameKind>;

// Lets a worker open a run in both receivers, and leave. Gives what it said.
Kinds OpenOnce(const std::string& folder) {
  std::array<int, 2> ends{};
  REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) == 0);
  const pid_t child = fork();
  if (child == 0) {
    close(ends[0]);
    _exit(RunWorker(ends[1], -1, false));
  }
  close(ends[1]);
  const UniqueFd socket(ends[0]);
  OpenFrame open;
  open.run.journal = "0123456789abcdef";
  open.run.job = open.run.site = open.run.run_name = "x";
  open.run.side = "server";
  open.run.folder = folder;
  open.run.started = 1789000000;
  open.run.receivers = Document::Parse("\x82\xa5wandb\x80\xa5jsonl\x80").value();
  open.receivers = {{"wandb", 0}, {"jsonl", 0}};
  std::string bytes;
  AppendOpen(open, bytes);
  REQUIRE(send(socket.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL) ==
          static_cast<ssize_t>(bytes.size()));
  shutdown(socket.get(), SHUT_WR);
  FrameReader reader;
  Kinds kinds;
  std::array<char, 4096> room{};
  for (ssize_t got = 0; (got = recv(socket.get(), room.data(), room.size(), 0)) > 0;) {
    reader.Feed({room.data(), static_cast<size_t>(got)});
    FrameReader::Frame frame{};
    while (reader.Next(frame).value()) kinds.push_back(frame.kind);
  }
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  CHECK(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == kExitOk);
  return kinds;
}

TEST_CASE("a worker that reads what is there says so before it is ready") {
  const TempFolder temp;
  const std::string folder = temp.path().string();
  CHECK(OpenOnce(folder).back() == FrameKind::kDurable);
  const Kinds again = OpenOnce(folder);
  CHECK(again == Kinds{FrameKind::kOpening, FrameKind::kReady, FrameKind::kDurable});
}

}  // namespace
}  // namespace flarebridge
