// One line of a JSONL file: an event as a JSON object, its mark as the last member. Strict JSON
// with a column for each kind of value, so that pandas, pyarrow and DuckDB read a file as a table;
// README.md tells the members. Used by the jsonl receiver. Pure; any thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "events/event.h"
#include "events/run_spec.h"
#include "receivers/applied.h"

namespace flarebridge::jsonl {

// Append a whole line. The mark's positions must be empty: lines are in the order of their events,
// so that each one's floor says all.
void AppendData(const Data& data, const AppliedMark& mark, std::string& out);
void AppendRun(const RunSpec& run, const AppliedMark& mark, std::string& out);
void AppendEnd(const RunEnded& ended, const AppliedMark& mark, std::string& out);

// The mark of a line (without its newline), or nothing if this is no whole line of ours.
std::optional<AppliedMark> ReadMark(std::string_view line);

}  // namespace flarebridge::jsonl
