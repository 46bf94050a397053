#include "bridge/journal/journal.h"

#include <sodium.h>

#include <array>
#include <map>

#include "bridge/journal/journal_file.h"
#include "bridge/journal/sqlite_statement.h"
#include "bridge/journal/wal.h"
#include "receivers/files/system_error.h"

namespace flarebridge {
namespace {

// Version of the tables below; another one is refused.
constexpr int kSchemaVersion = 2;
constexpr int kBusyMilliseconds = 5000;
// sum: of the columns before it, see RowSum. sessions.open: see OpenColumn. runs.ended: 0 no, 1
// yes, 2 as the bridge guesses.
constexpr const char* kSchema = R"(
CREATE TABLE meta(id TEXT NOT NULL, id_sum INTEGER NOT NULL,
                  next_position INTEGER NOT NULL, sum INTEGER NOT NULL);
CREATE TABLE sessions(id TEXT PRIMARY KEY, last_seq INTEGER NOT NULL, rejected INTEGER NOT NULL,
                      open INTEGER NOT NULL, opened BLOB NOT NULL, sum INTEGER NOT NULL);
CREATE TABLE runs(id INTEGER PRIMARY KEY, site TEXT NOT NULL, opened BLOB NOT NULL,
                  started REAL NOT NULL, fixed_sum INTEGER NOT NULL,
                  last_position INTEGER NOT NULL, ended INTEGER NOT NULL, sum INTEGER NOT NULL);
CREATE TABLE feeds(session TEXT NOT NULL, run INTEGER NOT NULL, sum INTEGER NOT NULL,
                   PRIMARY KEY(session, run));
CREATE TABLE events(position INTEGER PRIMARY KEY, run INTEGER NOT NULL, count INTEGER NOT NULL,
                    ends INTEGER NOT NULL, body BLOB NOT NULL, sum INTEGER NOT NULL);
CREATE INDEX events_of_run ON events(run, position);
)";

// 0: it has ended, nobody knows when; up to kLastOpen: it is open; else the second in which its end
// was stored.
constexpr uint64_t kFirstOpen = 2, kLastOpen = 127;
uint64_t OpenColumn(const StoredSession& session) {
  if (session.open) return kFirstOpen;
  return session.closed_at > kLastOpen ? session.closed_at : 0;
}

std::string RandomId() {
  std::array<unsigned char, 16> bytes{};
  randombytes_buf(bytes.data(), bytes.size());
  std::string hex(bytes.size() * 2 + 1, '\0');
  sodium_bin2hex(hex.data(), hex.size(), bytes.data(), bytes.size());
  hex.resize(bytes.size() * 2);
  return hex;
}

}  // namespace

Expected<std::unique_ptr<Journal>> Journal::Open(const std::string& path) {
  if (sodium_init() < 0)
    return Fail(ErrorCode::kIo, "the system's random numbers are not available");
  std::unique_ptr<Journal> journal(new Journal());
  if (Expected<void> ready = journal->Prepare(path); !ready) {
    return Propagate(ready);
  }
  return journal;
}

Journal::Journal() : file_(std::make_unique<JournalFile>()) {}

Journal::~Journal() {
  for (auto* statement : {&put_session_, &update_session_, &opening_, &put_run_, &update_run_,
                          &put_feed_, &append_, &forget_, &forgotten_bytes_, &put_next_, &read_,
                          &bytes_after_, &drop_session_, &drop_feeds_, &drop_run_}) {
    statement->reset();
  }
}

tl::unexpected<Error> Journal::FailSqlite(const std::string& what) const {
  return Fail(CodeOfSqlite(db_), "journal " + path_ + ": " + what + ": " + sqlite3_errmsg(db_));
}

tl::unexpected<Error> Journal::FailDamaged(const std::string& what) const {
  return Fail(ErrorCode::kCorrupt,
              "journal " + path_ + ": " + what +
                  " is damaged; keep what is whole of it with: flarebridge check --repair " +
                  path_);
}

