#include "receivers/wandb/log/log_writer.h"

#include <libdeflate.h>

#include <algorithm>
#include <array>

#include "receivers/wandb/log/log_format.h"

namespace flarebridge::wandb {
namespace {

void AppendChunk(ChunkType type, std::string_view payload, std::string& out) {
  const size_t begin = out.size();
  std::array<char, kChunkHeaderBytes> head{};
  head[4] = static_cast<char>(payload.size() & 0xff);
  head[5] = static_cast<char>(payload.size() >> 8);
  head[6] = static_cast<char>(type);
  out.append(head.data(), head.size());
  out.append(payload);
  // Of the type and the payload, which lie behind one another now.
  const uint32_t crc = libdeflate_crc32(0, out.data() + begin + 6, 1 + payload.size());
  for (size_t i = 0; i < 4; ++i) out[begin + i] = static_cast<char>((crc >> (8 * i)) & 0xff);
}

}  // namespace

void LogWriter::AppendFileHeader(std::string& out) {
  out.append(kFileHeader);
  offset_ += kFileHeader.size();
}

void LogWriter::AppendRecord(std::string_view record, std::string& out) {
  bool first = true;
  while (true) {
    size_t room = kBlockBytes - offset_ % kBlockBytes;
    if (room < kChunkHeaderBytes) {
      out.append(room, '\0');  // a chunk's header is never split
      offset_ += room;
      room = kBlockBytes;
    }
    const size_t size = std::min(record.size(), room - kChunkHeaderBytes);
    const bool last = size == record.size();
    const ChunkType type = first ? (last ? ChunkType::kFull : ChunkType::kFirst)
                                 : (last ? ChunkType::kLast : ChunkType::kMiddle);
    AppendChunk(type, record.substr(0, size), out);
    offset_ += kChunkHeaderBytes + size;
    record.remove_prefix(size);
    if (last) return;
    first = false;
  }
}

}  // namespace flarebridge::wandb
