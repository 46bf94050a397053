// What `flarebridge check` does with a journal: tells what is whole, and saves it from a damaged
// file. No bridge works on it meanwhile. Any thread.
#pragma once

#include <string>

#include "events/error.h"

namespace flarebridge {

// Verifies the file without changing it: SQLite's structure and the sum of each row. Gives what it
// holds, in words. Errors: kBusy (a bridge works on it), kCorrupt (with what is damaged), kIo.
Expected<std::string> CheckJournal(const std::string& path);

// Puts all rows that are whole into a new journal with the same id and positions, which takes the
// old one's place once it is whole on the disk: whatever fails, and whoever is killed, before that
// leaves what was there. The files as they were are kept as <path>.before-repair. Gives what was
// kept, and what could not be, in words. Errors: kBusy, kIo, kTemporary.
Expected<std::string> RepairJournal(const std::string& path);

// Of a journal that is whole: removes what a repair that was killed has left beside it. Errors:
// kBusy.
Expected<void> ForgetRepair(const std::string& path);

}  // namespace flarebridge
