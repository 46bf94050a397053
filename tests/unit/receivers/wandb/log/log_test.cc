// Laws of the run log's container, writer and reader together.
#include <doctest/doctest.h>
#include <fcntl.h>
#include <unistd.h>

#include <fstream>
#include <random>
#include <vector>

#include "receivers/wandb/log/log_format.h"
#include "receivers/wandb/log/log_reader.h"
#include "receivers/wandb/log/log_writer.h"
#include "receivers/wandb/log/record_reader.h"
#include "receivers/wandb/log/varint.h"
#include "tests/unit/temp_folder.h"

namespace flarebridge::wandb {
namespace {

using Status = LogReader::Status;

std::string MakeLog(const std::vector<std::string>& records) {
  std::string log;
  LogWriter writer(0);
  writer.AppendFileHeader(log);
  for (const std::string& record : records) writer.AppendRecord(record, log);
  CHECK(writer.offset() == log.size());
  return log;
}

struct ReadResult {
  std::vector<std::string> records;
  Status end = Status::kEnd;
  uint64_t whole_end = 0;
  bool not_a_log = false;
};

ReadResult Read(const std::string& bytes) {
  const flarebridge::testing::TempFolder folder;
  const std::string path = (folder.path() / "log").string();
  std::ofstream(path, std::ios::binary) << bytes;
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  ReadResult result;
  Expected<LogReader> reader = LogReader::Open(fd);
  if (reader) {
    std::string_view record;
    while ((result.end = reader->Next(record).value()) == Status::kRecord)
      result.records.emplace_back(record);
    result.whole_end = reader->position();
  } else {
    result.not_a_log = true;
  }
  close(fd);
  return result;
}

// A record that leaves `left` bytes of the first block behind it.
std::string FillBlockBut(size_t left) {
  return std::string(kBlockBytes - kFileHeader.size() - kChunkHeaderBytes - left, 'f');
}

TEST_CASE("a record of any size is read, and what lies behind it") {
  const std::string large(size_t{70} << 20, 'l');
  const ReadResult result = Read(MakeLog({"before", large, "behind"}));
  CHECK(result.end == Status::kEnd);
  REQUIRE(result.records.size() == 3);
  CHECK((result.records[1] == large));
  CHECK(result.records[2] == "behind");
}

// A field of bytes as protobuf has it.
std::string Field(uint32_t number, std::string_view bytes) {
  std::string field;
  AppendVarint(number << 3 | 2, field);
  AppendVarint(bytes.size(), field);
  return field.append(bytes);
}

TEST_CASE(
    "a record of millions of empty parts takes bounded memory, and what is left out is counted") {
  constexpr size_t kMost = ParsedRecord::kMaxParts;
  constexpr uint32_t kHistoryField = 2, kRunField = 17, kTagField = 10, kMarkField = 7301;
  std::string items;
  for (size_t i = 0; i < kMost + 1000; ++i) items.append("\x0a\0", 2);
  ParsedRecord record;
  REQUIRE(ParseRecord(Field(kHistoryField, items), record));
  CHECK(record.items.size() == kMost);
  CHECK(record.left_out == 1000);

  // One item with a path of as many components.
  std::string path;
  for (size_t i = 0; i < kMost + 1000; ++i) path.append("\x12\0", 2);
  REQUIRE(ParseRecord(Field(kHistoryField, Field(1, path)), record));
  CHECK(record.items.empty());
  CHECK(record.left_out == 1);

  std::string tags;
  for (size_t i = 0; i < kMost + 1000; ++i) tags += Field(kTagField, "");
  REQUIRE(ParseRecord(Field(kRunField, tags), record));
  CHECK(record.run.tags.size() == kMost);
  CHECK(record.left_out == 1000);

  const std::string positions(kMost + 1, '\1');
  CHECK_FALSE(ParseRecord(Field(kMarkField, Field(3, positions)), record));
}

TEST_CASE("a record with a field of another type than W&B's is refused, in every build") {
  constexpr uint32_t kHistory = 2, kRun = 17, kExit = 18, kStats = 7, kMark = 7301, kOwn = 7303;
  const auto number = [](uint32_t field, uint64_t value) {
    std::string bytes;
    AppendVarint(field << 3, bytes);
    AppendVarint(value, bytes);
    return bytes;
  };
  const std::string four = "\x02\x08\x07\x00";  // passes for a number, and for a message
  for (const std::string& crafted :
       {Field(1, four), number(kHistory, 2) + four, number(kRun, 2) + four,
        Field(kRun, number(1, 3) + "abc"), Field(kRun, Field(17, Field(1, four))),
        Field(kExit, Field(1, four)), Field(kStats, Field(2, number(1, 5) + Field(2, four))),
        Field(kHistory, Field(2, Field(1, four))), Field(kMark, number(3, 2) + four),
        Field(kMark, number(1, 7)), Field(kMark, Field(2, four)), Field(kOwn, four)}) {
    CAPTURE(crafted);
    ParsedRecord record;
    const Expected<void> parsed = ParseRecord(crafted, record);
    REQUIRE_FALSE(parsed);
    CHECK(parsed.error().code == ErrorCode::kMalformed);
  }
}

TEST_CASE("the bytes of a small log are those of W&B's own writer") {
  // The record {num: 13} in a chunk of 9 bytes; the checksum of an empty chunk is in W&B's tests.
  CHECK(MakeLog({}) == std::string("\x3a\x57\x26\x42\xe1\xbe\x00", 7));
  const std::string empty = MakeLog({""});
  CHECK(empty.substr(7) == std::string("\x1b\xdf\x05\xa5\x00\x00\x01", 7));
  CHECK(MakeLog({std::string("\x08\x0d", 2)}).size() == 7 + 9);
}

TEST_CASE("records of every size around a block's border come back as they were written") {
  for (size_t left = 0; left <= 16; ++left) {
    CAPTURE(left);
    const std::vector<std::string> records = {FillBlockBut(left), "second",
                                              std::string(kBlockBytes, 't'), "last"};
    const ReadResult read = Read(MakeLog(records));
    CHECK(read.records == records);
    CHECK(read.end == Status::kEnd);
  }
}

TEST_CASE("a record over three blocks comes back whole") {
  const std::vector<std::string> records = {"first", std::string(2 * kBlockBytes + 100, 'x'),
                                            "last"};
  CHECK(Read(MakeLog(records)).records == records);
}

TEST_CASE("a chunk's header is never split: fewer than seven bytes at a block's end are zeros") {
  for (size_t left = 1; left < kChunkHeaderBytes; ++left) {
    const std::string log = MakeLog({FillBlockBut(left), "next"});
    CHECK(log.substr(kBlockBytes - left, left) == std::string(left, '\0'));
    CHECK(log.size() == kBlockBytes + kChunkHeaderBytes + 4);
  }
}

TEST_CASE("wherever the file ends, whole records before are read and the rest is a torn tail") {
  const std::vector<std::string> records = {"first", std::string(kBlockBytes + 50, 'x'), "third"};
  const std::string log = MakeLog(records);
  const std::vector<uint64_t> ends = {7, MakeLog({records[0]}).size(),
                                      MakeLog({records[0], records[1]}).size(), log.size()};
  for (size_t size = 0; size <= log.size();
       size += size < 100 || size + 100 > log.size() ? 1u : 97u) {
    CAPTURE(size);
    const ReadResult read = Read(log.substr(0, size));
    size_t whole = 0;
    while (whole < 3 && ends[whole + 1] <= size) ++whole;
    CHECK(read.records.size() == whole);
    CHECK(read.whole_end == (size < 7 ? 0 : ends[whole]));
    const bool at_border = size == ends[whole] && size >= 7;
    CHECK(read.end == (at_border ? Status::kEnd : Status::kTorn));
  }
}

TEST_CASE("a bad checksum with records behind it is damage, at the end it is a torn tail") {
  std::string log = MakeLog({"first", "second", std::string(2 * kBlockBytes, 'x'), "last"});
  const size_t in_second = MakeLog({"first"}).size() + kChunkHeaderBytes;
  log[in_second] ^= 1;
  const ReadResult read = Read(log);
  CHECK(read.end == Status::kCorrupt);
  CHECK(read.records == std::vector<std::string>{"first"});

  std::string tail = MakeLog({"first", "second"});
  tail.back() ^= 1;
  CHECK(Read(tail).end == Status::kTorn);
  CHECK(Read(tail).records == std::vector<std::string>{"first"});
}

TEST_CASE("damage is told from a torn tail also where both lie in one block") {
  const std::vector<std::string> records = {"first", "second", "third", "fourth"};
  const std::string log = MakeLog(records);
  const size_t second = MakeLog({"first"}).size();
  // Checksum, length, type and content of the second record, each bit of them.
  for (size_t at = second; at < second + kChunkHeaderBytes + 6; ++at) {
    for (int bit = 0; bit < 8; ++bit) {
      CAPTURE(at);
      CAPTURE(bit);
      std::string bytes = log;
      bytes[at] = static_cast<char>(bytes[at] ^ (1 << bit));
      const ReadResult read = Read(bytes);
      CHECK(read.end == Status::kCorrupt);
      CHECK(read.records == std::vector<std::string>{"first"});
      CHECK(read.whole_end == second);
    }
  }
}

TEST_CASE("a tail of zeros, as a power cut leaves it, is torn") {
  const std::string log = MakeLog({"first"});
  const ReadResult read = Read(log + std::string(3 * kBlockBytes, '\0'));
  CHECK(read.end == Status::kTorn);
  CHECK(read.whole_end == log.size());
}

TEST_CASE("a file that is no run log is told so") {
  CHECK(Read("#!/bin/sh\n").not_a_log);
  CHECK(Read("").end == Status::kTorn);
}

TEST_CASE(
    "no change of bytes makes the reader crash or loop, and nothing false is read before it") {
  const std::string log = MakeLog({"first", std::string(kBlockBytes, 'x'), "third", "fourth"});
  std::mt19937 random(1);
  for (int round = 0; round < 300; ++round) {
    std::string bytes = log;
    for (unsigned i = 0; i <= random() % 3; ++i)
      bytes[random() % bytes.size()] = static_cast<char>(random());
    bytes.resize(bytes.size() - random() % 40);
    const ReadResult read = Read(bytes);
    CHECK(read.whole_end <= bytes.size());
    if (!read.records.empty()) CHECK(read.records.front() == "first");
  }
}

}  // namespace
}  // namespace flarebridge::wandb
