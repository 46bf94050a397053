// What a receiver is: it writes the events of one run for one tracking system (NVFlare's word). Its
// law: it writes to the local disk only (what is remote is an upload that follows what it wrote);
// it has a durable position of its own; and one that fails is told and left behind while the others
// of its run go on. It knows nothing of sockets, of the bridge or that it runs in a process of its
// own. The worker owns it and calls it from one thread; after an error it is closed, and opened
// anew by a later worker unless the error was kConfig.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>

#include "events/clock.h"
#include "events/error.h"
#include "events/event.h"
#include "receivers/upload_target.h"

namespace flarebridge {

// Called again and again while a receiver reads what is there already: whoever waits for it sees
// that it goes on.
using OnProgress = std::function<void()>;

class Receiver {
 public:
  virtual ~Receiver() = default;

  // All events up to this journal position are in the run, by what opening found or by Persist().
  // Events at or below it need not be given again; those above may be, and are recognised.
  virtual uint64_t DurablePosition() const = 0;

  // Takes over one event. Positions rise from call to call, with gaps; an event that the run holds
  // already (it was replayed) changes nothing. The event's views need live only for this call.
  // What the receiver can't use is counted by it, not an error. Errors: kIo.
  virtual Expected<void> Write(uint64_t position, const Event& event, Clock::time_point now) = 0;

  // Makes visible to readers of the run what is due by now. Errors: kIo.
  virtual Expected<void> Flush(Clock::time_point now) = 0;
  // When Flush() next has something to do; nothing if nothing waits.
  virtual std::optional<Clock::time_point> NextFlush() const = 0;

  // What was made visible goes to the disk; DurablePosition() rises. Errors: kIo.
  virtual Expected<void> Persist() = 0;

  // Writes out all that waits and syncs: called before the worker leaves without the run's end
  // (the run goes on in a later worker). Errors: kIo.
  virtual Expected<void> Drain() = 0;

  // What of the run is to be uploaded while it grows and after its end; nothing if it stays here.
  virtual std::optional<UploadTarget> Upload() const = 0;

  // The run's own folder, if files are still opened, made or removed in it; nothing if the receiver
  // keeps to what is open. Once it is open, a receiver reaches nothing else: the worker gives up
  // all other folders then.
  virtual std::optional<std::filesystem::path> Folder() const = 0;

  // What a person should know of events that did not become what they were meant to be, in one
  // line; empty if there is nothing. Told at the run's end.
  virtual std::string Report() const = 0;
};

}  // namespace flarebridge
