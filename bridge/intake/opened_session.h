// What a SessionOpened event says, parsed once and checked: the job, its owner and its receivers'
// settings. Nothing behind it reads raw arguments. Made by the intake when the event arrives or
// from what the journal remembers of it, shared by the session and by the runs it feeds. Immutable
// once made: any thread.
#pragma once

#include <sys/types.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "events/error.h"
#include "events/event.h"
#include "events/run_spec.h"
#include "receivers/argument_changes.h"
#include "receivers/receiver_settings.h"

namespace flarebridge {

class OpenedSession {
 public:
  // What the bridge adds to what the event says.
  struct Surroundings {
    std::string journal;  // id of the journal that positions count in
    std::string
        clients_folder;      // absolute; the runs of an owner are in a folder of theirs below it
    std::string blobs = {};  // absolute, or empty: where large values are
  };

  // `bytes`: the event's wire form. `owner`: whose key it came with, or empty. Errors: kConfig (a
  // relative folder, an owner who chooses one, a filter that makes no sense).
  static Expected<std::shared_ptr<const OpenedSession>> Make(const SessionOpened& event,
                                                             std::string_view bytes,
                                                             std::string_view owner,
                                                             const Surroundings& surroundings);
  // From what stored() gave to the journal. Errors: as above, and those of EventDecoder.
  static Expected<std::shared_ptr<const OpenedSession>> Restore(std::string_view stored,
                                                                const Surroundings& surroundings);

  // The same with other arguments of its receivers; itself, if it has none that they are about.
  // Errors: kConfig (they make no sense either).
  static Expected<std::shared_ptr<const OpenedSession>> Changed(
      const std::shared_ptr<const OpenedSession>& before, const ArgumentChanges& changes,
      const Surroundings& surroundings);

  // The event's wire form and behind it the owner's name, for the journal.
  const std::string& stored() const { return stored_; }
  const std::string& owner() const { return spec_.owner; }
  // Who shares the journal with others: the client, if it has a key, else the job. In words.
  const std::string& party() const { return party_; }
  const std::string& job() const { return spec_.job; }
  const std::string& run_name() const { return spec_.run_name; }
  const std::string& side() const { return spec_.side; }
  // Its process, whose death ends it; 0: not told.
  pid_t pid() const { return pid_; }
  // Its end says nothing of how its runs end: another session of theirs does.
  bool secondary() const { return secondary_; }
  const std::vector<ReceiverSettings>& receivers() const { return receivers_; }
  // Any of its receivers does.
  bool Wants(const Event& event) const;
  // What its receivers need to open the run of a site. `started`: seconds since the epoch.
  RunSpec SpecOf(const std::string& site, double started) const;

 private:
  OpenedSession() = default;
  std::string stored_;
  std::string party_;
  RunSpec spec_;  // without a site and a start
  std::vector<ReceiverSettings> receivers_;
  pid_t pid_ = 0;
  bool secondary_ = false;
};

}  // namespace flarebridge
