// What of a run itself is sent: all of a run that is made, and later what has changed, so that
// name, tags and notes which people set in the browser stay (as wandb-core has it: what is not
// sent is null, and null stays). Pure. Used by RunUpload; any thread.
#pragma once

#include <map>
#include <string>

#include "receivers/wandb/log/records.h"
#include "receivers/wandb/upload/api.h"

namespace flarebridge::wandb {

// A run's fields as texts, by their names; of the config, which may be large, a hash. What the log
// does not say is not among them.
using SentFields = std::map<std::string, std::string>;
SentFields FieldsOf(const RunRecord& run, const std::string& config);

// Those that differ from what was sent.
RunFields ChangedFields(const RunRecord& run, const std::string& config, const SentFields& sent);

// Tags were sent.
bool HasTags(const SentFields& sent);

// As if all were sent that people may have changed of a run that is there: not the config, and not
// where and by what this part of it was made.
SentFields OfOthers(SentFields fields);

}  // namespace flarebridge::wandb
