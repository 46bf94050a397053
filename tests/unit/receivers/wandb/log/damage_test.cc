// Laws of going on behind damage: what is read, what is not, and how many bytes that is.
#include <doctest/doctest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <random>
#include <string>
#include <vector>

#include "receivers/wandb/log/log_follower.h"
#include "receivers/wandb/log/log_format.h"
#include "receivers/wandb/log/log_summary.h"
#include "receivers/wandb/log/log_writer.h"
#include "receivers/wandb/log/record_stream.h"
#include "receivers/wandb/log/record_writer.h"
#include "tests/unit/temp_folder.h"

namespace flarebridge::wandb {
namespace {

// A console line: a record of at least so many bytes.
std::string Record(int64_t number, size_t bytes = 0) {
  std::string record;
  AppendOutput(number, 1, std::string(bytes, 'x'), nullptr, record);
  return record;
}

// A log under construction, and where each of its records begins (behind a block's padding) and
// ends. Records are numbered from 1.
class Log {
 public:
  Log() { writer_.AppendFileHeader(bytes); }
  Log& AddBytes(std::string_view record) {
    const size_t room = kBlockBytes - bytes.size() % kBlockBytes;
    starts.push_back(bytes.size() + (room < kChunkHeaderBytes ? room : 0));
    writer_.AppendRecord(record, bytes);
    ends.push_back(bytes.size());
    return *this;
  }
  Log& Add(size_t size = 0) { return AddBytes(Record(count() + 1, size)); }
  // Until the next record begins in or behind a block.
  Log& FillTo(size_t block) {
    while (bytes.size() + kChunkHeaderBytes <= block * kBlockBytes) Add(1000);
    return *this;
  }
  void Flip(uint64_t at) { bytes[at] = static_cast<char>(bytes[at] ^ 1); }

  int64_t count() const { return static_cast<int64_t>(starts.size()); }
  // The first record that begins in or behind a block.
  size_t FirstIn(size_t block) const {
    return static_cast<size_t>(std::lower_bound(starts.begin(), starts.end(), block * kBlockBytes) -
                               starts.begin());
  }

  std::string bytes;
  std::vector<uint64_t> starts, ends;

