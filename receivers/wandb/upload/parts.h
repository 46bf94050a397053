// A run may lie in several logs: one that was damaged or had been uploaded is not written any
// further, and the run goes on in a new folder beside it. On the server they are one run, whose
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

}  // namespace flarebridge::wandb
