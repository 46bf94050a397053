// One process of ours as the bridge sees it, a worker or the uploader: a program that is started
// with one inherited socket, and watched. Spawning, sending and reaping, no policy: the
// supervisor decides. The bridge's one thread.
#pragma once

#include <sys/types.h>

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "bridge/process/process_watch.h"
#include "bridge/process/work_mark.h"
#include "events/error.h"
#include "receivers/files/unique_fd.h"

namespace flarebridge {

class ChildProcess {
 public:
  // How a process ended.
  struct Exit {
    int status = 0;  // its exit status, if it left by itself
    int signal = 0;  // the signal that ended it, else 0
    std::string Describe() const;
  };

  // The descriptors that the process finds.
  static constexpr int kSocket = 3, kMark = 4;
  // What is started.
  struct Program {
    std::string path = "/proc/self/exe";  // this program
    std::vector<std::string> arguments;
    // Has a WorkMark.
    bool marked = false;
    // What it finds in its environment besides ours: NAME=value.
    std::vector<std::string> environment = {};
  };
  // Starts the program. It has the descriptors above and no other of ours, default signals and an
  // empty signal mask. Errors: kIo.
  static Expected<std::unique_ptr<ChildProcess>> Spawn(Program program);
  // Kills and reaps what is still there.
  ~ChildProcess();
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;

  pid_t pid() const { return pid_; }
  int socket() const { return socket_.get(); }
  // Readable when it may have ended: see Reap().
  int end() const { return watch_.fd(); }
  // The journal's position of the event that a worker is at, or was at when it died; 0: none.
  uint64_t at_work() const { return mark_ ? mark_->Get() : 0; }

  // Sends what fits without waiting; gives the bytes taken. A worker that is gone takes nothing.
  size_t Send(std::string_view bytes);
  // Appends what has come to out. False: the worker has closed its end.
  bool Receive(std::string& out);
  // Tells the worker that nothing will follow.
  void CloseStream();
  void Kill();
  void Terminate();
  // It goes on by itself when this object is gone.
  void LetGo();
  // After end() became readable. Nothing: still running.
  std::optional<Exit> Reap();

 private:
  ChildProcess(pid_t pid, ProcessWatch watch, UniqueFd socket, std::optional<WorkMark> mark)
      : pid_(pid), watch_(std::move(watch)), socket_(std::move(socket)), mark_(std::move(mark)) {}

  pid_t pid_;
  ProcessWatch watch_;
  UniqueFd socket_;
  std::optional<WorkMark> mark_;
};

}  // namespace flarebridge
