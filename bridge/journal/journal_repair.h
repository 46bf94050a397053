// What `flarebridge check` does with a journal: tells what is whole, and saves it from a damaged
// file. No bridge works on it meanwhile. Any thread.
#pragma once

#include <string>

#include "events/error.h"

namespace flarebridge {

// Verifies the file without changing it: SQLite's structure and the sum of each row. Gives what it
// holds, in words. Errors: kBusy (a bridge works on it), kCorrupt (with what is damaged), kIo.
Expected<std::string> CheckJournal(const std::string& path);

// Puts all rows that are whole into a new journal with the same id and positions. The file as it
// was is kept beside it as <path>.before-repair. Gives what was kept, in words. Errors: kBusy, kIo,
// kCorrupt (nothing can be read).
Expected<std::string> RepairJournal(const std::string& path);

}  // namespace flarebridge
