#include "bridge/uploader/sync_screen.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <iostream>

#include "events/printable.h"

namespace flarebridge {
namespace {

using std::chrono::steady_clock;

// Between two lines of progress where there is no terminal.
constexpr std::chrono::seconds kTellInterval{30};

size_t TerminalWidth() {
  winsize size{};
  const bool known = ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0;
  return known ? size.ws_col : 80;
}

std::string Bar(double part) {
  constexpr size_t kWidth = 20;
  const auto filled = static_cast<size_t>(std::clamp(part, 0.0, 1.0) * kWidth);
  return "[" + std::string(filled, '#') + std::string(kWidth - filled, '.') + "]";
}

}  // namespace

SyncScreen::SyncScreen(size_t runs)
    : terminal_(isatty(STDERR_FILENO) == 1), runs_(runs), told_(steady_clock::now()) {}

SyncScreen::~SyncScreen() { Erase(); }

void SyncScreen::Erase() {
  if (drawn_) std::cerr << "\r\033[K" << std::flush;
  drawn_ = false;
}

void SyncScreen::Draw() {
  uint64_t rows = done_rows_;
  double parts = static_cast<double>(done_);
  std::string waiting;
  for (const auto& [name, run] : running_) {
    rows += run.rows;
    parts += run.part;
    if (!run.waiting.empty()) waiting = "; waits: " + run.waiting;
  }
  const size_t all = std::max(runs_, done_ + running_.size());
  const std::string line = Bar(all == 0 ? 0 : parts / static_cast<double>(all)) + " " +
                           std::to_string(done_) + " of " + std::to_string(all) +
                           (all == 1 ? " run, " : " runs, ") + std::to_string(rows) + " rows" +
                           waiting;
  std::cerr << "\r\033[K" << line.substr(0, TerminalWidth() - 1) << std::flush;
  drawn_ = true;
}

void SyncScreen::Progress(const std::string& run, uint64_t rows, double part,
                          const std::string& waiting) {
  const MutexLock lock(mutex_);
  Run& shown = running_[run];
  const bool waits_anew = !waiting.empty() && shown.waiting.empty();
  shown = {rows, part, Printable(waiting)};
  if (terminal_) {
    Draw();
  } else if (waits_anew) {
    std::cerr << run << ": " << shown.waiting << "; it is tried again" << std::endl;
  } else if (steady_clock::now() - told_ >= kTellInterval) {
    told_ = steady_clock::now();
    std::cerr << run << ": " << rows << " rows, " << static_cast<int>(100 * part) << " %"
              << std::endl;
  }
}

void SyncScreen::Done(const std::string& run) {
  const MutexLock lock(mutex_);
  ++done_;
  if (const auto shown = running_.find(run); shown != running_.end()) {
    done_rows_ += shown->second.rows;
    running_.erase(shown);
  }
}

void SyncScreen::Say(const std::string& line) {
  const MutexLock lock(mutex_);
  Erase();
  std::cout << line << std::endl;  // each line at once, also into a pipe
}

void SyncScreen::Complain(const std::string& line) {
  const MutexLock lock(mutex_);
  Erase();
  std::cerr << "flarebridge: " << Printable(line) << std::endl;
}

}  // namespace flarebridge
