// Events that did not get to where they belong, in files of their own, as they came
// (events/README.md). <journal>-<run>-<position>.event: no worker survived it; it is left out of
// its run, also by a later bridge. ….damaged: what the disk has kept of events of the journal.
// <journal>-<run>-<position>.<receiver>.events: what a receiver that was given up lacks, from that
// position on. The bridge's one thread.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <set>
#include <string>
#include <string_view>

#include "bridge/intake/intake.h"
#include "events/error.h"
#include "events/worker_frame.h"

namespace flarebridge {

class Quarantine {
 public:
  // `folder` need not exist. `journal`: the id of the journal that positions count in.
  Quarantine(std::filesystem::path folder, const std::string& journal);

  // The event at the position is left out from now on. `slice` is the journal's one that holds it.
  // Gives the file it is in. Errors: kUnsupported (a run's end can't be left out), kMalformed (the
  // slice can't be read up to there), kIo, kTemporary.
  Expected<std::string> Put(int64_t run, uint64_t position, uint64_t first, std::string_view slice);
  // Keeps what is left of a damaged slice, and appends at its last position an event without
  // effect, or the run's end if `ends`. Gives the file. Errors: kIo, kTemporary.
  Expected<std::string> PutDamaged(const Intake::RunInfo& run, const EventsFrame& slice, bool ends,
                                   std::string& out);
  // Keeps events of a run for a receiver that was given up. `first`: position of the first one.
  // Gives the file. Errors: kIo, kTemporary.
  Expected<std::string> PutBacklog(int64_t run, std::string_view receiver, uint64_t first,
                                   std::string_view events);
  const std::filesystem::path& folder() const { return folder_; }
  // Appends a slice as frames for a worker; what is in quarantine is replaced by events without
  // effect, which the run counts.
  void AppendSlice(const Intake::RunInfo& run, const EventsFrame& slice, std::string& out) const;

 private:
  std::filesystem::path PathOf(int64_t run, uint64_t position) const;

  std::filesystem::path folder_;
  std::string prefix_;  // of the files' names
  std::map<int64_t, std::set<uint64_t>> positions_;
};

}  // namespace flarebridge
