#include "bridge/journal/journal.h"

#include <doctest/doctest.h>

#include <fstream>

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

TEST_CASE("what was committed is there after a reopening, with its id, positions and sessions") {
  const TempFolder temp;
  std::string id;
  int64_t run = 0;
  {
    const auto journal = Journal::Open(PathIn(temp)).value();
    id = journal->id();
    CHECK(id.size() == 32);
    journal->Begin();
    run = journal->PutRun({0, "site-1", "opened", 1.5, 0, false});
    CHECK(journal->Append(run, 3, "abc") == 1);
    CHECK(journal->Append(run, 2, "de") == 4);
    journal->PutRun({run, "", "", 0, 5, true});
    journal->PutSession({"s", 5, 1, false, "opened"});
    journal->PutFeed("s", run);
    REQUIRE(journal->Commit().has_value());
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
  CHECK(journal->Feeds().value().size() == 1);
}

TEST_CASE("what was rolled back never was, and its positions are given again") {
  const TempFolder temp;
  const auto journal = Journal::Open(PathIn(temp)).value();
  journal->Begin();
  CHECK(journal->Append(1, 1, "x") == 1);
  journal->Rollback();
  CHECK(journal->stored_bytes() == 0);
  journal->Begin();
  CHECK(journal->Append(1, 1, "y") == 1);
  REQUIRE(journal->Commit().has_value());
  CHECK(ReadAll(*journal, 1, 0) == "1:y");
}

TEST_CASE("what was forgotten is gone, and its positions are never given again") {
  const TempFolder temp;
  {
    const auto journal = Journal::Open(PathIn(temp)).value();
    journal->Begin();
    journal->Append(1, 2, "ab");
    journal->Append(2, 1, "c");
    journal->Append(1, 2, "de");
    REQUIRE(journal->Commit().has_value());
    journal->Begin();
    journal->Forget(1, 4);  // in the middle of the second slice
    REQUIRE(journal->Commit().has_value());
    CHECK(ReadAll(*journal, 1, 0) == "4:de");
    CHECK(ReadAll(*journal, 2, 0) == "3:c");
    CHECK(journal->stored_bytes() == 3);
    journal->Begin();
    journal->Forget(1, 5);
    journal->Forget(2, 3);
    REQUIRE(journal->Commit().has_value());
    CHECK(journal->stored_bytes() == 0);
  }
  const auto journal = Journal::Open(PathIn(temp)).value();
  journal->Begin();
  CHECK(journal->Append(1, 1, "f") == 6);
  REQUIRE(journal->Commit().has_value());
}

TEST_CASE(
    "reading begins at the slice that holds the next position, and stops at the size asked for") {
  const TempFolder temp;
  const auto journal = Journal::Open(PathIn(temp)).value();
  journal->Begin();
  for (int i = 0; i < 10; ++i) journal->Append(1, 10, std::string(10, static_cast<char>('a' + i)));
  REQUIRE(journal->Commit().has_value());
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

}  // namespace
}  // namespace flarebridge