Expected<void> Journal::Execute(const char* sql) {
  if (sqlite3_exec(db_, sql, nullptr, nullptr, nullptr) != SQLITE_OK)
    return FailSqlite("can't be written");
  return {};
}

Expected<Journal::StatementPtr> Journal::Compile(const char* sql) {
  sqlite3_stmt* statement = nullptr;
  if (sqlite3_prepare_v3(db_, sql, -1, SQLITE_PREPARE_PERSISTENT, &statement, nullptr) !=
      SQLITE_OK) {
    return FailSqlite("can't be read");
  }
  return std::make_unique<SqliteStatement>(statement);
}

Expected<void> Journal::Prepare(const std::string& path) {
  path_ = path;
  if (const Expected<void> wal = CheckWal(path + "-wal"); !wal) {
    return wal.error().code == ErrorCode::kCorrupt ? FailDamaged("its WAL") : wal;
  }
  // Opened for this thread only, so SQLite's own locks can stay off.
  const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
  Expected<JournalFile> opened = JournalFile::Open(path, flags);
  if (!opened) return Propagate(opened);
  *file_ = std::move(*opened);
  db_ = file_->get();
  // Where bridge.lock keeps nobody away, an earlier bridge may just be finishing here.
  sqlite3_busy_timeout(db_, kBusyMilliseconds);
  // Figures measured for this use: page size 8192 and a checkpoint every 4000 pages (32 MiB).
  const std::string page_size = "PRAGMA page_size=" + std::to_string(kJournalPage);
  for (const char* pragma :
       {page_size.c_str(), "PRAGMA journal_mode=WAL", "PRAGMA synchronous=FULL",
        "PRAGMA wal_autocheckpoint=4000", "PRAGMA cache_size=-2048"}) {
    if (Expected<void> done = Execute(pragma); !done) return done;
  }
  if (Expected<void> loaded = LoadMeta(); !loaded) return loaded;
  const std::pair<StatementPtr*, const char*> statements[] = {
      {&put_session_, "INSERT OR REPLACE INTO sessions VALUES(?,?,?,?,?,?)"},
      // A range of one, for SQLite then overwrites the row in place, and of its pages those only
      // that differ, if its size stays (btreeOverwriteCell; measured with 3.40).
      {&update_session_,
       "UPDATE sessions SET last_seq=?, rejected=?, open=?, sum=? WHERE id>=?5 AND id<=?5"},
      {&opening_, "SELECT opened FROM sessions WHERE id=?"},
      {&put_run_, "INSERT INTO runs VALUES(?,?,?,?,?,?,?,?)"},
      {&update_run_, "UPDATE runs SET last_position=?, ended=?, sum=? WHERE id=?"},
      {&put_feed_, "INSERT OR IGNORE INTO feeds VALUES(?,?,?)"},
      {&append_, "INSERT INTO events VALUES(?,?,?,?,?,?)"},
      {&forget_, "DELETE FROM events WHERE run=? AND position<=? AND position+count-1<=?"},
      {&forgotten_bytes_,
       "SELECT coalesce(sum(length(body)),0) FROM events "
       "WHERE run=? AND position<=? AND position+count-1<=?"},
      {&drop_session_, "DELETE FROM sessions WHERE id=?"},
      {&drop_feeds_, "DELETE FROM feeds WHERE session=?"},
      {&drop_run_, "DELETE FROM runs WHERE id=?"},
      {&put_next_, "UPDATE meta SET next_position=?, sum=?"},
      {&bytes_after_,
       "SELECT coalesce(sum(length(body)),0) FROM events WHERE run=? AND position+count-1>?"},
      // The slice that begins at or before `after` may still hold positions behind it.
      {&read_,
       "SELECT position, run, count, ends, body, sum FROM events WHERE run=?1 AND "
       "position>=coalesce((SELECT max(position) FROM events WHERE run=?1 AND position<=?2), 0) "
       "AND position+count-1>?2 ORDER BY position"},
  };
  for (const auto& [statement, sql] : statements) {
    Expected<StatementPtr> compiled = Compile(sql);
    if (!compiled) return Propagate(compiled);
    *statement = std::move(*compiled);
  }
  return {};
}

