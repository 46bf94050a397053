// How the receivers of one run stand: what each has on disk, which of them live, which have failed,
// when one is tried again and when it is given up. A table, pure, with the clock passed in: the
// run's feed tells it what a worker said and does what it says. One per run; one thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "events/error.h"
#include "events/worker_frame.h"

namespace flarebridge {

class ReceiverStates {
 public:
  using Time = std::chrono::steady_clock::time_point;
  using Duration = std::chrono::steady_clock::duration;

  // What a receiver that failed may cost while the others of its run go on.
  struct Patience {
    // A disk that is full or gone is mended within the hour or not before a person looks.
    Duration time = std::chrono::hours(1);
    // Half a day of a busy site's metrics, and a sixteenth of the journal's default room.
    uint64_t bytes = uint64_t{64} << 20;
    // Trying again costs the run's other receivers a new worker: seldom, but soon at first.
    Duration retry_first = std::chrono::seconds(1);
    Duration retry_most = std::chrono::seconds(30);
  };
  enum class State : uint8_t {
    kClosed,   // the next worker opens it
    kLives,    // a worker has it open
    kFailed,   // it is tried again
    kRefuses,  // it said that trying again does not help
    kGivenUp,  // it failed for too long, or is not waited for: its events go to quarantine
  };
  struct Receiver {
    std::string name;
    uint64_t kept = 0;  // events up to here are on its disk, or in quarantine
    State state = State::kClosed;
    std::optional<Time> failed_since;  // without progress since
    uint32_t failures = 0;             // since it last made progress
    Time retry_at{};                   // of kFailed
    uint64_t backlog = 0;              // bytes of events above `kept`, once it has failed
    bool told = false;                 // this failure has been told
    std::string why;                   // it failed

    bool IsOpen() const { return state == State::kClosed || state == State::kLives; }
    // It has failed, and its events are still waited with.
    bool IsLeftBehind() const { return state == State::kFailed || state == State::kRefuses; }
  };
  // What a worker's word has changed.
  struct Change {
    bool progress = false;          // a receiver has more on disk
    std::vector<Receiver*> failed;  // just now; valid as long as this table
  };

  // All of them have events up to `kept`.
  ReceiverStates(const std::vector<std::string>& names, uint64_t kept, const Patience& patience);

  // A worker is started: those that it is to open.
  std::vector<OpenFrame::Receiver> Open();
  // What the worker says; `last`: of the run's positions. Errors: kMalformed (that can't be).
  Expected<Change> Take(const std::vector<ReceiverStatus>& statuses, uint64_t last, Time now);
  void OnWorkerGone();
  // More events of the run are stored.
  void OnStored(uint64_t bytes);

  // Of those below nothing but Forgotten(), FedFrom(), HasWork() and OpenOnesHave() matters while
  // this is false, as it is nearly always.
  bool AnyFailed() const { return any_failed_; }
  // Events up to here are needed no more by any of them.
  uint64_t Forgotten() const;
  // A new worker's events begin behind this position.
  uint64_t FedFrom() const;
  // Somebody who is not given up lacks events up to `last`.
  bool HasWork(uint64_t last) const;
  // The same, and a new worker is to be started for it now.
  bool WantsWorker(uint64_t last, Time now) const;
  // Those that have not failed have all up to `last`.
  bool OpenOnesHave(uint64_t last) const;
  // One that failed is to be tried again by now.
  bool RetryIsDue(uint64_t last, Time now) const;
  // When RetryIsDue() and ToGiveUp() may change by time alone; without the former if no worker can
  // be started or ended for it now.
  std::optional<Time> NextTimer(uint64_t last, bool can_retry) const;

  // One that has failed for too long, or too much, while others go on; nothing: none has.
  // `over`: the run has ended and the others have it.
  Receiver* ToGiveUp(uint64_t last, bool over, Time now);
  // Its events go to quarantine from now on.
  void GiveUp(Receiver& receiver);
  bool AllGivenUp() const;
  // Of those that failed while others go on the one with the largest backlog, or nothing.
  Receiver* LargestBacklog(uint64_t last);
  uint64_t BacklogBytes() const;

  std::vector<Receiver>& all() { return receivers_; }
  const std::vector<Receiver>& all() const { return receivers_; }

 private:
  Receiver* Find(const std::string& name);
  void Fail(Receiver& receiver, const ReceiverStatus& status, Time now);
  bool OthersGoOn(const Receiver& receiver, uint64_t last) const;

  Patience patience_;
  std::vector<Receiver> receivers_;
  bool any_failed_ = false;  // one of them does not live because it failed
};

}  // namespace flarebridge
