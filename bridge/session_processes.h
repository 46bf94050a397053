// The processes of sessions that have told theirs, each watched: several processes share the runs
// of a bridge that none of them is the parent of, and one that dies is to end its own session only.
// Used by Bridge. One thread.
#pragma once

#include <sys/types.h>

#include <map>
#include <string>

#include "bridge/process/event_loop.h"
#include "bridge/process/process_watch.h"

namespace flarebridge {

class SessionProcesses {
 public:
  explicit SessionProcesses(EventLoop& loop) : loop_(loop) {}
  ~SessionProcesses();
  SessionProcesses(const SessionProcesses&) = delete;
  SessionProcesses& operator=(const SessionProcesses&) = delete;

  // These are to be watched, by session, and no others. One that can't be watched is left to the
  // clock, as a session that has told no process.
  void WatchThese(const std::map<std::string, pid_t>& processes);
  bool Lives(const std::string& session) const;
  bool HasEnded(const std::string& session) const;
  bool AnyHasEnded() const { return ended_ > 0; }

 private:
  struct Watched {
    ProcessWatch watch;
    bool ended = false;
  };
  using Sessions = std::map<std::string, Watched>;

  void Watch(const std::string& session, pid_t pid);
  Sessions::iterator Release(Sessions::iterator session);

  EventLoop& loop_;
  Sessions sessions_;
  size_t ended_ = 0;
};

}  // namespace flarebridge
