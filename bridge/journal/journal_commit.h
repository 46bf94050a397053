// A commit as a value: everything that becomes durable together, and what a journal gives back for
// it. The intake stages one with no journal at hand; a journal carries it out, all of it or
// nothing. Nothing here knows what a journal is made of, so that a commit can be kept, compared and
// sent elsewhere. Plain values, any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace flarebridge {

// A shim's connection as the journal knows it.
struct StoredSession {
  std::string id;
  uint64_t last_seq = 0;  // all of the session's events up to here are stored
  uint64_t rejected = 0;  // of these, refused as malformed
  bool open = true;       // false: the session has ended
  // Wire form of its SessionOpened event. Empty: not seen yet, or in a commit: as stored before.
  std::string opened;
  // Of one that has ended: when that was stored, seconds since the epoch; 0: not known.
  uint64_t closed_at = 0;
};

// One site's run of one session's job.
struct StoredRun {
  int64_t id = 0;
  std::string site;
  std::string opened;          // wire form of the SessionOpened event that it belongs to
  double started = 0;          // seconds since the epoch
  uint64_t last_position = 0;  // of its last event
  bool ended = false;          // its last event is the run's end
  bool guessed = false;        // that end is the bridge's guess; the true one may still come
  uint64_t stored_bytes = 0;   // of its events that are not forgotten
};

// Which session feeds which run.
struct StoredFeed {
  std::string session;
  int64_t run = 0;
};

// Wherever a commit names a run, that is the run's id (1 and above) or, for one that the same
// commit makes and that has no id yet, NewRunAt() of its place in new_runs.
struct JournalCommit {
  struct NewRun {
    std::string site;
    std::string opened;  // as in StoredRun, both
    double started = 0;
  };
  // Events of one run, which get positions one behind the other; behind those of the slices before.
  // The run's last position and whether it has ended follow from its last slice.
  struct Slice {
    int64_t run = 0;
    uint32_t count = 0;
    bool ends = false;     // the last event is the run's end
    std::string body;      // wire form of the events
    bool guessed = false;  // that end is the bridge's guess
  };
  // The run's slices that end at or before the position are deleted.
  struct Forgotten {
    int64_t run = 0;
    uint64_t position = 0;
  };

  // A run that is stored has another opening from now on.
  struct Reopened {
    int64_t run = 0;
    NewRun as;  // all but its opening as it was
  };

  std::vector<Forgotten> forgotten;
  std::vector<Reopened> reopened;
  std::vector<NewRun> new_runs;
  std::vector<Slice> slices;
  std::vector<StoredFeed> feeds;        // inserted where they are not there
  std::vector<StoredSession> sessions;  // inserted or replaced, but for openings that are stored
  // All that is known of them is deleted. A run's events must have been forgotten.
  std::vector<std::string> dropped_sessions;
  std::vector<int64_t> dropped_runs;
};

// The run at new_runs[index], while it has no id.
constexpr int64_t NewRunAt(size_t index) { return -1 - static_cast<int64_t>(index); }
constexpr bool IsNewRun(int64_t run) { return run < 0; }
constexpr size_t IndexOfNewRun(int64_t run) { return static_cast<size_t>(-1 - run); }

// What a journal has given to a commit that is durable.
struct CommitResult {
  std::vector<int64_t> runs;              // ids of new_runs, in their order
  std::vector<uint64_t> first_positions;  // of the slices, in their order
  std::vector<uint64_t> forgotten_bytes;  // of the forgotten ones, in their order
};

}  // namespace flarebridge
