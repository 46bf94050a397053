// The whole terminal for a command that shows something until it is ended: what stood there before
// comes back when it ends, by whatever signal. Where standard output is no terminal nothing is
// drawn over. One at a time, on the main thread. Used by `show --watch`.
#pragma once

#include <chrono>
#include <string>
#include <vector>

namespace flarebridge {

class FullScreen {
 public:
  // From now on SIGINT and SIGTERM end the process with status 0. Ctrl-Z gives the terminal back
  // until the process goes on.
  FullScreen();
  ~FullScreen();
  FullScreen(const FullScreen&) = delete;
  FullScreen& operator=(const FullScreen&) = delete;

  // Whether there is a screen to draw on.
  bool is_terminal() const { return is_terminal_; }

  // In place of what stands there. Lines that are too wide are cut off by the terminal; of those
  // that it has no room for the last ones are left out, which the last one that it shows tells.
  void Draw(std::vector<std::string> lines);

  // Waits so long. True: sooner, because it has to be drawn anew; its size has changed, or it was
  // not ours for a while.
  bool Wait(std::chrono::nanoseconds time);

 private:
  const bool is_terminal_;
};

}  // namespace flarebridge
