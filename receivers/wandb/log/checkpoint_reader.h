// Reads what our logs hold now and then: what the records before a place say, so that recovery can
// begin there. Used by recovery. Bytes may be hostile, as in record_reader.h. Any thread.
#pragma once

#include <string_view>

#include "events/error.h"
#include "receivers/wandb/log/record_reader.h"
#include "receivers/wandb/log/records.h"

namespace flarebridge::wandb {

// With which the bytes of a record begin that carries a checkpoint.
extern const std::string_view kCheckpointBegin;
// ParsedRecord::checkpoint. Errors: kMalformed, also of another version than this program's.
Expected<Checkpoint> ParseCheckpoint(std::string_view bytes);

}  // namespace flarebridge::wandb
