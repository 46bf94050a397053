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

// Where a chunk may begin at or behind the offset: its header is never split.
uint64_t ChunkPlace(uint64_t offset) {
  const uint64_t room = kBlockBytes - offset % kBlockBytes;
  return room < kChunkHeaderBytes ? offset + room : offset;
}

uint64_t NextBlock(uint64_t offset) { return offset - offset % kBlockBytes + kBlockBytes; }

constexpr size_t kKeptRoom = size_t{16} << 20;

bool ChecksumHolds(uint32_t expected, std::string_view type_and_payload) {
  return libdeflate_crc32(0, type_and_payload.data(), type_and_payload.size()) == expected;
}

}  // namespace

Expected<LogReader> LogReader::Open(int fd, OnProgress on_progress) {
  LogReader reader(fd, std::move(on_progress));
  const Expected<bool> loaded = reader.Load(0);
  if (!loaded) return Propagate(loaded);
  const std::string_view head = std::string_view(reader.block_).substr(0, kFileHeader.size());
  if (!kFileHeader.starts_with(head)) {
    return Fail(ErrorCode::kMalformed, "not a W&B run log: its first bytes are others");
  }
  if (head.size() == kFileHeader.size()) reader.position_ = kFileHeader.size();
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
  if (on_progress_) on_progress_();
  return offset - start < *filled;
}

Expected<LogReader::ChunkStatus> LogReader::ReadChunk(uint64_t offset, Chunk& chunk) {
  offset = ChunkPlace(offset);
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

bool LogReader::Begins(const Chunk& chunk) {
  const auto type = static_cast<ChunkType>(chunk.type);
  return type == ChunkType::kFull || type == ChunkType::kFirst;
}

Expected<LogReader::Status> LogReader::Next(std::string_view& record) {
  if (position_ == 0) return Status::kTorn;
  // The room of a large record is not kept for the small ones behind it.
  if (record_.capacity() > kKeptRoom) record_ = std::string();
  record_.clear();
  resume_at_ = 0;
  uint64_t offset = position_;
  bool first = true;
  while (true) {
    Chunk chunk;
    const Expected<ChunkStatus> read = ReadChunk(offset, chunk);
    if (!read) return Propagate(read);
    if (*read == ChunkStatus::kEnd) return first ? Status::kEnd : Status::kTorn;
    if (*read == ChunkStatus::kBad || Begins(chunk) != first ||
        record_.size() + chunk.payload.size() > kMaxRecordBytes) {
      return Judge(offset);
    }
    if (first) record_start_ = chunk.start;
    first = false;
    record_.append(chunk.payload);
    offset = chunk.end;
    const auto type = static_cast<ChunkType>(chunk.type);
    if (type == ChunkType::kFull || type == ChunkType::kLast) break;
  }
  position_ = offset;
  record = record_;
  return Status::kRecord;
}

bool LogReader::SkipDamage() {
  if (resume_at_ <= position_) return false;
  skipped_bytes_ += resume_at_ - position_;
  position_ = resume_at_;
  return true;
}

Expected<LogReader::Status> LogReader::Judge(uint64_t bad) {
  bad = ChunkPlace(bad);
  Chunk chunk;
  const Expected<ChunkStatus> read = ReadChunk(bad, chunk);
  if (!read) return Propagate(read);
  // A chunk that verifies is what it says, only not what was to come: its length leads on.
  uint64_t from = NextBlock(bad);
  if (*read == ChunkStatus::kChunk) from = Begins(chunk) ? bad : chunk.end;
  const Expected<uint64_t> resume = FindBeginning(from);
  if (!resume) return Propagate(resume);
  resume_at_ = *resume;
  if (resume_at_ > 0) return Status::kCorrupt;
  const Expected<bool> here = RecordBeginsInBlock(bad + 1);
  if (!here) return Propagate(here);
  return *here ? Status::kCorrupt : Status::kTorn;
}

Expected<uint64_t> LogReader::FindBeginning(uint64_t offset) {
  while (true) {
    Chunk chunk;
    const Expected<ChunkStatus> read = ReadChunk(offset, chunk);
    if (!read) return Propagate(read);
    if (*read == ChunkStatus::kEnd) return uint64_t{0};
    if (*read == ChunkStatus::kBad) {
      offset = NextBlock(ChunkPlace(offset));
      continue;
    }
    if (Begins(chunk)) return chunk.start;
    offset = chunk.end;
  }
}

Expected<bool> LogReader::RecordBeginsInBlock(uint64_t from) {
  // The bad bytes may be a chunk's length, so a chunk may begin anywhere behind them. That random
  // bytes pass for one has a chance of 1 in 2^32 for each place.
  const uint64_t end = NextBlock(from);
  for (uint64_t offset = from; offset + kChunkHeaderBytes <= end; ++offset) {
    Chunk chunk;
    const Expected<ChunkStatus> read = ReadChunk(offset, chunk);
    if (!read) return Propagate(read);
    if (*read == ChunkStatus::kEnd) return false;
    if (*read == ChunkStatus::kChunk && Begins(chunk)) return true;
  }
  return false;
}

Expected<uint64_t> LogReader::FindLast(std::string_view first_bytes, uint64_t size, uint64_t most) {
  const uint64_t first = size > most ? size - most : 0;
  for (uint64_t end = size; end > first && end > kFileHeader.size();) {
    const uint64_t block = end - 1 - (end - 1) % kBlockBytes;
    const uint64_t from = block == 0 ? kFileHeader.size() : block;
    Expected<uint64_t> found = FindLastInBlock(first_bytes, from, end);
    if (!found || *found > 0) return found;
    end = block;
  }
  return uint64_t{0};
}

Expected<uint64_t> LogReader::FindLastInBlock(std::string_view first_bytes, uint64_t from,
                                              uint64_t end) {
  uint64_t last = 0;
  // Chunks never cross a block's border, so that each block can be read by itself.
  for (uint64_t offset = from; ChunkPlace(offset) < end;) {
    Chunk chunk;
    const Expected<ChunkStatus> read = ReadChunk(offset, chunk);
    if (!read) return Propagate(read);
    if (*read != ChunkStatus::kChunk) break;
    if (Begins(chunk) && chunk.payload.starts_with(first_bytes)) last = chunk.start;
    offset = chunk.end;
  }
  return last;
}

}  // namespace flarebridge::wandb
