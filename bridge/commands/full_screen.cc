#include "bridge/commands/full_screen.h"

#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <ctime>
#include <string_view>

#include "bridge/commands/terminal.h"

namespace flarebridge {
namespace {

// The alternate screen, without a cursor, and lines that are cut off at its edge (xterm's private
// modes 1049, 25 and 7, which Linux's console, tmux and screen know).
constexpr std::string_view kEnter = "\033[?1049h\033[?25l\033[?7l";
constexpr std::string_view kLeave = "\033[?7h\033[?25h\033[?1049l";

volatile std::sig_atomic_t entered = 0;

// As a signal may: write(2) alone.
void Write(std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = write(STDOUT_FILENO, text.data(), text.size());
    if (written < 0 && errno != EINTR) return;
    if (written > 0) text.remove_prefix(static_cast<size_t>(written));
  }
}

void End(int /*signal*/) {
  if (entered != 0) Write(kLeave);
  _exit(0);
}

void Stop(int /*signal*/) {
  const int error = errno;
  if (entered != 0) Write(kLeave);
  (void)raise(SIGSTOP);
  if (entered != 0) Write(kEnter);
  errno = error;
}

void On(int number, void (*handler)(int)) {
  struct sigaction action {};
  action.sa_handler = handler;
  sigemptyset(&action.sa_mask);
  // None of them while another one writes.
  for (const int other : {SIGINT, SIGTERM, SIGTSTP}) sigaddset(&action.sa_mask, other);
  action.sa_flags = SA_RESTART;
  sigaction(number, &action, nullptr);
}

// After which the screen has to be drawn anew.
sigset_t Redraws() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGWINCH);
  sigaddset(&signals, SIGCONT);
  return signals;
}

}  // namespace

FullScreen::FullScreen() : is_terminal_(IsScreen(STDOUT_FILENO)) {
  const sigset_t signals = Redraws();
  sigprocmask(SIG_BLOCK, &signals, nullptr);  // they wait for Wait()
  for (const int number : {SIGINT, SIGTERM}) On(number, End);
  if (!is_terminal_) return;
  On(SIGTSTP, Stop);
  entered = 1;
  Write(kEnter);
}

FullScreen::~FullScreen() {
  if (!is_terminal_) return;
  Write(kLeave);
  entered = 0;
}

void FullScreen::Draw(std::vector<std::string> lines) {
  const size_t most = SizeOfTerminal(STDOUT_FILENO).lines;
  if (lines.size() > most) {
    const size_t more = lines.size() - most + 1;
    lines.resize(most);
    lines.back() = "... " + std::to_string(more) + " more lines: make the terminal higher";
  }
  // Over what stands there, line by line, so that nothing flickers. Each is erased before: behind
  // one that is as wide as the terminal the cursor is on its last character.
  std::string text = "\033[H";
  for (size_t i = 0; i < lines.size(); ++i) text += (i > 0 ? "\r\n\033[K" : "\033[K") + lines[i];
  // What is below the last line.
  if (lines.size() < most) text += "\r\n\033[J";
  Write(text);
}

bool FullScreen::Wait(std::chrono::nanoseconds time) {
  constexpr int64_t kSecond = 1'000'000'000;
  const timespec wait{time.count() / kSecond, time.count() % kSecond};
  const sigset_t signals = Redraws();
  // Interrupted: it was stopped and goes on.
  return sigtimedwait(&signals, nullptr, &wait) > 0 || errno == EINTR;
}

}  // namespace flarebridge
