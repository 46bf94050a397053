// The bridge's log: one rotated file in its state folder, which its owner alone may read. Whatever
// is logged becomes one line that a terminal does not obey (events/printable.h). Used by the
// command line, which hands the logger on. Any thread.
#pragma once

#include <memory>
#include <string>

#include "events/error.h"

namespace spdlog {
class logger;
}

namespace flarebridge {

// Opens `<folder>/bridge.log` (rotated at 5 MiB, two older files kept). Errors: kIo.
Expected<std::shared_ptr<spdlog::logger>> OpenLog(const std::string& folder);

}  // namespace flarebridge
