// A run may lie in several logs: one that was damaged, or uploaded by another journal's bridge, is
// not written any further, and the run goes on in a new folder beside it. On the server they are one run, whose
// lines are numbered through. Any thread.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "events/error.h"

namespace flarebridge::wandb {

// All logs of the run that this one is of, beside each other, oldest first, this one among them: by
// the names of their folders, "<run or offline-run>-<time>-<id>", those set aside as damaged before
// the one that replaced them.
std::vector<std::filesystem::path> PartsOf(const std::filesystem::path& log);

// Lines of a log by stream, as an upload sends them. Errors: kIo, kMalformed.
Expected<std::map<std::string, uint64_t>> CountLines(const std::filesystem::path& log);

// What a log's upload has to know of the run's other logs.
struct EarlierParts {
  std::map<std::string, uint64_t> lines;  // of all before it, by stream: its own come behind them
  std::filesystem::path unfinished;       // the first that is not wholly on the server, or empty
  bool superseded = false;                // the run goes on in a later log
};
// `server`: base URL. The lines are those of the parts up to the unfinished one. Errors: kIo,
// kMalformed.
Expected<EarlierParts> FindEarlierParts(const std::filesystem::path& log,
                                        const std::string& server);

// History lines among lines by stream.
uint64_t RowsIn(const std::map<std::string, uint64_t>& lines);

}  // namespace flarebridge::wandb