Expected<void> Journal::LoadMeta() {
  Expected<StatementPtr> version = Compile("PRAGMA user_version");
  if (!version) return Propagate(version);
  if ((*version)->Start().Step() != SQLITE_ROW) return FailSqlite("can't be read");
  const uint64_t found = (*version)->IntegerAt(0);
  version->reset();
  if (found == 0) {
    if (Expected<void> made = Create(RandomId(), 1); !made) return made;
  } else if (found != kSchemaVersion) {
    return Fail(ErrorCode::kCorrupt, "journal " + path_ + ": version " + std::to_string(found) +
                                         " is not known here; use the flarebridge that wrote it");
  }
  if (Expected<void> whole = Verify(); !whole) return whole;
  Expected<StatementPtr> meta = Compile(
      "SELECT id, id_sum, next_position, sum, (SELECT coalesce(sum(length(body)),0) FROM events), "
      "(SELECT coalesce(max(id),0) FROM runs) FROM meta");
  if (!meta) return Propagate(meta);
  SqliteStatement& row = (*meta)->Start();
  const int result = row.Step();
  if (result != SQLITE_ROW && result != SQLITE_DONE) return FailSqlite("can't be read");
  if (result == SQLITE_DONE || !row.Whole(0, 1) || !row.Whole(2, 3)) return FailDamaged("its head");
  id_ = row.BytesAt(0);
  next_ = {row.IntegerAt(2), static_cast<int64_t>(row.IntegerAt(5)) + 1, row.IntegerAt(4)};
  return {};
}

Expected<void> Journal::Verify() {
  // Of the tables' structure; each row has its own sum. It reads the file once, after which the
  // rows are in the cache for those who go on with them.
  Expected<StatementPtr> check = Compile("PRAGMA quick_check(1)");
  if (!check) return Propagate(check);
  if ((*check)->Start().Step() != SQLITE_ROW) return FailSqlite("can't be verified");
  if ((*check)->BytesAt(0) != "ok") return FailDamaged("its structure");
  return {};
}

Expected<void> Journal::Create(const std::string& id, uint64_t next_position) {
  for (const std::string& sql : {std::string("BEGIN"), std::string(kSchema),
                                 "PRAGMA user_version=" + std::to_string(kSchemaVersion)}) {
    if (Expected<void> done = Execute(sql.c_str()); !done) return done;
  }
  Expected<StatementPtr> insert = Compile("INSERT INTO meta VALUES(?,?,?,?)");
  if (!insert) return Propagate(insert);
  (*insert)->Start().Text(id).Sum().Integer(next_position).Sum();
  if ((*insert)->Step() != SQLITE_DONE) return FailSqlite("can't be written");
  insert->reset();
  return Execute("COMMIT");
}

Expected<std::vector<StoredSession>> Journal::Sessions() {
  Expected<StatementPtr> query =
      Compile("SELECT id, last_seq, rejected, open, opened, sum FROM sessions");
  if (!query) return Propagate(query);
  SqliteStatement& rows = (*query)->Start();
  std::vector<StoredSession> sessions;
  int result = SQLITE_DONE;
  while ((result = rows.Step()) == SQLITE_ROW) {
    if (!rows.Whole(0, 5)) return FailDamaged("what it knows of a session");
    StoredSession session;
    session.id = rows.BytesAt(0);
    session.last_seq = rows.IntegerAt(1);
    session.rejected = rows.IntegerAt(2);
    const uint64_t open = rows.IntegerAt(3);
    session.open = open > 0 && open <= kLastOpen;
    if (open > kLastOpen) session.closed_at = open;
    session.opened = rows.BytesAt(4);
    sessions.push_back(std::move(session));
  }
  if (result != SQLITE_DONE) return FailSqlite("can't be read");
  return sessions;
}

