// When the bridge may leave, and which sessions it gives up before: a table, pure, with all facts
// and the time passed in. The bridge asks it once in each turn of its loop and does what it says.
// One thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>

namespace flarebridge {

class Leaving {
 public:
  using Time = std::chrono::steady_clock::time_point;
  using Duration = std::chrono::steady_clock::duration;

  // What holds for all of the bridge's life.
  struct Terms {
    bool own = false;             // serves one job and leaves when its work is done
    bool serves = true;           // has an endpoint, so that shims can come
    bool watches_parent = false;  // knows which process it serves
    Duration finish_timeout{};    // without progress, after the shims are gone
    Duration upload_timeout{};    // then uploads go on without the bridge
    Duration session_timeout{};   // silence after which a session without a parent is lost
  };
  // What the bridge sees now.
  struct Seen {
    Time started{};             // when the bridge began to look
    bool asked = false;         // by a signal
    bool parent_gone = false;   // the process that it serves has ended
    bool process_gone = false;  // one of several that it serves has, and its session is open
    bool served = false;        // somebody has said hello
    Time last_input{};          // when a shim last said something, or started
    std::optional<Time> journal_blocked_since;
    // Sessions; they matter to an own bridge only.
    bool any_session_alive = false;   // not bye, nor ended and silent for kEndedSilence
    bool all_sessions_ended = false;  // and their ends are stored
    // Runs; they matter once the bridge was asked to leave or all sessions have ended.
    bool runs_done = false;   // every event is in its run, and no worker is left
    bool runs_stuck = false;  // as runs_done, but for runs that trying again does not help
    bool workers_left = false;
    Time last_progress{};  // when a run last had more on disk
    bool uploads_done = false;
  };

  enum class Step : uint8_t {
    kStay,
    kStopWorkers,    // let them write out what they have; told once
    kFinishUploads,  // no file grows any more; told once
    kLeave,
  };
  enum class Why : uint8_t {
    kAllDone,      // every event is in its run, and uploaded
    kUploadsGoOn,  // every event is in its run; uploads need longer than the bridge waits
    kAsked,        // workers have written out; the rest is for a later start
    kUndelivered,  // events are left in the journal
    kNeverStored,  // the journal could not be written to the end, and nobody sends again
  };
  struct Decision {
    Step step = Step::kStay;
    std::optional<Time> until;  // when to ask again although nothing has happened
    Why why = Why::kAllDone;    // of kLeave
    int status = 0;             // of kLeave: the process's exit status
  };

  // A session whose end is stored and that is silent for this long has no need of the bridge.
  static constexpr Duration kEndedSilence = std::chrono::seconds(5);
  // After a process's death, what the kernel still holds of its messages arrives within this.
  static constexpr Duration kLastWords = std::chrono::milliseconds(200);

  explicit Leaving(const Terms& terms) : terms_(terms) {}

  // What to do now.
  Decision Decide(const Seen& seen, Time now);

  // Open sessions that have said nothing since then are lost; nothing: none is. What is seen of
  // sessions and runs does not matter.
  std::optional<Time> LostIfSilentSince(const Seen& seen, Time now) const;

 private:
  // Nobody can send anything any more.
  bool ShimsAreGone(const Seen& seen, Time now) const;
  bool NeverStored(const Seen& seen, Time now) const;
  Decision AwaitWorkers(const Seen& seen, Time now);
  Decision AwaitUploads(const Seen& seen, Time now);
  // Until `deadline`, or until a fact may have changed by time alone.
  Decision Stay(const Seen& seen, Time now, std::optional<Time> deadline) const;

  Terms terms_;
  bool stopping_ = false;          // asked to leave, and the workers are told
  std::optional<Time> finish_by_;  // set while the bridge is about to leave
  std::optional<Time> upload_by_;  // set when all runs are written
};

}  // namespace flarebridge
