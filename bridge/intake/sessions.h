// The shims' side of the intake: what a session is, and the protocol with it: hello, sequence,
// credit, liveness, ends. What sessions send waits here until a commit has stored it. Knows nothing
// of what events say, nor of the journal: what is stored of a session is put here from outside.
// Used by the intake and, reading, by the staging of commits. The bridge's one thread.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "bridge/intake/intake_limits.h"
#include "bridge/intake/opened_session.h"
#include "bridge/intake/router.h"
#include "events/link_message.h"

namespace flarebridge {

// What is durable of a session, or will be with the commit that is being staged.
struct SessionState {
  uint64_t last_seq = 0;                        // all of its events up to here are stored
  uint64_t rejected = 0;                        // of these, refused
  bool open = true;                             // false: it has ended
  std::shared_ptr<const OpenedSession> opened;  // nothing until its SessionOpened is stored
  Router::Scope scope = 0;                      // of its runs; has a meaning once it is opened
  uint64_t closed_at = 0;  // of one that has ended: seconds since the epoch; 0: not known
};

class Sessions {
 public:
  using Time = std::chrono::steady_clock::time_point;

  struct Session {
    SessionState stored;
    std::string client;          // whose key it came with, or empty
    uint64_t received_seq = 0;   // stored or waiting
    size_t waiting = 0;          // of its arrivals
    size_t waiting_bytes = 0;    // of these
    uint64_t credit = 0;         // told last
    uint64_t credit_before = 0;  // told before that: what is under way may rely on it
    bool held = false;           // it needs a run and there is no room: no credit until there is
    bool waits = false;          // for a large value to be on the disk: its arrivals stay
    Time heard{};                // never, if its process was there before the start only
    bool bye = false;
    bool left = false;       // silent for so long that leave was taken in its place
    std::set<int64_t> runs;  // that it feeds
  };
  // A batch that waits to be stored, or instead of one: that the session is lost.
  struct Arrival {
    std::string session;
    uint64_t first_seq = 0;
    uint32_t count = 0;
    std::string body;
    std::string end_reason = {};  // not empty: the session is lost
    double end_time = 0;          // seconds since the epoch
  };

  explicit Sessions(const IntakeLimits& limits) : limits_(limits) {}

  // --- what shims say; `room`: there is some for more events, else no credit is given ---
  // Errors: kUnsupported (another version), kTooLarge (too many sessions), kForbidden (it belongs
  // to another client).
  Expected<Welcome> Hello(const flarebridge::Hello& hello, const std::string& client, bool room,
                          Time now);
  // Takes over a batch. A refusal (after which only a hello and what was not stored make sense):
  // the session is not known, the batch does not join, there is no room for it, or it is beyond the
  // session's credit by more than one batch. What has been received before is left out.
  std::optional<Refusal> Take(const std::string& id, const Batch& batch, Time now,
                              bool room = true);
  Ack AckOf(const std::string& id, bool room);
  void Heard(const std::string& id, Time now);
  void Bye(const std::string& id);
  // They are gone without having said so, or left without an end.
  void EndLost(const std::vector<std::string>& ids, const std::string& reason, double time);

  // --- what waits, in the order in which it came ---
  const std::vector<Arrival>& arrivals() const { return arrivals_; }
  // Of sessions that can be stored.
  size_t waiting_bytes() const { return waiting_bytes_; }
  // Something waits that can be stored.
  bool HasStorable() const;
  // All of it has been stored, but for what is behind the last event stored of those held. Those of
  // `waiting` wait for a large value: their arrivals stay until ReleaseWaiting().
  void ClearArrivals(const std::set<std::string>& waiting = {});
  void ReleaseWaiting();
  // What was received and not stored is to be sent again, when there is room.
  void Hold(const std::string& id);
  void ReleaseHeld();

  // --- what is stored of them ---
  // Also one that is not known yet, remembered from before the start. `heard`: when it counts as
  // heard of last; never, if its process can't come back.
  void Restore(const std::string& id, SessionState state, Time heard = {});
  // A commit has stored this of a session.
  void Stored(const std::string& id, SessionState state) {
    sessions_[id].stored = std::move(state);
  }
  void Feeds(const std::string& id, int64_t run) { sessions_[id].runs.insert(run); }
  void Erase(const std::string& id) { sessions_.erase(id); }

  // --- who lives ---
  // Open ones that have said nothing since `since`, and of which nothing waits.
  std::vector<std::string> SilentSince(Time since) const;
  // Any that may still send: not bye, and not ended and silent since `since`.
  bool AnyAlive(Time since) const;
  // Every end is stored, and nothing waits.
  bool AllEnded() const;
  // Takes leave of sessions in their place, unless they come back before the next commit: those
  // that have ended and are silent since `ended`, and those that have opened nothing and are silent
  // since `unopened`. Gives their ids.
  std::vector<std::string> LeaveForSilent(Time ended, Time unopened);
  // It has said goodbye and its end is stored, or leave was taken for it, and nothing of it waits:
  // nobody asks for it again.
  static bool IsOver(const Session& session) {
    return (session.left || (session.bye && !session.stored.open)) && session.waiting == 0;
  }
  std::vector<std::string> FeedersOf(int64_t run) const;
  // Open ones that have told their process, with it.
  std::map<std::string, pid_t> Processes() const;

  const std::map<std::string, Session>& all() const { return sessions_; }

 private:
  // Of all sessions together never more than the limit.
  uint64_t Credit(bool room) const;
  uint64_t Tell(Session& session, bool room) const;

  IntakeLimits limits_;
  std::map<std::string, Session> sessions_;
  std::vector<Arrival> arrivals_;
  size_t waiting_bytes_ = 0;
};

}  // namespace flarebridge
