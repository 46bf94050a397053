// The run logs that `sync` is told to upload, and those that it leaves out, with why. Used by
// `sync`, its dry run and its screen; any thread.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "bridge/commands/upload_commands.h"
#include "events/error.h"

namespace flarebridge {

struct FoundRuns {
  struct LeftOut {
    std::filesystem::path log;
    std::string why;  // "uploaded already"
  };
  std::vector<std::filesystem::path> logs;  // each once
  std::vector<LeftOut> left_out;

  // Those that are left out for this.
  std::vector<std::filesystem::path> LeftOutFor(const std::string& why) const;
  // "2 uploaded already, 1 excluded", or empty.
  std::string LeftOutInWords() const;
};

inline constexpr const char* kUploadedAlready = "uploaded already";
inline constexpr const char* kCopy = "copies of others";
inline constexpr const char* kOnline = "W&B's own online run";

// Below all paths. `notes`: folder for notes that are not beside their logs. Errors: kIo (nothing
// there), kConfig (--id for several runs).
Expected<FoundRuns> FindRuns(const SyncArguments& arguments, const std::filesystem::path& notes);

// What to do about a run of kOnline, for people.
std::string WordsOfOnline(const std::filesystem::path& log);

// The name of a log's run folder, for people.
std::string FolderName(const std::filesystem::path& log);

}  // namespace flarebridge
