// A run may lie in several logs: one that was damaged, or uploaded by another journal's bridge, is
// not written any further, and the run goes on in a new folder, beside it or where the job was
// started again. On the server they are one run, whose lines are numbered through. Any thread.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "events/error.h"
#include "receivers/wandb/upload/known_logs.h"
#include "receivers/wandb/upload/logs_beside.h"
#include "receivers/wandb/upload/upload_choices.h"

namespace flarebridge::wandb {

// Where parts of a run are looked for, and what makes logs parts of one.
struct PartsSearch {
  const KnownLogs* known = nullptr;        // besides those in the log's own place
  LogsBeside* beside = nullptr;            // those; nullptr: its folder is read for this search
  std::string server;                      // base URL
  const UploadChoices* choices = nullptr;  // in place of what the logs say; nullptr: none
  std::string entity, project;             // of logs that name none
};

// All logs of the run that this one is of, oldest first, this one among them: by the time at which
// the run began, then by the names of their folders, "<run or offline-run>-<time>-<id>", those set
// aside as damaged before the one that replaced them. A copy of this one is no part.
std::vector<std::filesystem::path> PartsOf(const std::filesystem::path& log,
                                           const PartsSearch& search);

// Lines of a log by stream, as an upload sends them. Errors: kIo, kMalformed.
Expected<std::map<std::string, uint64_t>> CountLines(const std::filesystem::path& log);

// What a log's upload has to know of the run's other logs.
struct EarlierParts {
  // By stream: up to there the server's lines are those of the parts before it, and of what was
  // there before them; its own come behind.
  std::map<std::string, uint64_t> lines;
  std::map<std::string, std::string> sent;  // of the run, by the last of them (UploadState)
  std::filesystem::path unfinished;         // the first that is not wholly on the server, or empty
  bool superseded = false;                  // the run goes on in a later log
};
// The lines are those of the parts up to the unfinished one. Errors: kIo, kMalformed.
Expected<EarlierParts> FindEarlierParts(const std::filesystem::path& log,
                                        const PartsSearch& search);

// The row that is `row`-th among all rows of the parts, as it is sent; empty if there is none.
std::string RowOfParts(const std::vector<std::filesystem::path>& parts, uint64_t row,
                       const PartsSearch& search);

// History lines among lines by stream.
uint64_t RowsIn(const std::map<std::string, uint64_t>& lines);

}  // namespace flarebridge::wandb
