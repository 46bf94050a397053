// What of all that has arrived becomes one commit: each event is decoded, checked, filtered, routed
// to its run and put into one of the run's slices. Reads what is known of sessions and runs and
// changes none of it, so that a commit that fails leaves nothing to undo. Used by the intake, one
// object per commit. The bridge's one thread.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "bridge/intake/blob_keeper.h"
#include "bridge/intake/intake_limits.h"
#include "bridge/intake/opened_session.h"
#include "bridge/intake/router.h"
#include "bridge/intake/sessions.h"
#include "bridge/journal/journal_commit.h"
#include "events/event_codec.h"

namespace flarebridge {

// How a run ends, as a session has said that is not secondary: it holds when the last one ends.
struct SaidEnd {
  int32_t exit_code = 0;
  std::string reason;
};

// A run that events are routed to.
struct RoutedRun {
  std::string site;
  std::shared_ptr<const OpenedSession> opened;
  Router::Scope scope = 0;
  double started = 0;          // seconds since the epoch
  uint64_t last_position = 0;  // of its last event
  bool ended = false;          // its last event is its end
  bool guessed = false;        // that end is a guess, which the true one puts right
  uint64_t stored_bytes = 0;   // of its events, in the journal
  // In memory only: a bridge that was killed meanwhile takes the word of the last session.
  std::optional<SaidEnd> said = {};
};
using RoutedRuns = std::map<int64_t, RoutedRun>;

// A large value that an event of the commit needs.
struct StagedBlob {
  size_t slice = 0;     // of the commit
  uint32_t offset = 0;  // of the event in it
  std::string id;
};

// A commit, and what is so once it is durable.
struct StagedCommit {
  JournalCommit commit;
  std::map<std::string, SessionState> sessions;  // of all sessions in the commit
  std::vector<RoutedRun> new_runs;               // those of commit.new_runs, in their order
  std::map<int64_t, SaidEnd> said;               // of runs that have ends which were said
  uint64_t filtered = 0;                         // events that no receiver wants
  std::vector<std::string> notices;              // a few of the reasons of rejections
  // Sessions that need a run for which there is no room: what is behind the last event stored is to
  // be sent again.
  std::vector<std::string> held;
  std::vector<StagedBlob> blobs;
  // Sessions that are stored up to an event whose large value is not on the disk yet: what is
  // behind stays among the arrivals.
  std::set<std::string> waiting;
};

class CommitStaging {
 public:
  // What a commit builds on. Of the router only scopes are made, which mean nothing by themselves.
  struct Known {
    const Sessions& sessions;
    const RoutedRuns& runs;
    Router& router;
    EventDecoder& decoder;
    const IntakeLimits& limits;
    const OpenedSession::Surroundings& surroundings;
    double time = 0;              // now, in seconds since the epoch; 0: not known
    BlobKeeper* blobs = nullptr;  // nothing: events that name large values are rejected
  };

  explicit CommitStaging(const Known& known) : known_(known) {}

  // In the order in which they came. Each event stands for itself: one that breaks a rule is
  // counted and stepped over.
  void Add(const Sessions::Arrival& arrival);
  void Forget(int64_t run, uint64_t position) {
    staged_.commit.forgotten.push_back({run, position});
  }
  // After all arrivals: sessions that are over and, of `finished`, runs that have not gone on and
  // that no session feeds any more.
  void DropWhatIsOver(const std::set<int64_t>& finished);
  // The commit; nothing can be added to it afterwards.
  StagedCommit Finish();

 private:
  struct StagedSession {
    const std::string* id = nullptr;
    const Sessions::Session* known = nullptr;
    SessionState state;
    std::set<int64_t> new_feeds;
    bool held = false;
    bool waits = false;
  };

  StagedSession& Staged(const std::string& id);
  // Puts one event where it belongs. Errors: why it is rejected.
  Expected<void> Place(StagedSession& session, const Event& event, std::string_view bytes);
  Expected<void> Open(StagedSession& session, const SessionOpened& event, std::string_view bytes);
  // The large values that an event names. Errors: kTemporary (one is on its way to the disk), why
  // one can't be had.
  Expected<std::vector<BlobRef>> TakeBlobs(const StagedSession& session, const Event& event);
  void DiscardBlobs(const StagedSession& session, const Event& event);
  // `guessed`: nobody has said so. A guess ends no run that has ended; a true end puts a guess
  // right.
  void End(StagedSession& session, const SessionEnded& event, bool guessed);
  bool IsFedByOthers(int64_t run, const std::string& session) const;
  // What a secondary session's end is for a run: what another has said, else its own word.
  SaidEnd EndOf(int64_t run, const SessionEnded& event) const;
  // `truly`: an end that was guessed is none.
  bool HasEnded(int64_t run, bool truly) const;
  // The run of the event's site, made if it is not there. Errors: kBusy (runs of others take the
  // room; it may be there later), kTooLarge (the session's own do).
  Expected<int64_t> RunFor(StagedSession& session, const Event& event);
  Expected<int64_t> MakeRun(const StagedSession& session, const Event& event);
  JournalCommit::Slice& Append(int64_t run, std::string_view bytes, bool ends);
  const RoutedRun& RunOf(int64_t run) const;
  void Note(const std::string& reason);

  Known known_;
  StagedCommit staged_;
  std::map<std::string, StagedSession> sessions_;
  std::map<Router::Scope, std::map<std::string, int64_t, std::less<>>> new_sites_;
  std::map<int64_t, size_t> last_slices_;  // of each run that has one, in commit.slices
};

}  // namespace flarebridge