Expected<std::vector<StoredRun>> Journal::Runs() {
  Expected<StatementPtr> query = Compile(
      "SELECT *, (SELECT coalesce(sum(length(body)),0) FROM events WHERE run=id) FROM runs "
      "ORDER BY id");
  if (!query) return Propagate(query);
  SqliteStatement& rows = (*query)->Start();
  std::vector<StoredRun> runs;
  int result = SQLITE_DONE;
  while ((result = rows.Step()) == SQLITE_ROW) {
    if (!rows.Whole(0, 4) || !rows.Whole(5, 7)) return FailDamaged("what it knows of a run");
    StoredRun run;
    run.id = static_cast<int64_t>(rows.IntegerAt(0));
    run.site = rows.BytesAt(1);
    run.opened = rows.BytesAt(2);
    run.started = rows.RealAt(3);
    run.last_position = rows.IntegerAt(5);
    run.ended = rows.IntegerAt(6) != 0;
    run.guessed = rows.IntegerAt(6) == 2;
    run.stored_bytes = rows.IntegerAt(8);
    runs.push_back(std::move(run));
  }
  if (result != SQLITE_DONE) return FailSqlite("can't be read");
  return runs;
}

Expected<std::vector<StoredFeed>> Journal::Feeds() {
  Expected<StatementPtr> query = Compile("SELECT session, run, sum FROM feeds");
  if (!query) return Propagate(query);
  SqliteStatement& rows = (*query)->Start();
  std::vector<StoredFeed> feeds;
  int result = SQLITE_DONE;
  while ((result = rows.Step()) == SQLITE_ROW) {
    if (!rows.Whole(0, 2)) return FailDamaged("which session feeds which run");
    feeds.push_back({std::string(rows.BytesAt(0)), static_cast<int64_t>(rows.IntegerAt(1))});
  }
  if (result != SQLITE_DONE) return FailSqlite("can't be read");
  return feeds;
}

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
  if (Expected<void> begun = Execute("BEGIN IMMEDIATE"); !begun) return Propagate(begun);
  CommitResult result;
  for (const JournalCommit::Forgotten& forgotten : commit.forgotten)
    result.forgotten_bytes.push_back(Forget(forgotten));
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
  if (Expected<void> done = Execute("COMMIT"); !done) return Propagate(done);
  return result;
}

void Journal::Step(SqliteStatement& statement) {
  if (failed_) return;
  const int result = statement.Step();
  if (result != SQLITE_DONE) failed_ = FailSqlite("can't be written").value();
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

Expected<void> Journal::Read(int64_t run, uint64_t after, size_t max_bytes, const Visit& visit) {
  SqliteStatement& rows = read_->Start().Integer(static_cast<uint64_t>(run)).Integer(after);
  size_t given = 0;
  int result = SQLITE_DONE;
  while (given < max_bytes && (result = rows.Step()) == SQLITE_ROW) {
    const std::string_view body = rows.BytesAt(4);
    visit(rows.IntegerAt(0), static_cast<uint32_t>(rows.IntegerAt(2)), body, rows.Whole(0, 5));
    given += body.size();
  }
  rows.Start();
  if (result != SQLITE_DONE && result != SQLITE_ROW) return FailSqlite("can't be read");
  return {};
}

Expected<uint64_t> Journal::BytesAfter(int64_t run, uint64_t after) {
  SqliteStatement& row = bytes_after_->Start().Integer(static_cast<uint64_t>(run)).Integer(after);
  if (row.Step() != SQLITE_ROW) return FailSqlite("can't be read");
  const uint64_t bytes = row.IntegerAt(0);
  row.Start();
  return bytes;
}

}  // namespace flarebridge
