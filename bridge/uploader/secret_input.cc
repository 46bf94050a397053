#include "bridge/uploader/secret_input.h"

#include <termios.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <iostream>

namespace flarebridge {
namespace {

// The longest line; keys have 40 to some hundred letters.
constexpr size_t kMostBytes = 16384;

// While it lives, the terminal does not show what is typed, and Ctrl-C ends a read.
class NoEcho {
 public:
  NoEcho() {
    is_terminal_ = tcgetattr(STDIN_FILENO, &before_) == 0;
    if (!is_terminal_) return;
    struct sigaction interrupted {};  // without SA_RESTART: a read that waits is over
    interrupted.sa_handler = [](int) {};
    sigaction(SIGINT, &interrupted, &old_);
    termios silent = before_;
    silent.c_lflag &= ~static_cast<tcflag_t>(ECHO);
    tcsetattr(STDIN_FILENO, TCSAFLUSH, &silent);
  }
  ~NoEcho() {
    if (!is_terminal_) return;
    tcsetattr(STDIN_FILENO, TCSAFLUSH, &before_);
    sigaction(SIGINT, &old_, nullptr);
    std::cerr << "\n";  // in place of the one that was typed
  }
  NoEcho(const NoEcho&) = delete;
  NoEcho& operator=(const NoEcho&) = delete;

 private:
  bool is_terminal_ = false;
  termios before_{};
  struct sigaction old_ {};
};

}  // namespace

Expected<std::string> AskForSecret(const std::string& prompt) {
  const NoEcho silent;
  // Not before: what is typed at once would be shown, and dropped.
  if (isatty(STDIN_FILENO) == 1) std::cerr << prompt << std::flush;
  std::string line;
  char letter = 0;
  while (line.size() < kMostBytes) {
    const ssize_t got = read(STDIN_FILENO, &letter, 1);
    if (got < 0 && errno == EINTR) return Fail(ErrorCode::kBusy, "interrupted");
    if (got <= 0 || letter == '\n') break;
    line.push_back(letter);
  }
  if (line.empty()) return Fail(ErrorCode::kIo, "no API key came on standard input");
  return line;
}

}  // namespace flarebridge
