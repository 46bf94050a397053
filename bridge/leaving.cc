#include "bridge/leaving.h"

#include <algorithm>

#include "bridge/process/exit_code.h"

namespace flarebridge {
namespace {

using std::chrono::seconds;

// An own bridge to which nobody ever came leaves.
constexpr seconds kFirstSession{60};
// Sessions that the journal remembers come back to a restarted bridge within this, or never.
constexpr seconds kReturn{15};
// How long workers may take to write out after a signal.
constexpr seconds kStopDeadline{15};
// Sessions that have ended fall silent by time alone, which is looked at this often.
constexpr seconds kLook{1};

Leaving::Decision Leave(Leaving::Why why) {
  const bool incomplete = why == Leaving::Why::kUndelivered || why == Leaving::Why::kNeverStored;
  return {Leaving::Step::kLeave, std::nullopt, why, incomplete ? kExitIncomplete : kExitOk};
}

}  // namespace

Leaving::Decision Leaving::Decide(const Seen& seen, Time now) {
  if (NeverStored(seen, now)) return Leave(Why::kNeverStored);
  const bool may_leave =
      seen.asked || (terms_.own && seen.all_sessions_ended && ShimsAreGone(seen, now));
  if (!may_leave) {
    finish_by_.reset();
    upload_by_.reset();
    return Stay(seen, now, std::nullopt);
  }
  if (seen.asked && !stopping_ && !seen.runs_done) {
    stopping_ = true;
    finish_by_ = now + kStopDeadline;  // however long it would have waited by itself
    return {Step::kStopWorkers, now};
  }
  if (!finish_by_) finish_by_ = now + terms_.finish_timeout;
  return seen.runs_done ? AwaitUploads(seen, now) : AwaitWorkers(seen, now);
}

std::optional<Leaving::Time> Leaving::LostIfSilentSince(const Seen& seen, Time now) const {
  if (seen.parent_gone || !terms_.serves) {
    if (now - seen.last_input < kLastWords) return std::nullopt;
    return now;  // all of them
  }
  if (!terms_.watches_parent) return now - terms_.session_timeout;
  if (now - seen.started < kReturn) return std::nullopt;
  return Time{};  // sessions of an earlier process, which this one's parent replaced
}

bool Leaving::ShimsAreGone(const Seen& seen, Time now) const {
  if (!terms_.serves) return true;
  if (seen.parent_gone) return now - seen.last_input >= kLastWords;
  if (!seen.served) return now - seen.started >= kFirstSession;
  return !seen.any_session_alive;
}

// Nobody is left to send again what the journal does not take: waiting has an end.
bool Leaving::NeverStored(const Seen& seen, Time now) const {
  return terms_.own && seen.journal_blocked_since && ShimsAreGone(seen, now) &&
         now - std::max(*seen.journal_blocked_since, seen.last_input) >= terms_.finish_timeout;
}

Leaving::Decision Leaving::AwaitWorkers(const Seen& seen, Time now) {
  if (!seen.asked) finish_by_ = std::max(*finish_by_, seen.last_progress + terms_.finish_timeout);
  const bool nothing_to_wait_for = !seen.workers_left && (seen.asked || seen.runs_stuck);
  if (now >= *finish_by_ || nothing_to_wait_for) return Leave(Why::kUndelivered);
  return Stay(seen, now, finish_by_);
}

Leaving::Decision Leaving::AwaitUploads(const Seen& seen, Time now) {
  if (seen.asked) return Leave(Why::kAsked);
  if (seen.uploads_done) return Leave(Why::kAllDone);
  if (!upload_by_) {
    upload_by_ = now + terms_.upload_timeout;
    return {Step::kFinishUploads, now};
  }
  if (now >= *upload_by_) return Leave(Why::kUploadsGoOn);
  return Stay(seen, now, upload_by_);
}

Leaving::Decision Leaving::Stay(const Seen& seen, Time now, std::optional<Time> deadline) const {
  const auto consider = [&deadline](Time time) {
    deadline = deadline ? std::min(*deadline, time) : time;
  };
  if (seen.parent_gone || !terms_.serves) consider(now + kLastWords);
  if (seen.process_gone) consider(now + kLastWords);
  if (!terms_.own || (terms_.serves && !terms_.watches_parent))
    consider(now + terms_.session_timeout);
  if (terms_.own && seen.all_sessions_ended) consider(now + kLook);
  if (terms_.watches_parent && now - seen.started < kReturn) consider(seen.started + kReturn);
  return {Step::kStay, deadline};
}

}  // namespace flarebridge
