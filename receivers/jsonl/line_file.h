// What a JSONL file that exists already says: how far it is whole, and which events it holds. Used
// when a run is continued, after a crash or by a second start. Lines that were confirmed to be on
// the disk are not read again. Pure but for reading.
#pragma once

#include <cstdint>

#include "events/error.h"
#include "receivers/applied.h"
#include "receivers/receiver.h"

namespace flarebridge::jsonl {

struct FoundLines {
  explicit FoundLines(uint64_t journal) : applied(journal) {}

  AppliedEvents applied;   // of the journal asked for, up to whole_end
  uint64_t whole_end = 0;  // of the last line that is whole and has no damage before it
  bool damaged = false;    // there are whole lines behind it: it was damaged in its middle
};

// How far from its end a file is searched for a line that was confirmed: some seconds' lines and a
// second's reading.
inline constexpr uint64_t kConfirmedWithin = uint64_t{64} << 20;

// Reads the file from the last piece on that begins with a line of the journal up to `durable`, or
// if none is found, all of it. `durable`: a position up to which its events were confirmed to be on
// the disk; what is damaged before is not noticed. Errors: kIo, kTemporary.
Expected<FoundLines> ReadLines(int fd, uint64_t journal, uint64_t durable,
                               const OnProgress& on_progress = {});

}  // namespace flarebridge::jsonl
