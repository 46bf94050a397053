// A run as its log tells it, read piece by piece while it may still grow: what is known of the run,
// and the lines of its streams that are to be sent next. Notices that the log's end was taken back
// because the run goes on. Used by RunUpload; one thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "events/clock.h"
#include "events/error.h"
#include "receivers/wandb/log/log_follower.h"
#include "receivers/wandb/upload/line_buffer.h"
#include "receivers/wandb/upload/run_view.h"
#include "receivers/wandb/upload/sent_records.h"

namespace flarebridge::wandb {

class FollowedRun {
 public:
  using Time = Clock::time_point;

  explicit FollowedRun(std::filesystem::path log);

  // How its lines are to be written.
  struct Form {
    std::optional<int64_t> first_step;  // its steps count on from there (SentRecords)
    bool structured_console = false;
  };
  // Reads the log anew from its beginning. `confirmed`: lines by stream that the server has, which
  // are not given again.
  void Restart(std::map<std::string, uint64_t> confirmed, Form form);
  // A run that had ended goes on: its log's end was replaced, and it has to be read anew. True once
  // for each time.
  bool EndWasTakenBack();
  // What else is to go than lines, as it is read.
  struct Found {
    std::function<void(const std::string& name)> file;       // that the log names
    std::function<void(const ParsedRecord& record)> record;  // of kOther
  };
  // Reads on until lines() is full or has that many bytes, or nothing more is there. Errors: kIo,
  // kMalformed (not a run log).
  Expected<void> Read(Time now, size_t most, const Found& found);

  // What was read is on the disk when it returns. Errors: kIo.
  Expected<void> Persist() const { return follower_->Persist(); }

  const RunView& view() const { return view_; }
  const LineBuffer& lines() const { return lines_; }
  // The server has what is in lines().
  void LinesAreSent() {
    lines_.Clear();
    confirmed_ = Position().first;
  }
  // How much of the log the server has, in bytes: what was read until the last lines went, or all
  // that was read if none wait.
  uint64_t ConfirmedBytes() const { return lines_.parts().empty() ? Position().first : confirmed_; }
  // All that is there was read.
  bool at_end() const { return end_ != LogFollower::End::kMore && !settling_; }
  // What was read ends before what seems to be damage. While a log grows it may seem so for a
  // moment; what stays so is passed over, and Read() goes on behind it.
  bool settling() const { return settling_; }
  // Nothing behind what was read will ever be.
  bool damaged() const { return end_ == LogFollower::End::kCorrupt && !settling_; }
  // Values that are not sent, because they are no JSON.
  uint64_t not_json() const { return sent_.not_json(); }
  // The same, because they are nested too deep.
  uint64_t too_deep() const { return sent_.too_deep(); }
  // Bytes of damage, which were passed over or nothing readable follows.
  uint64_t bad_bytes() const;
  // Somebody writes the log, or has until a while ago.
  bool IsAlive(Time now) const;
  // How much of the log was read, and its size, in bytes.
  std::pair<uint64_t, uint64_t> Position() const { return follower_->Position(); }

 private:
  std::filesystem::path log_;
  std::unique_ptr<LogFollower> follower_;
  LogFollower::End end_ = LogFollower::End::kMore;
  bool settling_ = false;
  Time damaged_since_{};
  SentRecords sent_;
  RunView view_;
  LineBuffer lines_;
  uint64_t confirmed_ = 0;
  Time grown_{};             // when the log has grown last
  bool taken_back_ = false;  // its end, and it has not been read without damage since
};

// The console of a log's run as a file, its first 64 MiB. Errors: kIo, kMalformed.
Expected<std::string> ConsoleText(const std::filesystem::path& log);

}  // namespace flarebridge::wandb
