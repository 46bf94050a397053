// A journal and its WAL with bytes that were changed: the input is a list of edits, 4 bytes each:
// where (3 bytes, little endian; modulo the two files' sizes together) and the new byte. With an
// odd first byte the rest is taken for the database itself.
#include "bridge/journal/journal.h"

#include <cstdint>
#include <fstream>
#include <sstream>
#include <string>

#include "bridge/journal/journal_repair.h"
#include "tests/fuzz/scratch_folder.h"

namespace {

namespace fs = std::filesystem;
using namespace flarebridge;

std::string Content(const fs::path& path) {
  std::ostringstream text;
  text << std::ifstream(path, std::ios::binary).rdbuf();
  return text.str();
}

struct Sample {
  std::string database, wal;

  Sample() {
    const fs::path path = ScratchFolder() / "sample.db";
    {
      auto journal = std::move(*Journal::Open(path.string()));
      Fill(*journal);
    }
    auto journal = std::move(*Journal::Open(path.string()));
    Fill(*journal);
    database = Content(path);
    wal = Content(path.string() + "-wal");
  }
  static void Fill(Journal& journal) {
    for (int i = 0; i < 3; ++i) {
      JournalCommit commit;
      commit.new_runs = {{"site", "opened", 1.5}};
      commit.slices = {{NewRunAt(0), 2, i == 2, std::string(500, 'e')}};
      commit.sessions = {{"session", 2 * (uint64_t(i) + 1), 0, true, "opened"}};
      commit.feeds = {{"session", NewRunAt(0)}};
      if (!journal.Commit(commit)) abort();
    }
  }
};

void Use(const fs::path& path) {
  const auto journal = Journal::Open(path.string());
  if (!journal) return;
  (void)(*journal)->Sessions();
  (void)(*journal)->Feeds();
  const auto runs = (*journal)->Runs();
  if (!runs) return;
  for (const StoredRun& run : *runs) {
    (void)(*journal)->Read(run.id, 0, size_t{1} << 20,
                           [](uint64_t, uint32_t, std::string_view body, bool whole) {
                             if (whole && body != std::string(500, 'e')) __builtin_trap();
                           });
  }
  JournalCommit commit;
  commit.slices = {{1, 1, false, "more"}};
  (void)(*journal)->Commit(commit);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const Sample sample;
  if (size == 0) return 0;
  std::string database = sample.database, wal = sample.wal;
  if ((data[0] & 1) != 0) {
    database.assign(reinterpret_cast<const char*>(data) + 1, size - 1);
    wal.clear();
  } else {
    for (size_t at = 1; at + 4 <= size; at += 4) {
      const size_t where = (data[at] | static_cast<size_t>(data[at + 1]) << 8 |
                            static_cast<size_t>(data[at + 2]) << 16) %
                           (database.size() + wal.size());
      char& changed = where < database.size() ? database[where] : wal[where - database.size()];
      changed = static_cast<char>(data[at + 3]);
    }
  }
  const fs::path folder = ScratchFolder() / "journal";
  fs::remove_all(folder);
  fs::create_directory(folder);
  const fs::path path = folder / "journal.db";
  std::ofstream(path, std::ios::binary) << database;
  if (!wal.empty()) std::ofstream(path.string() + "-wal", std::ios::binary) << wal;
  (void)CheckJournal(path.string());
  if (RepairJournal(path.string()) && !CheckJournal(path.string())) __builtin_trap();
  Use(path);
  // As it was, without a repair.
  std::ofstream(path, std::ios::binary) << database;
  fs::remove(path.string() + "-wal");
  if (!wal.empty()) std::ofstream(path.string() + "-wal", std::ios::binary) << wal;
  Use(path);
  return 0;
}
