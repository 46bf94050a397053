// What each type of data becomes in a run: one effect per type, each in a file of its own
// (row_effect.cc, config_effect.cc, ...). A new kind of media is a new file, its line below and its
// line in ApplyData(). All of an event's effects go into the log behind one mark, so that after a
// crash they are there or not, as a whole. Used by WandbRun; one thread.
#pragma once

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "events/clock.h"
#include "events/error.h"
#include "events/event.h"
#include "receivers/blob_folder.h"
#include "receivers/json.h"
#include "receivers/wandb/log/item_list.h"
#include "receivers/wandb/log/records.h"
#include "receivers/wandb/run/log_appender.h"
#include "receivers/wandb/run/row_writer.h"
#include "receivers/wandb/run/tag_keys.h"
#include "receivers/wandb/run/wandb_arguments.h"

namespace flarebridge::wandb {

// The run that effects go to.
struct RunOutput {
  RunOutput(std::filesystem::path run_folder, AppendOnlyFile file, const Recovered& recovered,
            uint64_t journal, BlobFolder large)
      : folder(std::move(run_folder)),
        run(recovered.run),
        tag_keys(recovered.tag_keys),
        tags_wait(recovered.tags_wait),
        log(std::move(file), recovered),
        rows(journal, recovered, run, log),
        blobs(std::move(large)) {}
  RunOutput(const RunOutput&) = delete;
  RunOutput& operator=(const RunOutput&) = delete;

  std::filesystem::path folder;
  bool prefix_scalars = false;   // argument: keys of add_scalars are "<tag>/<key>"
  bool tells_of_machine = true;  // argument system
  RunRecord run;                 // as last written, but for tags that wait
  TagKeys tag_keys;              // of run.tags
  bool tags_wait = false;        // they have changed since the run record was written
  std::optional<Clock::time_point> tags_written;
  std::set<std::string> said_labels;  // of classes: kind, name and labels that the config has
  std::map<std::string, std::string> artifacts;  // name -> digest of its last version in the log
  uint64_t tags_left_out = 0;                    // there were too many; they are in the config
  LogAppender log;
  RowWriter rows;
  BlobFolder blobs;  // large values that events name
  // Room for one event's, used again and again.
  std::string path;
  ItemList items;
};

// Whose row the data belongs to: the label in extra["writer"]; empty: nobody's.
std::string_view WriterOf(const Data& data);

// Writes an event's effects. False: the data has no place in a W&B run, or no content, and nothing
// was written. A run that had ended is opened again only if something is written. Errors: kIo.
Expected<bool> ApplyData(RunOutput& out, uint64_t position, const Data& data,
                         Clock::time_point now);

// The effects; each as ApplyData() says.
Expected<bool> ApplyRow(RunOutput& out, uint64_t position, const Data& data, Clock::time_point now);
Expected<bool> ApplyConfig(RunOutput& out, uint64_t position, const Data& data);
Expected<bool> ApplyTags(RunOutput& out, uint64_t position, const Data& data,
                         Clock::time_point now);
Expected<bool> ApplyOperation(RunOutput& out, uint64_t position, const Data& data);
Expected<bool> ApplyLogLine(RunOutput& out, uint64_t position, const Data& data);
Expected<bool> ApplyFile(RunOutput& out, uint64_t position, const Data& data);
Expected<bool> ApplyMedia(RunOutput& out, uint64_t position, const Data& data,
                          Clock::time_point now);
Expected<bool> ApplyTable(RunOutput& out, uint64_t position, const Data& data,
                          Clock::time_point now);
Expected<bool> ApplyImage(RunOutput& out, uint64_t position, const Data& data,
                          Clock::time_point now);

// Media as a value of the summary: its files go below files/, and the records that name them into
// the log, without a mark. Gives the value in JSON; nothing: `value` is no such thing. Errors: kIo.
Expected<std::optional<std::string>> StoreForSummary(RunOutput& out, std::string_view key,
                                                     const Value& value);
// A MEDIA's value: it is a table.
bool IsTable(const Value& value);
// As StoreForSummary() of a table; "null": it is none.
Expected<std::string> StoreTableForSummary(RunOutput& out, std::string_view key,
                                           const Value& value);
// The path of its value in its row; empty: `in` is no list of texts.
std::string PathOfMedia(const Data& data);

// The run's tags go into the log once a second at most: when those that wait are due, if any do; if
// they are due; at once.
std::optional<Clock::time_point> NextTags(const RunOutput& out);
void WriteTagsDue(RunOutput& out, Clock::time_point now);
void WriteTags(RunOutput& out);

// A clock may be anywhere; a record's times may not.
inline double TimeOf(const Data& data) { return std::min(data.time, kMaxTime); }

}  // namespace flarebridge::wandb
