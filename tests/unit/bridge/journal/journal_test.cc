#include "bridge/journal/journal.h"

#include <doctest/doctest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

#include "receivers/files/file_info.h"
#include "tests/unit/temp_folder.h"

namespace flarebridge {
namespace {

using flarebridge::testing::TempFolder;

std::string PathIn(const TempFolder& temp) { return (temp.path() / "journal.db").string(); }

// A run's slices above a position, as "first:body" joined by blanks.
std::string ReadAll(Journal& journal, int64_t run, uint64_t after, size_t max_bytes = 1 << 20) {
  std::string all;
  REQUIRE(journal
              .Read(run, after, max_bytes,
                    [&](uint64_t first, uint32_t, std::string_view body, bool whole) {
                      CHECK(whole);
                      all += (all.empty() ? "" : " ") + std::to_string(first) + ":" +
                             std::string(body);
                    })
              .has_value());
  return all;
}

// A commit of slices only.
JournalCommit Slices(std::vector<JournalCommit::Slice> slices) {
  JournalCommit commit;
  commit.slices = std::move(slices);
  return commit;
}

TEST_CASE("what was committed is there after a reopening, with its id, positions and sessions") {
  const TempFolder temp;
  std::string id;
  int64_t run = 0;
  {
    const auto journal = Journal::Open(PathIn(temp)).value();
    id = journal->id();
    CHECK(id.size() == 32);
    JournalCommit commit;
    commit.new_runs = {{"site-1", "opened", 1.5}};
    commit.slices = {{NewRunAt(0), 3, false, "abc"}, {NewRunAt(0), 2, true, "de"}};
    commit.feeds = {{"s", NewRunAt(0)}};
    commit.sessions = {{"s", 5, 1, false, "opened"}};
    const CommitResult result = journal->Commit(commit).value();
    REQUIRE(result.runs.size() == 1);
    run = result.runs[0];
    CHECK(result.first_positions == std::vector<uint64_t>{1, 4});
  }
  const auto journal = Journal::Open(PathIn(temp)).value();
  CHECK(journal->id() == id);
  CHECK(journal->stored_bytes() == 5);
  CHECK(ReadAll(*journal, run, 0) == "1:abc 4:de");
  const StoredRun stored = journal->Runs().value().at(0);
  CHECK(stored.site == "site-1");
  CHECK(stored.opened == "opened");
  CHECK(stored.started == 1.5);
  CHECK(stored.last_position == 5);
  CHECK(stored.ended);
  const StoredSession session = journal->Sessions().value().at(0);
  CHECK(session.last_seq == 5);
  CHECK(session.rejected == 1);
  CHECK_FALSE(session.open);
  const StoredFeed feed = journal->Feeds().value().at(0);
  CHECK(feed.session == "s");
  CHECK(feed.run == run);
}

TEST_CASE("a run is as far, and as ended, as its last slice says, whatever is between its slices") {
  const TempFolder temp;
  const auto journal = Journal::Open(PathIn(temp)).value();
  JournalCommit commit;
  commit.new_runs = {{"a", "opened", 1}, {"b", "opened", 1}, {"silent", "opened", 1}};
  commit.slices = {
      {NewRunAt(0), 1, true, "x"}, {NewRunAt(1), 2, true, "yy"}, {NewRunAt(0), 3, false, "zzz"}};
  const std::vector<int64_t> ids = journal->Commit(commit).value().runs;
  const std::vector<StoredRun> runs = journal->Runs().value();
  REQUIRE(runs.size() == 3);
  CHECK(runs[0].last_position == 6);
  CHECK_FALSE(runs[0].ended);
  CHECK(runs[1].last_position == 3);
  CHECK(runs[1].ended);
  CHECK(runs[2].last_position == 0);
  CHECK_FALSE(runs[2].ended);
  CHECK(ids == std::vector<int64_t>{runs[0].id, runs[1].id, runs[2].id});
  CHECK(ReadAll(*journal, ids[0], 0) == "1:x 4:zzz");
}

TEST_CASE("a session that was never opened is whole when it is read back") {
  const TempFolder temp;
  const auto journal = Journal::Open(PathIn(temp)).value();
  JournalCommit commit;
  commit.sessions = {{"s", 1, 1, true, ""}};
  REQUIRE(journal->Commit(commit).has_value());
  const Expected<std::vector<StoredSession>> sessions = journal->Sessions();
  REQUIRE(sessions.has_value());
  CHECK(sessions->at(0).opened.empty());
  CHECK(sessions->at(0).rejected == 1);
}

TEST_CASE("a session's opening is written once, however many commits tell how far it is") {
  const TempFolder temp;
  const std::string path = PathIn(temp);
  const std::string opened(900000, 'o');
  auto journal = Journal::Open(path).value();
  JournalCommit commit;
  commit.sessions = {{"other", 1, 0, true, "small"}, {"s", 1000, 500, true, opened}};
  REQUIRE(journal->Commit(commit));
  const auto before = std::filesystem::file_size(path + "-wal");
  for (uint64_t seq = 1001; seq <= 1100; ++seq) {
    commit.sessions = {{"s", seq, seq / 2, true, ""}};
    REQUIRE(journal->Commit(commit));
  }
  CHECK(std::filesystem::file_size(path + "-wal") - before <
        3 * 1000 * 1000);  // a page or two for each, and not 90 MB
  // After a start, too, and without anything that remembers it.
  journal.reset();
  journal = Journal::Open(path).value();
  commit.sessions = {{"s", 1101, 550, false, ""}, {"new", 1, 0, true, ""}};
  REQUIRE(journal->Commit(commit));
  journal.reset();
  journal = Journal::Open(path).value();
  const std::vector<StoredSession> sessions = journal->Sessions().value();  // and their sums hold
  REQUIRE(sessions.size() == 3);
  for (const StoredSession& session : sessions) {
    const bool large = session.id == "s";
    CHECK(session.open != large);
    CHECK(session.last_seq == (large ? 1101 : 1));
    CHECK((session.opened == (large ? opened : session.id == "other" ? "small" : "")));
  }
}

TEST_CASE("sessions and runs that are dropped are gone, with what they fed") {
  const TempFolder temp;
  const auto journal = Journal::Open(PathIn(temp)).value();
  JournalCommit commit;
  commit.new_runs = {{"a", "opened", 1}};
  commit.feeds = {{"s", NewRunAt(0)}, {"t", NewRunAt(0)}};
  commit.sessions = {{"s", 1, 0, false, "opened"}, {"t", 1, 0, true, "opened"}};
  const int64_t run = journal->Commit(commit).value().runs.at(0);
  JournalCommit drop;
  drop.dropped_sessions = {"s"};
  REQUIRE(journal->Commit(drop).has_value());
  CHECK(journal->Sessions().value().size() == 1);
  CHECK(journal->Feeds().value().at(0).session == "t");
  drop.dropped_sessions = {"t"};
  drop.dropped_runs = {run};
  REQUIRE(journal->Commit(drop).has_value());
  CHECK(journal->Sessions().value().empty());
  CHECK(journal->Feeds().value().empty());
  CHECK(journal->Runs().value().empty());
}

TEST_CASE("what was rolled back never was, and its positions and ids are given again") {
  const TempFolder temp;
  const auto journal = Journal::Open(PathIn(temp)).value();
  // It can't be carried out to its end: it names a second new run and makes one.
  JournalCommit wrong = Slices({{NewRunAt(0), 1, false, "x"}, {NewRunAt(1), 1, false, "z"}});
  wrong.new_runs = {{"a", "opened", 1}};
  wrong.sessions = {{"s", 1, 0, true, ""}};
  const Expected<CommitResult> failed = journal->Commit(wrong);
  REQUIRE_FALSE(failed.has_value());
  CHECK(failed.error().code == ErrorCode::kMalformed);
  CHECK(journal->stored_bytes() == 0);
  CHECK(journal->Runs().value().empty());
  CHECK(journal->Sessions().value().empty());
  JournalCommit right = Slices({{NewRunAt(0), 1, false, "y"}});
  right.new_runs = {{"b", "opened", 1}};
  const CommitResult result = journal->Commit(right).value();
  CHECK(result.first_positions == std::vector<uint64_t>{1});
  CHECK(result.runs == std::vector<int64_t>{1});
  CHECK(ReadAll(*journal, 1, 0) == "1:y");
}

TEST_CASE("what a failed commit was to forget is still there, and counted") {
  const TempFolder temp;
  const auto journal = Journal::Open(PathIn(temp)).value();
  REQUIRE(journal->Commit(Slices({{1, 2, false, "ab"}})).has_value());
  JournalCommit wrong = Slices({{NewRunAt(0), 1, false, "x"}});
  wrong.forgotten = {{1, 2}};
  REQUIRE_FALSE(journal->Commit(wrong).has_value());
  CHECK(journal->stored_bytes() == 2);
  CHECK(ReadAll(*journal, 1, 0) == "1:ab");
}

TEST_CASE("what was forgotten is gone, and its positions are never given again") {
  const TempFolder temp;
  {
    const auto journal = Journal::Open(PathIn(temp)).value();
    REQUIRE(journal->Commit(Slices({{1, 2, false, "ab"}, {2, 1, false, "c"}, {1, 2, false, "de"}}))
                .has_value());
    JournalCommit forget;
    forget.forgotten = {{1, 4}};  // in the middle of the second slice
    REQUIRE(journal->Commit(forget).has_value());
    CHECK(ReadAll(*journal, 1, 0) == "4:de");
    CHECK(ReadAll(*journal, 2, 0) == "3:c");
    CHECK(journal->stored_bytes() == 3);
    forget.forgotten = {{1, 5}, {2, 3}};
    REQUIRE(journal->Commit(forget).has_value());
    CHECK(journal->stored_bytes() == 0);
  }
  const auto journal = Journal::Open(PathIn(temp)).value();
  CHECK(journal->Commit(Slices({{1, 1, false, "f"}})).value().first_positions ==
        std::vector<uint64_t>{6});
}

TEST_CASE(
    "reading begins at the slice that holds the next position, and stops at the size asked for") {
  const TempFolder temp;
  const auto journal = Journal::Open(PathIn(temp)).value();
  JournalCommit commit;
  for (int i = 0; i < 10; ++i)
    commit.slices.push_back({1, 10, false, std::string(10, static_cast<char>('a' + i))});
  REQUIRE(journal->Commit(commit).has_value());
  CHECK(ReadAll(*journal, 1, 15, 1) == "11:bbbbbbbbbb");
  CHECK(ReadAll(*journal, 1, 20, 15) == "21:cccccccccc 31:dddddddddd");
  CHECK(ReadAll(*journal, 1, 100).empty());
  CHECK(ReadAll(*journal, 2, 0).empty());
}

TEST_CASE("a file that is no journal is named, and left as it is") {
  const TempFolder temp;
  std::ofstream(PathIn(temp)) << std::string(5000, 'x');
  const auto journal = Journal::Open(PathIn(temp));
  REQUIRE_FALSE(journal.has_value());
  CHECK(journal.error().code == ErrorCode::kCorrupt);
  CHECK(journal.error().message.find("journal.db") != std::string::npos);
  CHECK(std::filesystem::file_size(PathIn(temp)) == 5000);
}

TEST_CASE("a folder that is not there is an error with its name") {
  const auto journal = Journal::Open("/proc/nowhere/journal.db");
  REQUIRE_FALSE(journal.has_value());
  CHECK(journal.error().code == ErrorCode::kIo);
}

TEST_CASE("a journal needs no memory that is shared with other processes") {
  const TempFolder temp;
  const auto journal = Journal::Open(PathIn(temp)).value();
  REQUIRE(journal->Commit(Slices({{1, 1, false, "a"}})).has_value());
  CHECK(std::filesystem::exists(PathIn(temp) + "-wal"));
  CHECK_FALSE(std::filesystem::exists(PathIn(temp) + "-shm"));
}

TEST_CASE("a journal may lie as deep as the system lets a file lie") {
  const TempFolder temp;
  for (const size_t depth : {size_t{480}, size_t{560}, size_t{3800}}) {
    std::filesystem::path folder = temp.path() / std::to_string(depth);
    while (folder.string().size() < depth) folder /= std::string(90, 'd');
    std::filesystem::create_directories(folder);
    const std::string path = (folder / "journal.db").string();
    CAPTURE(path.size());
    for (int round = 0; round < 2; ++round) {
      const auto journal = Journal::Open(path);
      REQUIRE(journal.has_value());
      CHECK((*journal)->stored_bytes() == static_cast<uint64_t>(round));
      CHECK((*journal)->Commit(Slices({{1, 1, false, "a"}})).has_value());
    }
    CHECK(std::filesystem::exists(path));
  }
}

TEST_CASE("a journal is its owner's alone to read, whatever others may by default") {
  const TempFolder temp;
  const mode_t before = umask(022);
  const auto journal = Journal::Open(PathIn(temp)).value();
  umask(before);
  REQUIRE(journal->Commit(Slices({{1, 1, false, "a"}})).has_value());
  for (const char* part : {"", "-wal"}) CHECK_FALSE(InfoOf(PathIn(temp) + part)->IsOpenToOthers());
}

}  // namespace
}  // namespace flarebridge
