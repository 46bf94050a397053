// Writes W&B's protobuf records, those that flarebridge has events for. Field numbers are in
// record_fields.h. Encoders append to a string; those of rows and marks allocate nothing else. Used
// by the W&B receiver. Any thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "receivers/applied.h"
#include "receivers/wandb/log/item_list.h"
#include "receivers/wandb/log/records.h"

namespace flarebridge::wandb {

// Appends one component of a key's path, as protobuf field nested_key (2): keys of history and
// summary are paths.
void AppendPath(std::string_view component, std::string& path);
// The path of one component.
std::string PathOf(std::string_view component);
// The components of a path, as views into it; none of bytes that are no path.
std::vector<std::string_view> ComponentsOf(std::string_view path);
// The key of a path: its components joined by '.', cut at `most` bytes.
std::string KeyOfPath(std::string_view path, size_t most);

// Each appends a whole Record with its number and, if there is one, its mark, which is written
// behind the record's own content, in a field that W&B's readers skip. Times are seconds
// since the epoch, from 0 to kMaxTime; lists of items are not empty: a record without content ends
// W&B's reader.
void AppendHeader(int64_t number, std::string_view version, std::string& out);
void AppendRun(int64_t number, const RunRecord& run, const AppliedMark* mark, std::string& out);
void AppendEnvironment(int64_t number, const EnvironmentRecord& environment, std::string& out);
// `step` is the row's `_step`; the items hold it too.
void AppendHistory(int64_t number, const ItemList& items, int64_t step, const AppliedMark* mark,
                   std::string& out);
// Behind a history record whose step is a number of ours: a later life of the run goes on with it.
void AppendOwnNumber(std::string& out);
void AppendSummary(int64_t number, const ItemList& items, std::string& out);
// A key of the summary that was set by hand, as it was given; or with no JSON, deleted.
void AppendSummaryKey(int64_t number, std::string_view key, const std::string* json,
                      const AppliedMark* mark, std::string& out);
void AppendMetric(int64_t number, const MetricDefinition& definition, const AppliedMark* mark,
                  std::string& out);
// `level`: INFO, WARN or ERROR. `wait`: milliseconds until one of the same title is sent again.
void AppendAlert(int64_t number, std::string_view title, std::string_view text,
                 std::string_view level, int64_t wait, const AppliedMark* mark, std::string& out);
void AppendConfig(int64_t number, const std::vector<std::pair<std::string, std::string>>& items,
                  const AppliedMark* mark, std::string& out);
// One value of the config at a path of keys.
void AppendConfigAt(int64_t number, std::string_view path, std::string_view json, std::string& out);
// Behind a config record: the tag of a key has become this one (ours, as a mark is).
void AppendTagChange(std::string_view key, std::string_view tag, std::string& out);
// The first of a record, before its own content: all that is before it in the log (ours, too). Its
// bytes begin with kCheckpointBegin (checkpoint_reader.h).
void AppendCheckpoint(const Checkpoint& checkpoint, std::string& out);
// A line of the run's console, with its newline.
void AppendOutput(int64_t number, double time, std::string_view line, const AppliedMark* mark,
                  std::string& out);
// System metrics of one moment.
void AppendStats(int64_t number, double time,
                 const std::vector<std::pair<std::string, double>>& values, const AppliedMark* mark,
                 std::string& out);
// A file below files/ that is to be uploaded.
void AppendFile(int64_t number, std::string_view path, const AppliedMark* mark, std::string& out);
void AppendExit(int64_t number, int32_t exit_code, int32_t runtime, std::string& out);
void AppendFinal(int64_t number, const AppliedMark* mark, std::string& out);

}  // namespace flarebridge::wandb
