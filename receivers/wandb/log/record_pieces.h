// Pieces that records of several kinds hold, read alike. Used by record_reader.cc and
// checkpoint_reader.cc alone. What is no such piece is thrown, as protozero does (protobuf.h). Any
// thread.
#pragma once

#include <string_view>
#include <vector>

#include "receivers/applied.h"
#include "receivers/wandb/log/protobuf.h"
#include "receivers/wandb/log/record_reader.h"

namespace flarebridge::wandb {

inline std::string_view View(protozero::data_view view) { return {view.data(), view.size()}; }

// There is room in the record for one more entry of a list; else it is counted as left out.
bool TakePart(ParsedRecord& record);

AppliedMark ParseMark(protozero::pbf_reader message);
// Seconds since the epoch.
double ParseTimestamp(protozero::pbf_reader message);
// One item behind `items`, which are the record's.
void ParseItem(protozero::pbf_reader message, std::vector<ParsedRecord::ParsedItem>& items,
               ParsedRecord& record);
// The items of a summary or a config, and those that it removes.
void ParseUpdates(protozero::pbf_reader message, ParsedRecord& record);
void ParseRun(protozero::pbf_reader message, ParsedRecord& record);
void ParseTagChange(protozero::pbf_reader message, ParsedRecord& record);

}  // namespace flarebridge::wandb
