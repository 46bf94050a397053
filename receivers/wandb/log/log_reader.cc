#include "receivers/wandb/log/log_reader.h"

#include <libdeflate.h>

#include <algorithm>

#include "receivers/files/open_file.h"
#include "receivers/files/system_error.h"
#include "receivers/wandb/log/log_format.h"

namespace flarebridge::wandb {
namespace {

uint32_t LittleEndian(std::string_view bytes, size_t size) {
  uint32_t number = 0;
  for (size_t i = 0; i < size; ++i) {
    number |= static_cast<uint32_t>(static_cast<unsigned char>(bytes[i])) << (8 * i);
  }
  return number;
}

bool ChecksumHolds(uint32_t expected, std::string_view type_and_payload) {
  return libdeflate_crc32(0, type_and_payload.data(), type_and_payload.size()) == expected;
}

}  // namespace

Expected<LogReader> LogReader::Open(int fd) {
  LogReader reader(fd);
  const Expected<bool> loaded = reader.Load(0);
  if (!loaded) return Propagate(loaded);
  const std::string_view head = std::string_view(reader.block_).substr(0, kFileHeader.size());
  if (!kFileHeader.starts_with(head)) {
    return Fail(ErrorCode::kMalformed, "not a W&B run log: its first bytes are others");
  }
  if (head.size() == kFileHeader.size()) reader.whole_end_ = kFileHeader.size();
  return reader;
}

Expected<bool> LogReader::Load(uint64_t offset) {
  const uint64_t start = offset - offset % kBlockBytes;
  if (start == block_start_ && offset - start < block_.size()) return true;
  block_.resize(kBlockBytes);
  const Expected<size_t> filled = ReadAt(fd_, start, block_.data(), kBlockBytes);
  if (!filled) return FailIo("the run log", filled);
  block_.resize(*filled);
  block_start_ = start;
  return offset - start < *filled;
}

Expected<LogReader::ChunkStatus> LogReader::ReadChunk(uint64_t offset, Chunk& chunk) {
  if (kBlockBytes - offset % kBlockBytes < kChunkHeaderBytes)
    offset += kBlockBytes - offset % kBlockBytes;
  const Expected<bool> loaded = Load(offset);
  if (!loaded) return Propagate(loaded);
  if (!*loaded) return ChunkStatus::kEnd;
  const std::string_view rest = std::string_view(block_).substr(offset - block_start_);
  if (rest.size() < kChunkHeaderBytes) return ChunkStatus::kBad;
  const size_t length = LittleEndian(rest.substr(4), 2);
  chunk.type = static_cast<uint8_t>(rest[6]);
  if (chunk.type < 1 || chunk.type > 4 || rest.size() < kChunkHeaderBytes + length)
    return ChunkStatus::kBad;
  if (!ChecksumHolds(LittleEndian(rest, 4), rest.substr(6, 1 + length))) return ChunkStatus::kBad;
  chunk.payload = rest.substr(kChunkHeaderBytes, length);
  chunk.start = offset;
  chunk.end = offset + kChunkHeaderBytes + length;
  return ChunkStatus::kChunk;
}

Expected<LogReader::Status> LogReader::Next(std::string_view& record) {
  if (whole_end_ == 0) return Status::kTorn;
  record_.clear();
  uint64_t offset = whole_end_;
  bool first = true;
  while (true) {
    Chunk chunk;
    const Expected<ChunkStatus> read = ReadChunk(offset, chunk);
    if (!read) return Propagate(read);
    if (*read == ChunkStatus::kEnd) return first ? Status::kEnd : Status::kTorn;
    const auto type = static_cast<ChunkType>(chunk.type);
    const bool begins = type == ChunkType::kFull || type == ChunkType::kFirst;
    if (*read == ChunkStatus::kBad || begins != first ||
        record_.size() + chunk.payload.size() > kMaxRecordBytes) {
      return Judge(offset);
    }
    if (first) record_start_ = chunk.start;
    first = false;
    record_.append(chunk.payload);
    offset = chunk.end;
    if (type == ChunkType::kFull || type == ChunkType::kLast) break;
  }
  whole_end_ = offset;
  record = record_;
  return Status::kRecord;
}

Expected<bool> LogReader::RecordBeginsInBlock(uint64_t from) {
  // The bad bytes may be a chunk's length, so a chunk may begin anywhere behind them. That random
  // bytes pass for one has a chance of 1 in 2^32 for each place.
  const uint64_t end = from - from % kBlockBytes + kBlockBytes;
  for (uint64_t offset = from; offset + kChunkHeaderBytes <= end; ++offset) {
    Chunk chunk;
    const Expected<ChunkStatus> read = ReadChunk(offset, chunk);
    if (!read) return Propagate(read);
    if (*read == ChunkStatus::kEnd) return false;
    const auto type = static_cast<ChunkType>(chunk.type);
    if (*read == ChunkStatus::kChunk && (type == ChunkType::kFull || type == ChunkType::kFirst))
      return true;
  }
  return false;
}

Expected<LogReader::Status> LogReader::Judge(uint64_t bad) {
  const Expected<bool> here = RecordBeginsInBlock(bad + 1);
  if (!here) return Propagate(here);
  if (*here) return Status::kCorrupt;
  // W&B's reader, too, gives up the rest of a block and looks for a record's beginning in the next
  // ones (record.go, Recover). A record that begins there tells damage from a torn end.
  uint64_t offset = bad - bad % kBlockBytes + kBlockBytes;
  while (true) {
    Chunk chunk;
    const Expected<ChunkStatus> read = ReadChunk(offset, chunk);
    if (!read) return Propagate(read);
    if (*read == ChunkStatus::kEnd) return Status::kTorn;
    if (*read == ChunkStatus::kBad) {
      offset += kBlockBytes - offset % kBlockBytes;
      continue;
    }
    const auto type = static_cast<ChunkType>(chunk.type);
    if (type == ChunkType::kFull || type == ChunkType::kFirst) return Status::kCorrupt;
    offset = chunk.end;
  }
}

}  // namespace flarebridge::wandb
