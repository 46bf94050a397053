// Whether a log is a copy of another one: of a folder that was copied for safety, or with links
// followed (`latest-run`), of which the other may have gone on since. Copies are one log, whose
// rows are on the server once. Used by `sync` and where a run's parts are looked for. Any thread.
#pragma once

#include <filesystem>
#include <vector>

namespace flarebridge::wandb {

// All of the shorter one is the beginning of the longer one, as far as its first 64 KiB and its
// last 4 KiB tell: records have times and numbers in them, so that parts of one run differ in both.
bool AreCopies(const std::filesystem::path& one, const std::filesystem::path& other);

// Of each log and its copies the longest, of equal ones the first; in their order.
std::vector<std::filesystem::path> WithoutCopies(const std::vector<std::filesystem::path>& logs);

}  // namespace flarebridge::wandb