 private:
  LogWriter writer_{0};
};

struct ReadResult {
  std::vector<int64_t> numbers;
  LogEnd end;
};

ReadResult Read(const std::string& bytes, OnDamage on_damage = OnDamage::kSkip) {
  const int fd = memfd_create("log", MFD_CLOEXEC);
  REQUIRE(write(fd, bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size()));
  ReadResult result;
  const Expected<LogEnd> end = ReadRecords(
      fd, on_damage,
      [&](const ParsedRecord& record, uint64_t) { result.numbers.push_back(record.number); });
  close(fd);
  REQUIRE(end);
  result.end = *end;
  return result;
}

std::vector<int64_t> From(int64_t first, int64_t last) {
  std::vector<int64_t> numbers;
  for (int64_t number = first; number <= last; ++number) numbers.push_back(number);
  return numbers;
}

TEST_CASE("a whole log has no bad bytes") {
  const ReadResult read = Read(Log().FillTo(3).bytes);
  CHECK_FALSE(read.end.corrupt);
  CHECK_FALSE(read.end.torn);
  CHECK(read.end.bad_bytes == 0);
}

TEST_CASE("a bad chunk costs the rest of its block, and the record that lies over its border") {
  Log log;
  log.FillTo(3);
  const size_t bad = log.FirstIn(1) + 2, next = log.FirstIn(2);
  log.Flip(log.starts[bad] + kChunkHeaderBytes);
  const ReadResult read = Read(log.bytes);
  std::vector<int64_t> expected = From(1, static_cast<int64_t>(bad));
  for (const int64_t number : From(static_cast<int64_t>(next) + 1, log.count()))
    expected.push_back(number);
  CHECK(read.numbers == expected);
  CHECK(read.end.corrupt);
  CHECK_FALSE(read.end.torn);
  CHECK(read.end.whole_end == log.ends[bad - 1]);
  CHECK(read.end.bad_bytes == log.starts[next] - log.ends[bad - 1]);

  const ReadResult stopped = Read(log.bytes, OnDamage::kStop);
  CHECK(stopped.numbers == From(1, static_cast<int64_t>(bad)));
  CHECK(stopped.end.corrupt);
  CHECK(stopped.end.whole_end == read.end.whole_end);
  CHECK(stopped.end.bad_bytes == log.bytes.size() - stopped.end.whole_end);
}

TEST_CASE("a block of zeros in the middle is passed over") {
  Log log;
  log.FillTo(4);
  std::fill_n(log.bytes.begin() + kBlockBytes, kBlockBytes, '\0');
  const ReadResult read = Read(log.bytes);
  // The record that lies over the block's beginning and the one that lies over its end are lost.
  const size_t first = log.FirstIn(1) - 1, behind = log.FirstIn(2);
  CHECK(read.end.whole_end == log.ends[first - 1]);
  CHECK(read.end.bad_bytes == log.starts[behind] - log.ends[first - 1]);
  CHECK(read.numbers.size() == log.starts.size() - (behind - first));
}

TEST_CASE("a bad length, however large, costs the rest of its block") {
  for (const int high : {0x00, 0x10, 0x7f, 0xff}) {
    CAPTURE(high);
    Log log;
    log.Add(100).Add(100).FillTo(1).Add();
    log.bytes[log.starts[1] + 5] = static_cast<char>(high);
    log.bytes[log.starts[1] + 4] = static_cast<char>(0xfe);
    const ReadResult read = Read(log.bytes);
    CHECK(read.numbers == std::vector<int64_t>{1, log.count()});
    CHECK(read.end.bad_bytes == log.starts.back() - log.ends[0]);
  }
}

TEST_CASE("a record over blocks whose middle is bad is lost as a whole, and nothing else") {
  Log log;
  log.Add().Add(4 * kBlockBytes).Add(kBlockBytes).Add();
  log.Flip(2 * kBlockBytes + 100);
  const ReadResult read = Read(log.bytes);
  CHECK(read.numbers == std::vector<int64_t>{1, 3, 4});
  CHECK(read.end.bad_bytes == log.starts[2] - log.starts[1]);
}

TEST_CASE("a record whose rest was never written costs its chunks only") {
  // The first chunk of a record over blocks, then another record at the next block's beginning.
  Log whole;
  whole.Add().Add(2 * kBlockBytes);
  std::string bytes = whole.bytes.substr(0, kBlockBytes);
  LogWriter(bytes.size()).AppendRecord(Record(3), bytes);
  const ReadResult read = Read(bytes);
  CHECK(read.numbers == std::vector<int64_t>{1, 3});
  CHECK(read.end.corrupt);
  CHECK(read.end.bad_bytes == kBlockBytes - whole.starts[1]);
  CHECK(Read(bytes, OnDamage::kStop).end.corrupt);
}

TEST_CASE("chunks that go on with no record are passed over one by one") {
  // Middle and last chunks of a record whose beginning is not there; the one behind it is.
  Log whole;
  whole.Add(3 * kBlockBytes).Add();
  std::string bytes = Log().bytes;
  bytes.resize(kBlockBytes, '\0');
  bytes += whole.bytes.substr(kBlockBytes);
  const ReadResult read = Read(bytes);
  CHECK(read.numbers == std::vector<int64_t>{2});
  CHECK(read.end.bad_bytes == whole.starts[1] - kFileHeader.size());

  // The same without a bad chunk before it: the log's first chunk is one of the middle.
  std::string only =
      Log().bytes + whole.bytes.substr(3 * kBlockBytes, whole.ends[0] - 3 * kBlockBytes);
  const size_t orphan = only.size() - kFileHeader.size();
  LogWriter(only.size()).AppendRecord(Record(2), only);
  const ReadResult orphaned = Read(only);
  CHECK(orphaned.numbers == std::vector<int64_t>{2});
  CHECK(orphaned.end.bad_bytes == orphan);
}

TEST_CASE("bad bytes in the last block leave nothing to go on with, and count to the end") {
  Log log;
  log.FillTo(1);
  const uint64_t begin = log.bytes.size();
  const int64_t whole = log.count();
  log.Add(50).Add(50).Add(50);
  log.Flip(log.starts[static_cast<size_t>(whole)] + kChunkHeaderBytes);
  const ReadResult read = Read(log.bytes);
  CHECK(read.numbers == From(1, whole));
  CHECK(read.end.corrupt);
  CHECK(read.end.whole_end == begin);
  CHECK(read.end.bad_bytes == log.bytes.size() - begin);
}

TEST_CASE("a torn end is torn also behind damage, and is not among the bad bytes") {
  Log log;
  log.Add().Add(100).FillTo(1);
  const auto behind = static_cast<size_t>(log.count());
  log.Add().Add(500);
  log.Flip(log.starts[1] + kChunkHeaderBytes);
  log.bytes.resize(log.bytes.size() - 100);
  const ReadResult read = Read(log.bytes);
  CHECK(read.numbers == std::vector<int64_t>{1, log.count() - 1});
  CHECK(read.end.corrupt);
  CHECK(read.end.torn);
  CHECK(read.end.bad_bytes == log.starts[behind] - log.ends[0]);
}

TEST_CASE("a record that verifies but can't be parsed is bad by its own bytes only") {
  Log log;  // with a run that is longer than its record
  log.Add().AddBytes(std::string("\x8a\x01\x7f", 3)).Add();
  const ReadResult read = Read(log.bytes);
  CHECK(read.numbers == std::vector<int64_t>{1, 3});
  CHECK(read.end.corrupt);
  CHECK(read.end.bad_bytes == kChunkHeaderBytes + 3);
  const ReadResult stopped = Read(log.bytes, OnDamage::kStop);
  CHECK(stopped.numbers == std::vector<int64_t>{1});
  CHECK(stopped.end.whole_end == log.ends[0]);
}

TEST_CASE("what is inside a value of a damaged block is never taken for a record") {
  Log inner;
  inner.AddBytes(Record(666));
  Log log;
  log.Add();
  std::string record;
  AppendOutput(2, 1, inner.bytes.substr(kFileHeader.size()), nullptr, record);
  log.AddBytes(record).FillTo(1).Add();
  log.Flip(log.starts[1] + kChunkHeaderBytes);
  for (const int64_t number : Read(log.bytes).numbers) CHECK(number != 666);
}

TEST_CASE("whatever bytes change, a record is given, or its bytes are counted") {
  Log log;
  std::mt19937 random(1);
  while (log.count() < 300) log.Add(random() % 10 == 0 ? random() % 100000 : random() % 2000);
  int checked = 0;
  for (int round = 0; round < 200; ++round) {
    CAPTURE(round);
    Log bad = log;
    for (unsigned i = 0; i <= random() % 4; ++i)
      bad.Flip(kFileHeader.size() + random() % (bad.bytes.size() - kFileHeader.size()));
    const ReadResult read = Read(bad.bytes);
    CHECK(read.end.corrupt == (read.end.bad_bytes > 0));
    if (read.numbers.empty() || read.numbers.back() != log.count()) continue;
    ++checked;
    uint64_t gaps = 0;
    int64_t last = 0;
    for (const int64_t number : read.numbers) {
      REQUIRE(number > last);
      if (number > last + 1) {
        gaps += log.starts[static_cast<size_t>(number) - 1] -
                (last == 0 ? kFileHeader.size() : log.ends[static_cast<size_t>(last) - 1]);
      }
      last = number;
    }
    CHECK(read.end.bad_bytes == gaps);
  }
  CHECK(checked > 150);
}

TEST_CASE("damage in each of many blocks is passed over in one pass") {
  constexpr size_t kBlocks = 600;
  Log log;
  log.FillTo(kBlocks);
  for (size_t block = 0; block < kBlocks; ++block) log.Flip(block * kBlockBytes + 20000);
  const ReadResult read = Read(log.bytes);
  CHECK(read.numbers.size() > kBlocks * 10);
  CHECK(read.end.bad_bytes < log.bytes.size() / 2);
}

TEST_CASE("a summary tells the loss in bytes and what lies behind it") {
  Log log;
  log.Add(100).FillTo(1);
  log.Flip(log.starts[0] + kChunkHeaderBytes);
  std::string exit;
  AppendExit(1000, 3, 1, exit);
  log.AddBytes(exit);
  const flarebridge::testing::TempFolder folder;
  const auto path = folder.path() / "run-x.wandb";
  std::ofstream(path, std::ios::binary) << log.bytes;
  const Expected<LogSummary> summary = ReadLog(path, nullptr);
  REQUIRE(summary);
  CHECK(summary->state == LogSummary::State::kFailed);
  CHECK(summary->exit_code == 3);
  CHECK(summary->bad_bytes == log.starts.back() - log.starts[0]);
}

TEST_CASE("a follower goes on behind damage if that was chosen, and waits where nothing is there") {
  Log log;
  log.Add().Add(100).Add(100);
  log.Flip(log.starts[1] + kChunkHeaderBytes);
  const flarebridge::testing::TempFolder folder;
  const auto path = folder.path() / "run-x.wandb";
  const auto write = [&] { std::ofstream(path, std::ios::binary) << log.bytes; };
  write();
  std::vector<int64_t> numbers;
  const auto take = [&](const ParsedRecord& record) {
    numbers.push_back(record.number);
    return true;
  };
  LogFollower skipping(path, OnDamage::kSkip), stopping(path);
  CHECK(skipping.Read(take) == LogFollower::End::kCorrupt);
  CHECK(numbers == std::vector<int64_t>{1});
  CHECK(skipping.bad_bytes() == 0);
  log.FillTo(1).Add();
  write();
  CHECK(skipping.Read(take) == LogFollower::End::kWhole);
  CHECK(numbers == std::vector<int64_t>{1, log.count()});
  CHECK(skipping.bad_bytes() == log.starts.back() - log.ends[0]);
  CHECK(skipping.Position().first == log.bytes.size());

  numbers.clear();
  CHECK(stopping.Read(take) == LogFollower::End::kCorrupt);
  CHECK(stopping.Read(take) == LogFollower::End::kCorrupt);
  CHECK(numbers == std::vector<int64_t>{1});
  CHECK(stopping.bad_bytes() == 0);
}

}  // namespace
}  // namespace flarebridge::wandb
