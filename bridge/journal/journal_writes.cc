// What a commit writes: the part of Journal that changes rows.
#include <map>

#include "bridge/journal/journal.h"
#include "bridge/journal/journal_schema.h"
#include "bridge/journal/sqlite_statement.h"

namespace flarebridge {
namespace {

uint64_t OpenColumn(const StoredSession& session) {
  if (session.open) return kFirstOpen;
  return session.closed_at > kLastOpen ? session.closed_at : 0;
}

}  // namespace

Expected<CommitResult> Journal::Commit(const JournalCommit& commit) {
  const Next before = next_;
  failed_.reset();
  Expected<CommitResult> done = CarryOut(commit);
  if (done) return done;
  // Some failures (a full disk) have rolled back already; then this says so and changes nothing.
  sqlite3_exec(db_, "ROLLBACK", nullptr, nullptr, nullptr);
  next_ = before;
  openings_.clear();
  return done;
}

Expected<CommitResult> Journal::CarryOut(const JournalCommit& commit) {
  if (Expected<void> begun = Execute(db_, path_, "BEGIN IMMEDIATE"); !begun)
    return Propagate(begun);
  CommitResult result;
  for (const JournalCommit::Forgotten& forgotten : commit.forgotten)
    result.forgotten_bytes.push_back(Forget(forgotten));
  for (const JournalCommit::Reopened& run : commit.reopened) Reopen(run);
  for (const JournalCommit::NewRun& run : commit.new_runs) result.runs.push_back(MakeRun(run));
  // Where each run's last slice is: it says how far the run is now.
  std::map<int64_t, size_t> last_slices;
  for (size_t i = 0; i < commit.slices.size(); ++i) {
    const int64_t run = IdOf(commit.slices[i].run, result);
    result.first_positions.push_back(Append(run, commit.slices[i]));
    last_slices[run] = i;
  }
  for (const auto& [run, i] : last_slices) {
    const JournalCommit::Slice& slice = commit.slices[i];
    UpdateRun(run, result.first_positions[i] + slice.count - 1, slice);
  }
  for (const StoredFeed& feed : commit.feeds) PutFeed(feed.session, IdOf(feed.run, result));
  for (const StoredSession& session : commit.sessions) PutSession(session);
  Drop(commit);
  if (!commit.slices.empty()) Step(put_next_->Start().Integer(next_.position).Sum());
  if (failed_) return tl::unexpected<Error>(*failed_);
  if (Expected<void> done = Execute(db_, path_, "COMMIT"); !done) return Propagate(done);
  return result;
}

void Journal::Step(SqliteStatement& statement) {
  if (failed_) return;
  const int result = statement.Step();
  if (result != SQLITE_DONE) failed_ = FailSqlite(db_, path_, "can't be written").value();
}

int64_t Journal::IdOf(int64_t run, const CommitResult& made) {
  if (!IsNewRun(run)) return run;
  if (IndexOfNewRun(run) < made.runs.size()) return made.runs[IndexOfNewRun(run)];
  if (!failed_)
    failed_ = Error{ErrorCode::kMalformed, "a commit names a new run that it does not make"};
  return run;
}

Journal::Opening Journal::OpeningOf(std::string_view opened) {
  RowSum sum;
  sum.Add(opened);
  return {sum.value(), sizeof(uint64_t) + opened.size()};
}

std::optional<Journal::Opening> Journal::StoredOpening(const std::string& session) {
  if (const auto found = openings_.find(session); found != openings_.end()) return found->second;
  SqliteStatement& row = opening_->Start().Text(session);
  if (row.Step() != SQLITE_ROW) return std::nullopt;
  const Opening opening = OpeningOf(row.BytesAt(0));
  row.Start();
  return openings_.emplace(session, opening).first->second;
}

void Journal::PutSession(const StoredSession& session) {
  const std::optional<Opening> stored =
      session.opened.empty() ? StoredOpening(session.id) : std::nullopt;
  const Opening opening = stored ? *stored : OpeningOf(session.opened);
  const auto sum_with = [&](uint64_t open) {
    RowSum sum;
    sum.Add(session.id);
    for (const uint64_t number : {session.last_seq, session.rejected, open}) sum.Number(number);
    return sum.Followed(opening.sum, opening.bytes);
  };
  // An open session has one of several numbers: one with which the sum takes four bytes, as most
  // often, so that the row keeps its size and its opening, of up to a MiB, need not be written
  // again.
  uint64_t open = OpenColumn(session);
  const auto fits = [](uint64_t sum) { return sum >= (1U << 23) && sum < (1U << 31); };
  while (session.open && open < kLastOpen && !fits(sum_with(open))) ++open;
  if (stored) {
    Step(update_session_->Start()
             .Integer(session.last_seq)
             .Integer(session.rejected)
             .Integer(open)
             .Integer(sum_with(open))
             .Text(session.id));
    return;
  }
  Step(put_session_->Start()
           .Text(session.id)
           .Integer(session.last_seq)
           .Integer(session.rejected)
           .Integer(open)
           .Blob(session.opened)
           .Sum());
  openings_[session.id] = opening;
}

int64_t Journal::MakeRun(const JournalCommit::NewRun& run) {
  const int64_t id = next_.run++;
  // Where it is and whether it has ended follows behind its first slice.
  Step(put_run_->Start()
           .Integer(static_cast<uint64_t>(id))
           .Text(run.site)
           .Blob(run.opened)
           .Real(run.started)
           .Sum()
           .Integer(0)
           .Integer(0)
           .Sum());
  return id;
}

void Journal::Reopen(const JournalCommit::Reopened& run) {
  if (failed_) return;
  // Seldom: it is compiled each time.
  const Expected<StatementPtr> update =
      Compile(db_, path_,
              "UPDATE runs SET id=?1, site=?2, opened=?3, started=?4, fixed_sum=?5 "
              "WHERE id=?1");
  if (!update) {
    failed_ = update.error();
    return;
  }
  Step((*update)
           ->Start()
           .Integer(static_cast<uint64_t>(run.run))
           .Text(run.as.site)
           .Blob(run.as.opened)
           .Real(run.as.started)
           .Sum());
}

void Journal::UpdateRun(int64_t run, uint64_t last_position, const JournalCommit::Slice& last) {
  const uint64_t ended = !last.ends ? 0 : last.guessed ? 2 : 1;
  Step(update_run_->Start()
           .Integer(last_position)
           .Integer(ended)
           .Sum()
           .Integer(static_cast<uint64_t>(run)));
}

void Journal::PutFeed(const std::string& session, int64_t run) {
  Step(put_feed_->Start().Text(session).Integer(static_cast<uint64_t>(run)).Sum());
}

uint64_t Journal::Append(int64_t run, const JournalCommit::Slice& slice) {
  const uint64_t first = next_.position;
  Step(append_->Start()
           .Integer(first)
           .Integer(static_cast<uint64_t>(run))
           .Integer(slice.count)
           .Integer(slice.ends ? 1 : 0)
           .Blob(slice.body)
           .Sum());
  next_.position += slice.count;
  next_.stored_bytes += slice.body.size();
  return first;
}

uint64_t Journal::Forget(const JournalCommit::Forgotten& forgotten) {
  if (failed_) return 0;
  const auto run = static_cast<uint64_t>(forgotten.run);
  const uint64_t position = forgotten.position;
  SqliteStatement& bytes =
      forgotten_bytes_->Start().Integer(run).Integer(position).Integer(position);
  const uint64_t freed = bytes.Step() == SQLITE_ROW ? bytes.IntegerAt(0) : 0;
  next_.stored_bytes -= freed;
  bytes.Start();
  Step(forget_->Start().Integer(run).Integer(position).Integer(position));
  return freed;
}

void Journal::Drop(const JournalCommit& commit) {
  for (const std::string& session : commit.dropped_sessions) {
    openings_.erase(session);
    Step(drop_session_->Start().Text(session));
    Step(drop_feeds_->Start().Text(session));
  }
  for (const int64_t run : commit.dropped_runs)
    Step(drop_run_->Start().Integer(static_cast<uint64_t>(run)));
}

}  // namespace flarebridge
