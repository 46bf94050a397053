// What a whole run log says of its run, as far as an upload needs it at once: everything but the
// lines of its streams, which are read again and sent piece by piece. One pass of memory that
// depends on the number of keys, not of rows. Any thread.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "events/error.h"
#include "receivers/wandb/records.h"
#include "receivers/wandb/upload/json_object.h"

namespace flarebridge::wandb {

struct LogSurvey {
  RunRecord run;  // the newest of each field; without config
  JsonObject config, summary;
  std::vector<std::string> files;  // below files/, as the log names them, each once
  std::string console;             // what was printed, the first 64 MiB
  uint64_t history_lines = 0, event_lines = 0, output_lines = 0;
  bool ended = false;
  int32_t exit_code = 0;
  bool torn = false;  // ends in half a record: still written, or cut by a crash
  bool corrupt = false;
  std::map<std::string, uint64_t> left_out;  // kind of record -> how many are not uploaded
};

// Errors: kIo; kMalformed (not a run log, or one without a run).
Expected<LogSurvey> SurveyLog(const std::filesystem::path& log);

}  // namespace flarebridge::wandb
