// The reading side for people: what a run log says of its run, in one pass of bounded memory. Used
// by W&B's RunReader and by `flarebridge sync`. Any thread, one pass each.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "events/error.h"
#include "receivers/wandb/log/record_reader.h"

namespace flarebridge::wandb {

struct LogSummary {
  enum class State { kRunning, kFinished, kFailed };
  RunRecord run;                               // its config is in `config`
  std::map<std::string, std::string> config;   // key -> JSON
  std::map<std::string, std::string> summary;  // key -> JSON, without W&B's own (_...)
  // Values that are not here, nor in the rows visited, because there are too many.
  uint64_t left_out = 0;
  uint64_t rows = 0;
  State state = State::kRunning;
  int32_t exit_code = 0;
  bool ours = false;       // flarebridge wrote it: there are its marks
  bool torn = false;       // ends in half a record: being written, or cut by a crash
  uint64_t bad_bytes = 0;  // of damage in its middle; what could be read behind it was
};

// One history row: keys (components joined by '.') and their JSON.
using RowVisitor = std::function<void(const std::vector<ParsedRecord::ParsedItem>& row)>;

// A record that is in no summary: output, files.
using OtherVisitor = std::function<void(const ParsedRecord& record)>;

// Reads the log and calls what is given for each row and for each other record. Errors: kIo,
// kMalformed.
Expected<LogSummary> ReadLog(const std::filesystem::path& log, const RowVisitor& visit,
                             const OtherVisitor& visit_other = {});

// The same of a log that may grow: each call reads on where the last one stopped.
class GrowingLog {
 public:
  explicit GrowingLog(const std::filesystem::path& log);
  ~GrowingLog();
  GrowingLog(const GrowingLog&) = delete;
  GrowingLog& operator=(const GrowingLog&) = delete;

  // What the log says until now, valid until the next call; null: nothing has come since the last
  // one. visit (if given) gets the rows that have come. Errors: as ReadLog().
  Expected<const LogSummary*> Read(const RowVisitor& visit);
  // What was read is not in the log any more: its end was cut off, because the run goes on, or
  // another file has its place. A new one has to read it anew.
  bool IsPast() const;

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

// `run-<id>.wandb`, by its name alone.
bool IsLog(const std::filesystem::path& path);

// All run logs at or below a path, which may be a log, a run folder or any folder; sorted, links
// not followed. Errors: kIo (nothing there).
Expected<std::vector<std::filesystem::path>> FindLogs(const std::filesystem::path& path);

}  // namespace flarebridge::wandb
