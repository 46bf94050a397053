#include "bridge/uploader/sync_screen.h"

#include <unistd.h>

#include <algorithm>
#include <iostream>

#include "bridge/commands/amounts.h"
#include "bridge/commands/terminal.h"
#include "bridge/uploader/found_runs.h"
#include "events/printable.h"

namespace flarebridge {
namespace {

using std::chrono::duration;
using std::chrono::milliseconds;
using std::chrono::seconds;
using std::chrono::steady_clock;

// Between two lines of progress where there is no terminal.
constexpr seconds kTellInterval{30};
// Before the same wait is told again.
constexpr seconds kWaitInterval{60};
// Over which the speed is taken, and between two samples.
constexpr seconds kSpeedTime{10};
constexpr milliseconds kSampleInterval{500};

// A wait without its numbers, which differ from attempt to attempt.
std::string KindOf(std::string words) {
  words.erase(
      std::remove_if(words.begin(), words.end(), [](char c) { return c >= '0' && c <= '9'; }),
      words.end());
  return words;
}

}  // namespace

SyncScreen::SyncScreen(std::optional<size_t> runs, uint64_t bytes, int retry_for)
    : terminal_(IsTerminal(STDERR_FILENO)),
      runs_(runs),
      all_bytes_(bytes),
      retry_for_(retry_for),
      began_(steady_clock::now()),
      told_(began_) {}

SyncScreen::~SyncScreen() {
  const MutexLock lock(mutex_);
  Erase();
}

void SyncScreen::Erase() {
  if (!drawn_.empty()) std::cerr << "\r\033[K" << std::flush;
  drawn_.clear();
}

void SyncScreen::Write(bool result, const std::string& line) {
  Erase();
  // Each line at once, also into a pipe.
  (result ? std::cout : std::cerr) << Printable(line) << std::endl;
}

void SyncScreen::Progress(const std::filesystem::path& log, const Run& run,
                          const std::string& waiting) {
  const MutexLock lock(mutex_);
  const auto [shown, first] = running_.try_emplace(log);
  if (first) {
    rows_before_ += run.rows;
    bytes_before_ += run.bytes;
  }
  shown->second = run;
  if (!waiting.empty()) TellWait(log, waiting);
}

void SyncScreen::TellWait(const std::filesystem::path& log, const std::string& waiting) {
  const auto now = steady_clock::now();
  const auto [told, first] = told_waits_.try_emplace(KindOf(waiting), now);
  if (!first && now - told->second < kWaitInterval) return;
  told->second = now;
  Write(false, "flarebridge: " + FolderName(log) + " waits: " + waiting + "; tried again for " +
                   SecondsInWords(retry_for_) + " at most");
}

ProgressNumbers SyncScreen::Numbers(Time now) {
  ProgressNumbers numbers;
  numbers.done_runs = done_;
  numbers.active_runs = running_.size();
  numbers.runs = runs_;
  numbers.rows = over_.rows;
  numbers.all_rows = all_rows_;
  numbers.bytes = over_.bytes;
  numbers.all_bytes = all_bytes_ + over_.content_bytes;
  for (const auto& [name, run] : running_) {
    numbers.rows += run.rows;
    numbers.bytes += run.bytes;
    numbers.all_bytes += run.content_bytes;
    if (run.waits) ++numbers.waiting_runs;
  }
  // A run that began anew has fewer than before.
  const Sample sample{now, std::max(numbers.rows, rows_before_) - rows_before_,
                      std::max(numbers.bytes, bytes_before_) - bytes_before_};
  if (samples_.empty() || now - samples_.back().time >= kSampleInterval) samples_.push_back(sample);
  while (samples_.size() > 1 && now - samples_.front().time > kSpeedTime) samples_.pop_front();
  const Sample& then = samples_.front();
  const double time = duration<double>(now - then.time).count();
  if (time >= duration<double>(kSampleInterval).count()) {
    const auto speed = [time](uint64_t before, uint64_t after) {
      return after > before ? static_cast<double>(after - before) / time : 0;
    };
    numbers.rows_per_second = speed(then.rows, sample.rows);
    numbers.bytes_per_second = speed(then.bytes, sample.bytes);
  }
  return numbers;
}

void SyncScreen::Tick() {
  const MutexLock lock(mutex_);
  const auto now = steady_clock::now();
  const ProgressNumbers numbers = Numbers(now);
  if (terminal_) {
    std::string line = ProgressLine(numbers, SizeOfTerminal(STDERR_FILENO).columns - 1);
    if (line == drawn_) return;
    std::cerr << "\r\033[K" << line << std::flush;
    drawn_ = std::move(line);
  } else if (now - told_ >= kTellInterval && !running_.empty()) {
    told_ = now;
    constexpr size_t kAnyWidth = 1000;
    Write(false, "flarebridge: " + ProgressLine(numbers, kAnyWidth));
  }
}

void SyncScreen::Done(const std::filesystem::path& log, bool there) {
  const MutexLock lock(mutex_);
  if (there) ++done_;
  const auto shown = running_.find(log);
  if (shown == running_.end()) return;
  over_.rows += shown->second.rows;
  over_.bytes += shown->second.bytes;
  over_.content_bytes += shown->second.content_bytes;
  running_.erase(shown);
  if (running_.empty()) told_waits_.clear();
}

void SyncScreen::SetAllRows(uint64_t rows) {
  const MutexLock lock(mutex_);
  all_rows_ = rows;
}

void SyncScreen::Say(const std::string& line) {
  const MutexLock lock(mutex_);
  Write(true, line);
}

void SyncScreen::Complain(const std::string& line) {
  const MutexLock lock(mutex_);
  Write(false, "flarebridge: " + line);
}

size_t SyncScreen::done_runs() {
  const MutexLock lock(mutex_);
  return done_;
}

uint64_t SyncScreen::rows() {
  const MutexLock lock(mutex_);
  return Numbers(steady_clock::now()).rows;
}

double SyncScreen::seconds() const {
  return duration<double>(steady_clock::now() - began_).count();
}

}  // namespace flarebridge
