#include "bridge/leaving.h"

#include <doctest/doctest.h>

#include "bridge/process/exit_code.h"

namespace flarebridge {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::seconds;
using Step = Leaving::Step;
using Time = Leaving::Time;
using Why = Leaving::Why;

const Time kStart{hours(1)};

Leaving::Terms Own() {
  Leaving::Terms terms;
  terms.own = true;
  terms.watches_parent = true;
  terms.finish_timeout = seconds(10);
  terms.upload_timeout = seconds(30);
  terms.session_timeout = seconds(60);
  return terms;
}

Leaving::Terms Shared() {
  Leaving::Terms terms = Own();
  terms.own = terms.watches_parent = false;
  return terms;
}

// One session that sends, into a run whose worker writes.
Leaving::Seen Busy() {
  Leaving::Seen seen;
  seen.started = seen.last_input = seen.last_progress = kStart;
  seen.served = true;
  seen.any_session_alive = true;
  seen.workers_left = true;
  return seen;
}

// The session has said all and bye; the worker has not written everything.
Leaving::Seen Ended() {
  Leaving::Seen seen = Busy();
  seen.any_session_alive = false;
  seen.all_sessions_ended = true;
  return seen;
}

// And now it has.
Leaving::Seen Written() {
  Leaving::Seen seen = Ended();
  seen.runs_done = seen.runs_stuck = true;
  seen.workers_left = false;
  return seen;
}

TEST_CASE("an own bridge stays while a session lives") {
  Leaving leaving(Own());
  Leaving::Seen seen = Busy();
  CHECK(leaving.Decide(seen, kStart).step == Step::kStay);
  CHECK(leaving.Decide(seen, kStart + hours(24)).step == Step::kStay);
  seen = Written();
  seen.any_session_alive = true;  // one that has ended and still says something
  CHECK(leaving.Decide(seen, kStart + hours(48)).step == Step::kStay);
}

TEST_CASE("an own bridge stays while an end is not stored") {
  Leaving leaving(Own());
  Leaving::Seen seen = Written();
  seen.all_sessions_ended = false;
  CHECK(leaving.Decide(seen, kStart + hours(24)).step == Step::kStay);
}

TEST_CASE("an own bridge leaves when all is written and uploaded") {
  Leaving leaving(Own());
  Leaving::Seen seen = Written();
  seen.uploads_done = true;
  const Leaving::Decision decision = leaving.Decide(seen, kStart);
  CHECK(decision.step == Step::kLeave);
  CHECK(decision.why == Why::kAllDone);
  CHECK(decision.status == kExitOk);
}

TEST_CASE("a shared bridge stays until it is asked to leave") {
  Leaving leaving(Shared());
  Leaving::Seen seen = Written();
  seen.uploads_done = true;
  seen.journal_blocked_since = kStart;
  CHECK(leaving.Decide(seen, kStart + hours(1000)).step == Step::kStay);
}

TEST_CASE("an own bridge to which nobody comes leaves after a minute") {
  Leaving leaving(Own());
  Leaving::Seen seen = Written();
  seen.served = false;
  seen.uploads_done = true;
  const Leaving::Decision waits = leaving.Decide(seen, kStart + milliseconds(59999));
  CHECK(waits.step == Step::kStay);
  CHECK(*waits.until <= kStart + seconds(61));
  CHECK(leaving.Decide(seen, kStart + seconds(60)).step == Step::kLeave);
}

TEST_CASE("a bridge without an endpoint leaves as soon as what was left is finished") {
  Leaving::Terms terms = Own();
  terms.serves = terms.watches_parent = false;
  Leaving leaving(terms);
  Leaving::Seen seen = Written();
  seen.served = false;
  seen.uploads_done = true;
  CHECK(leaving.Decide(seen, kStart).step == Step::kLeave);
}

TEST_CASE("after the parent's death its last words are waited for, and no longer") {
  Leaving leaving(Own());
  Leaving::Seen seen = Written();
  seen.uploads_done = true;
  seen.any_session_alive = true;  // nobody is there to say bye
  seen.parent_gone = true;
  seen.last_input = kStart + seconds(5);
  const Leaving::Decision waits = leaving.Decide(seen, kStart + milliseconds(5199));
  CHECK(waits.step == Step::kStay);
  CHECK(*waits.until <= kStart + milliseconds(5400));
  CHECK(leaving.Decide(seen, kStart + milliseconds(5200)).step == Step::kLeave);
}

TEST_CASE(
    "a bridge of several processes looks again when one of them is gone, and for silent ones") {
  Leaving::Terms terms = Own();
  terms.watches_parent = false;
  Leaving leaving(terms);
  Leaving::Seen seen = Busy();
  CHECK(*leaving.Decide(seen, kStart).until == kStart + seconds(60));
  CHECK(leaving.LostIfSilentSince(seen, kStart) == kStart - seconds(60));
  seen.process_gone = true;
  CHECK(*leaving.Decide(seen, kStart).until == kStart + Leaving::kLastWords);
}

TEST_CASE("workers that get no further are left after the finish timeout, with status 1") {
  Leaving leaving(Own());
  const Leaving::Seen seen = Ended();
  const Leaving::Decision waits = leaving.Decide(seen, kStart);
  CHECK(waits.step == Step::kStay);
  CHECK(leaving.Decide(seen, kStart + milliseconds(9999)).step == Step::kStay);
  const Leaving::Decision decision = leaving.Decide(seen, kStart + seconds(10));
  CHECK(decision.step == Step::kLeave);
  CHECK(decision.why == Why::kUndelivered);
  CHECK(decision.status == kExitIncomplete);
}

TEST_CASE("workers that get further are waited for") {
  Leaving leaving(Own());
  Leaving::Seen seen = Ended();
  leaving.Decide(seen, kStart);
  seen.last_progress = kStart + seconds(9);
  const Leaving::Decision waits = leaving.Decide(seen, kStart + seconds(10));
  CHECK(waits.step == Step::kStay);
  CHECK(*waits.until <= kStart + seconds(19));
  CHECK(leaving.Decide(seen, kStart + seconds(19)).why == Why::kUndelivered);
}

TEST_CASE("runs that trying again does not help are not waited for") {
  Leaving leaving(Own());
  Leaving::Seen seen = Ended();
  seen.runs_stuck = true;
  CHECK(leaving.Decide(seen, kStart).step == Step::kStay);  // a worker still leaves
  seen.workers_left = false;
  CHECK(leaving.Decide(seen, kStart).why == Why::kUndelivered);
}

TEST_CASE("a worker that died is waited for: it is started again") {
  Leaving leaving(Own());
  Leaving::Seen seen = Ended();
  seen.workers_left = false;
  CHECK(leaving.Decide(seen, kStart).step == Step::kStay);
}

TEST_CASE("uploads are told to finish once, waited for, and go on without the bridge at last") {
  Leaving leaving(Own());
  const Leaving::Seen seen = Written();
  CHECK(leaving.Decide(seen, kStart).step == Step::kFinishUploads);
  CHECK(leaving.Decide(seen, kStart + seconds(1)).step == Step::kStay);
  const Leaving::Decision waits = leaving.Decide(seen, kStart + milliseconds(29999));
  CHECK(waits.step == Step::kStay);
  CHECK(*waits.until == kStart + seconds(30));
  const Leaving::Decision decision = leaving.Decide(seen, kStart + seconds(30));
  CHECK(decision.step == Step::kLeave);
  CHECK(decision.why == Why::kUploadsGoOn);
  CHECK(decision.status == kExitOk);
}

TEST_CASE("the upload timeout counts from when all runs are written") {
  Leaving leaving(Own());
  leaving.Decide(Ended(), kStart);
  CHECK(leaving.Decide(Written(), kStart + seconds(9)).step == Step::kFinishUploads);
  CHECK(leaving.Decide(Written(), kStart + seconds(38)).step == Step::kStay);
  CHECK(leaving.Decide(Written(), kStart + seconds(39)).why == Why::kUploadsGoOn);
}

TEST_CASE("without an upload timeout uploads are still told to finish") {
  Leaving::Terms terms = Own();
  terms.upload_timeout = seconds(0);
  Leaving leaving(terms);
  const Leaving::Decision told = leaving.Decide(Written(), kStart);
  CHECK(told.step == Step::kFinishUploads);
  CHECK(*told.until == kStart);
  CHECK(leaving.Decide(Written(), kStart).why == Why::kUploadsGoOn);
}

TEST_CASE("waiting for uploads sleeps, also behind the finish timeout") {
  Leaving leaving(Own());
  leaving.Decide(Ended(), kStart);
  leaving.Decide(Written(), kStart + seconds(9));
  const Time late = kStart + seconds(12);
  CHECK(*leaving.Decide(Written(), late).until > late);
}

TEST_CASE("more events after the end take the leaving back, with its deadlines") {
  Leaving leaving(Own());
  leaving.Decide(Ended(), kStart);
  CHECK(leaving.Decide(Busy(), kStart + seconds(9)).step == Step::kStay);
  CHECK(leaving.Decide(Ended(), kStart + seconds(100)).step == Step::kStay);
  CHECK(leaving.Decide(Ended(), kStart + seconds(109)).step == Step::kStay);
  CHECK(leaving.Decide(Ended(), kStart + seconds(110)).why == Why::kUndelivered);
}

TEST_CASE("more events while uploads are waited for give them their whole time again") {
  Leaving leaving(Own());
  leaving.Decide(Written(), kStart);
  leaving.Decide(Busy(), kStart + seconds(29));
  CHECK(leaving.Decide(Written(), kStart + seconds(40)).step == Step::kFinishUploads);
  CHECK(leaving.Decide(Written(), kStart + seconds(69)).step == Step::kStay);
  CHECK(leaving.Decide(Written(), kStart + seconds(70)).why == Why::kUploadsGoOn);
}

TEST_CASE("who is asked to leave stops the workers once, and leaves when they have written out") {
  for (const Leaving::Terms& terms : {Own(), Shared()}) {
    Leaving leaving(terms);
    Leaving::Seen seen = Busy();
    seen.asked = true;
    CHECK(leaving.Decide(seen, kStart).step == Step::kStopWorkers);
    CHECK(leaving.Decide(seen, kStart + seconds(1)).step == Step::kStay);
    seen.runs_done = true;
    seen.workers_left = false;
    const Leaving::Decision decision = leaving.Decide(seen, kStart + seconds(2));
    CHECK(decision.step == Step::kLeave);
    CHECK(decision.why == Why::kAsked);
    CHECK(decision.status == kExitOk);
  }
}

TEST_CASE("who is asked to leave waits for no uploads") {
  Leaving leaving(Own());
  leaving.Decide(Written(), kStart);
  Leaving::Seen seen = Written();
  seen.asked = true;
  CHECK(leaving.Decide(seen, kStart + seconds(1)).why == Why::kAsked);
}

TEST_CASE("who is asked to leave waits 15 seconds at most, whatever progress there is") {
  Leaving leaving(Shared());
  Leaving::Seen seen = Busy();
  seen.asked = true;
  leaving.Decide(seen, kStart);
  seen.last_progress = kStart + seconds(14);
  const Leaving::Decision waits = leaving.Decide(seen, kStart + seconds(14));
  CHECK(waits.step == Step::kStay);
  CHECK(*waits.until == kStart + seconds(15));
  CHECK(leaving.Decide(seen, kStart + seconds(15)).why == Why::kUndelivered);
}

TEST_CASE(
    "who is asked to leave while it waits for its workers waits 15 seconds more, and no longer") {
  Leaving::Terms terms = Own();
  terms.finish_timeout = hours(1);
  Leaving leaving(terms);
  Leaving::Seen seen = Ended();
  leaving.Decide(seen, kStart);
  seen.asked = true;
  CHECK(leaving.Decide(seen, kStart + seconds(1)).step == Step::kStopWorkers);
  seen.last_progress = kStart + seconds(15);
  CHECK(leaving.Decide(seen, kStart + seconds(15)).step == Step::kStay);
  CHECK(leaving.Decide(seen, kStart + seconds(16)).why == Why::kUndelivered);
}

TEST_CASE(
    "who is asked to leave just before it would leave gives its workers the whole 15 seconds") {
  Leaving leaving(Own());
  Leaving::Seen seen = Ended();
  leaving.Decide(seen, kStart);
  seen.asked = true;
  CHECK(leaving.Decide(seen, kStart + seconds(9)).step == Step::kStopWorkers);
  CHECK(leaving.Decide(seen, kStart + seconds(23)).step == Step::kStay);
  CHECK(leaving.Decide(seen, kStart + seconds(24)).why == Why::kUndelivered);
}

TEST_CASE("who is asked to leave starts nothing again for events that are left") {
  Leaving leaving(Shared());
  Leaving::Seen seen = Busy();
  seen.asked = true;
  leaving.Decide(seen, kStart);
  seen.workers_left = false;
  CHECK(leaving.Decide(seen, kStart + seconds(1)).why == Why::kUndelivered);
}

TEST_CASE("a blocked journal with nobody left is given up after the finish timeout") {
  Leaving leaving(Own());
  Leaving::Seen seen = Ended();
  seen.all_sessions_ended = false;  // their ends can't be stored
  seen.journal_blocked_since = kStart;
  seen.last_input = kStart + seconds(3);
  CHECK(leaving.Decide(seen, kStart + milliseconds(12999)).step == Step::kStay);
  const Leaving::Decision decision = leaving.Decide(seen, kStart + seconds(13));
  CHECK(decision.step == Step::kLeave);
  CHECK(decision.why == Why::kNeverStored);
  CHECK(decision.status == kExitIncomplete);
}

TEST_CASE("a blocked journal is waited for while somebody is there to send again") {
  Leaving leaving(Own());
  Leaving::Seen seen = Busy();
  seen.journal_blocked_since = kStart;
  CHECK(leaving.Decide(seen, kStart + hours(24)).step == Step::kStay);
}

TEST_CASE("sessions without a parent are lost after the session timeout") {
  const Leaving leaving(Shared());
  const Time now = kStart + hours(1);
  CHECK(leaving.LostIfSilentSince(Busy(), now) == now - seconds(60));
}

TEST_CASE("sessions of a living parent are lost only if they never came back") {
  const Leaving leaving(Own());
  CHECK_FALSE(leaving.LostIfSilentSince(Busy(), kStart + milliseconds(14999)).has_value());
  // Never heard: an earlier process's.
  CHECK(leaving.LostIfSilentSince(Busy(), kStart + seconds(15)) == Time{});
}

TEST_CASE("all sessions of a dead parent are lost once its last words are in") {
  const Leaving leaving(Own());
  Leaving::Seen seen = Busy();
  seen.parent_gone = true;
  CHECK_FALSE(leaving.LostIfSilentSince(seen, kStart + milliseconds(199)).has_value());
  const Time now = kStart + milliseconds(200);
  CHECK(leaving.LostIfSilentSince(seen, now) == now);
}

TEST_CASE("a bridge without an endpoint gives up the sessions that were left behind") {
  Leaving::Terms terms = Own();
  terms.serves = terms.watches_parent = false;
  const Leaving leaving(terms);
  const Time now = kStart + seconds(1);
  CHECK(leaving.LostIfSilentSince(Busy(), now) == now);
}

TEST_CASE("the bridge looks again when sessions of an earlier process can be lost") {
  Leaving leaving(Own());
  CHECK(leaving.Decide(Busy(), kStart + seconds(1)).until == kStart + seconds(15));
  CHECK_FALSE(leaving.Decide(Busy(), kStart + seconds(16)).until.has_value());
}

TEST_CASE("a shared bridge looks for lost sessions although nobody says anything") {
  Leaving leaving(Shared());
  CHECK(leaving.Decide(Busy(), kStart).until == kStart + seconds(60));
}

}  // namespace
}  // namespace flarebridge
