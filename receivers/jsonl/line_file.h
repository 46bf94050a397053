// What a JSONL file that exists already says: how far it is whole, and which events it holds. Used
// when a run is continued, after a crash or by a second start. Pure but for reading.
#pragma once

#include <cstdint>

#include "events/error.h"
#include "receivers/applied.h"

namespace flarebridge::jsonl {

struct FoundLines {
  explicit FoundLines(uint64_t journal) : applied(journal) {}

  AppliedEvents applied;   // of the journal asked for, up to whole_end
  uint64_t whole_end = 0;  // of the last line that is whole and has no damage before it
  bool damaged = false;    // there are whole lines behind it: it was damaged in its middle
};

// Reads the whole file. Errors: kIo, kTemporary.
Expected<FoundLines> ReadLines(int fd, uint64_t journal);

}  // namespace flarebridge::jsonl
