// Bits that change and ends that are cut off, anywhere in a journal: nothing crashes, nothing wrong
// is taken for right, nothing is passed over in silence, and what is whole can be saved.
#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>

#include "bridge/journal/journal.h"
#include "bridge/journal/journal_repair.h"
#include "tests/unit/temp_folder.h"

namespace flarebridge {
namespace {

namespace fs = std::filesystem;
using flarebridge::testing::TempFolder;

constexpr uint64_t kSlices = 12;

std::string BodyOf(uint64_t number) {
  return std::string(300 + number * 90, static_cast<char>('a' + number));
}

// A journal of two runs with a commit per slice, all of it in the WAL; copied while it is open, as
// a power cut would leave it.
struct Sample {
  TempFolder temp;
  fs::path path = temp.path() / "journal.db";
  std::string database, wal;
  size_t last_commit_at = 0;               // where the last transaction begins in the WAL
  std::map<uint64_t, std::string> slices;  // first position -> body
  std::string id;

  explicit Sample(bool checkpointed) {
    const fs::path live = temp.path() / "live.db";
    auto journal = Journal::Open(live.string()).value();
    id = journal->id();
    for (uint64_t i = 0; i < kSlices; ++i) {
      last_commit_at = Content(live.string() + "-wal").size();
      JournalCommit commit;
      if (i < 2) commit.new_runs = {{"site-" + std::to_string(i), "opened", 1.5}};
      const int64_t run = i < 2 ? NewRunAt(0) : static_cast<int64_t>(1 + i % 2);
      const uint64_t first = 1 + 2 * i;
      commit.slices = {{run, 2, false, BodyOf(i)}};
      commit.sessions = {{"s", first + 1, 0, true, "opened"}};
      commit.feeds = {{"s", run}};
      slices[first] = BodyOf(i);
      REQUIRE(journal->Commit(commit).value().first_positions.at(0) == first);
    }
    if (checkpointed) journal.reset();  // the last one out writes everything back
    database = Content(live);
    wal = Content(live.string() + "-wal");
    CHECK(wal.empty() == checkpointed);
  }

  static std::string Content(const fs::path& from) {
    std::ostringstream text;
    text << std::ifstream(from, std::ios::binary).rdbuf();
    return text.str();
  }
  void Put(const std::string& database_bytes, const std::string& wal_bytes) const {
    for (const char* rest : {"-shm", "-wal", ".before-repair", ".before-repair-wal"})
      fs::remove(path.string() + rest);
    std::ofstream(path, std::ios::binary) << database_bytes;
    if (!wal_bytes.empty()) std::ofstream(path.string() + "-wal", std::ios::binary) << wal_bytes;
  }
};

struct Found {
  bool named = false;  // an error, or a slice that is told to be damaged
  std::map<uint64_t, std::string> slices;
  std::string id;
};

Found Look(const fs::path& path) {
  Found found;
  const auto journal = Journal::Open(path.string());
  if (!journal) {
    found.named = true;
    return found;
  }
  found.id = (*journal)->id();
  const auto sessions = (*journal)->Sessions();
  const auto runs = (*journal)->Runs();
  const auto feeds = (*journal)->Feeds();
  found.named = !sessions || !runs || !feeds;
  for (const int64_t run : {1, 2}) {
    const auto read = (*journal)->Read(
        run, 0, size_t{1} << 30, [&](uint64_t first, uint32_t, std::string_view body, bool whole) {
          if (whole) {
            found.slices[first] = body;
          } else {
            found.named = true;
          }
        });
    if (!read) found.named = true;
  }
  return found;
}

// All that was found was stored so.
bool IsPartOf(const Found& found, const Sample& sample) {
  for (const auto& [first, body] : found.slices) {
    const auto stored = sample.slices.find(first);
    if (stored == sample.slices.end() || stored->second != body) return false;
  }
  return true;
}

// One bit of `in` is changed at every `stride`-th byte.
void FlipEverywhere(const Sample& sample, const std::string& in, size_t stride, bool is_wal) {
  size_t silent = 0, named = 0, saved = 0, tried = 0;
  for (size_t at = 0; at < in.size(); at += stride) {
    std::string changed = in;
    changed[at] = static_cast<char>(changed[at] ^ (1 << (at % 8)));
    sample.Put(is_wal ? sample.database : changed, is_wal ? changed : sample.wal);
    const Found found = Look(sample.path);
    CAPTURE(at);
    REQUIRE(IsPartOf(found, sample));
    ++tried;
    if (found.named) {
      ++named;
    } else if (found.slices != sample.slices) {
      ++silent;
      // Of a WAL, a torn last transaction is no damage: it was never acknowledged.
      CHECK((is_wal && at >= sample.last_commit_at));
    }
    if (!found.named) continue;
    sample.Put(is_wal ? sample.database : changed, is_wal ? changed : sample.wal);
    const auto repaired = RepairJournal(sample.path.string());
    if (!repaired) continue;
    CHECK(Sample::Content(sample.path.string() + ".before-repair") ==
          (is_wal ? sample.database : changed));
    CHECK(CheckJournal(sample.path.string()).has_value());
    const Found kept = Look(sample.path);
    REQUIRE_FALSE(kept.named);
    REQUIRE(IsPartOf(kept, sample));
    if (kept.slices.size() + 1 >= sample.slices.size()) ++saved;
  }
  INFO(tried << " bits: " << named << " named, " << saved << " of them lost one slice at most, "
             << silent << " at the torn end");
  CHECK(named > 0);
  CHECK(saved * 2 > named);
}

TEST_CASE("a bit that changes anywhere in the journal is named, and what is whole is saved") {
  const Sample sample(true);
  FlipEverywhere(sample, sample.database, 257, false);
}

TEST_CASE("a bit that changes anywhere in the journal's WAL is named, and what is whole is saved") {
  const Sample sample(false);
  FlipEverywhere(sample, sample.wal, 4001, true);
}

TEST_CASE("a WAL that is cut anywhere holds whole commits from the first one on") {
  const Sample sample(false);
  size_t before = 0;
  for (size_t size = 0; size <= sample.wal.size(); size += 4001) {
    sample.Put(sample.database, sample.wal.substr(0, size));
    const Found found = Look(sample.path);
    CAPTURE(size);
    if (found.named) continue;  // no tables yet: it was cut before the first commit
    REQUIRE(IsPartOf(found, sample));
    REQUIRE(found.slices.size() >= before);
    before = found.slices.size();
    if (!found.slices.empty()) REQUIRE(found.slices.rbegin()->first == found.slices.size() * 2 - 1);
  }
  sample.Put(sample.database, sample.wal);
  CHECK(Look(sample.path).slices == sample.slices);
}

TEST_CASE("a journal file that is cut anywhere never gives what was not stored") {
  const Sample sample(true);
  for (size_t size = 0; size < sample.database.size(); size += 509) {
    sample.Put(sample.database.substr(0, size), "");
    const Found found = Look(sample.path);
    CAPTURE(size);
    REQUIRE(IsPartOf(found, sample));
    // Whatever is missing is told, but for a file of no bytes, which is a new journal.
    if (size > 0 && !found.named) CHECK(found.slices == sample.slices);
  }
}

}  // namespace
}  // namespace flarebridge
