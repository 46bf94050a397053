// What a receiver wrote, for people: the reading side of a tracking system, as Receiver is its
// writing side. Each tracking system has one; readers.h finds the one for a path. Used by commands
// that show, check and mend runs without knowing in whose form they are. Any thread, one pass each.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "events/error.h"

namespace flarebridge {

// What a run says of itself.
struct RunSummary {
  enum class State : uint8_t { kRunning, kFinished, kFailed };
  // Where its log was written: where the job's server is, where the site is that it is of, or by
  // another program, wherever; or the log does not say.
  enum class Written : uint8_t { kUnknown, kServer, kSite, kOther };
  std::string id, name, project, entity, group, job_type, notes;
  std::string site;       // where its values are from; empty: the log does not say
  double started = 0;     // seconds since the epoch; 0: the log does not say
  bool uploaded = false;  // wholly, by the tracking system's own mark
  std::vector<std::string> tags;
  std::map<std::string, std::string> config;   // key -> JSON
  std::map<std::string, std::string> summary;  // key -> JSON, without the tracking system's own
  uint64_t left_out = 0;  // values in none of these, nor in the rows visited: there are too many
  uint64_t rows = 0;
  State state = State::kRunning;
  Written written = Written::kUnknown;
  int32_t exit_code = 0;   // once it does not run
  uint64_t bad_bytes = 0;  // of damage in its middle; what could be read behind it was
};

// One word: "running", "finished", "failed".
constexpr const char* NameOf(RunSummary::State state) {
  switch (state) {
    case RunSummary::State::kRunning:
      return "running";
    case RunSummary::State::kFinished:
      return "finished";
    default:
      return "failed";
  }
}

// One word: "server", "site", "other"; "" if it is not known.
constexpr const char* NameOf(RunSummary::Written written) {
  switch (written) {
    case RunSummary::Written::kServer:
      return "server";
    case RunSummary::Written::kSite:
      return "site";
    case RunSummary::Written::kOther:
      return "other";
    default:
      return "";
  }
}

// One row: keys and their JSON, in the order of the log.
struct Cell {
  std::string_view key;
  std::string_view json;
};
using Row = std::vector<Cell>;
// Keys that begin with '_' are the tracking system's own. Of these a reader gives, where it knows
// them: the step, the time in seconds since the epoch, and the seconds since the run's start.
inline constexpr std::string_view kRowStep = "_step";
inline constexpr std::string_view kRowTime = "_timestamp";
inline constexpr std::string_view kRowRuntime = "_runtime";
// The row's views live for the call.
using RowVisitor = std::function<void(const Row& row)>;

// What a reader tells on its way, in the order of the log; what is empty is not asked for. Views
// live for the call.
struct RunVisitor {
  RowVisitor row;
  // A piece of what the run's program wrote on its console, with its control characters; lines may
  // be in several pieces.
  std::function<void(std::string_view text)> console;
  // A file of the run: what it is called, and its place for RunReader::ReadFile().
  std::function<void(std::string_view name, std::string_view place)> file;
};

// Whether a log is whole.
struct LogCondition {
  enum class Damage : uint8_t {
    kNone,
    kCutOff,   // it ends in half a record, or in bytes that nothing readable follows
    kDamaged,  // bytes that do not verify, with more behind them
  };
  Damage damage = Damage::kNone;
  uint64_t whole_end = 0;   // bytes: the end of the last record before the damage
  uint64_t unreadable = 0;  // bytes behind whole_end that are in nothing readable
  uint64_t records = 0;     // that can be read, those behind the damage among them
  uint64_t rows = 0;        // of these
  bool ended = false;       // the run's end is among them
  bool written = false;     // a process has it open to write
};

// A run that may go on.
class RunFollower {
 public:
  virtual ~RunFollower() = default;

  // What the run says of itself until now, valid until the next call; `visit` gets the rows that
  // have come since the last one. Cheap where nothing has. Errors: as RunReader::Read().
  virtual Expected<const RunSummary*> Read(const RowVisitor& visit) = 0;

  // What was read is not in the log any more: its end was cut off, or another file has its place. A
  // new follower has to read it anew.
  virtual bool IsPast() const = 0;
};

class RunReader {
 public:
  virtual ~RunReader() = default;

  // Tells by its name alone whether a file is a log of this tracking system.
  virtual bool IsLog(const std::filesystem::path& file) const = 0;

  // The run's id as a log's name has it; "" if the name has none.
  virtual std::string IdOf(const std::filesystem::path& log) const = 0;

  // Reads the log in one pass of bounded memory, and calls what `visit` has. Errors: kIo,
  // kMalformed; the words name the log.
  virtual Expected<RunSummary> Read(const std::filesystem::path& log,
                                    const RunVisitor& visit) const = 0;
  // The same with each row only, or with nothing (null).
  Expected<RunSummary> Read(const std::filesystem::path& log, const RowVisitor& visit) const {
    return Read(log, RunVisitor{visit, {}, {}});
  }

  // A file of the run as a whole, by its place as a visitor was told it, or as an image's member
  // "path" in a row says it. Nothing outside of the run is read. Errors: kTooLarge (it has more
  // than `most` bytes; nothing is read), kForbidden (the place is no file of the run), kIo,
  // kTemporary, kMalformed; the words do not name it.
  virtual Expected<std::string> ReadFile(const std::filesystem::path& log, std::string_view place,
                                         size_t most) const = 0;

  // Reads nothing yet. Null: the log can be read as a whole only.
  virtual std::unique_ptr<RunFollower> Follow(const std::filesystem::path& /*log*/) const {
    return nullptr;
  }

  // Reads all of the log and changes nothing. Errors: kIo, kMalformed; the words do not name it.
  virtual Expected<LogCondition> Check(const std::filesystem::path& log) const = 0;

  // Takes from the log what can't be read, as Check() has found it, and keeps all that can; the
  // file as it was is kept beside it. Gives the name of the kept one. Not while the log is written.
  // Errors: kIo, kTemporary.
  virtual Expected<std::string> Repair(const std::filesystem::path& log,
                                       const LogCondition& condition) const = 0;
};

}  // namespace flarebridge
