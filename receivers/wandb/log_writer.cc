#include "receivers/wandb/log_writer.h"

#include <zlib.h>

#include <algorithm>

#include "receivers/wandb/log_format.h"

namespace flarebridge::wandb {
namespace {

void AppendChunk(ChunkType type, std::string_view payload, std::string& out) {
  const auto type_byte = static_cast<unsigned char>(type);
  uLong crc = crc32(0, &type_byte, 1);
  if (!payload.empty()) {  // zlib takes a null pointer for a reset
    crc = crc32(crc, reinterpret_cast<const unsigned char*>(payload.data()),
                static_cast<uInt>(payload.size()));
  }
  for (int shift = 0; shift < 32; shift += 8)
    out.push_back(static_cast<char>((crc >> shift) & 0xff));
  out.push_back(static_cast<char>(payload.size() & 0xff));
  out.push_back(static_cast<char>(payload.size() >> 8));
  out.push_back(static_cast<char>(type_byte));
  out.append(payload);
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
