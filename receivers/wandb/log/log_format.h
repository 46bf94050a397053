// The container of a W&B run log (`.wandb`): records in chunks in blocks, LevelDB's log format with
// a plain CRC-32. Constants that writer and reader share; README.md tells the format in words.
// Source: wandb/wandb core/pkg/leveldb/record.go and crc.go, read at version 0.28.3.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace flarebridge::wandb {

// ":W&B", 0xBEE1 little endian, version 0. These bytes count as part of the first block.
inline constexpr std::string_view kFileHeader("\x3a\x57\x26\x42\xe1\xbe\x00", 7);
inline constexpr size_t kBlockBytes = 32768;
// Checksum (4 bytes, little endian, CRC-32 of type and payload), length (2), type (1).
inline constexpr size_t kChunkHeaderBytes = 7;

enum class ChunkType : uint8_t { kFull = 1, kFirst = 2, kMiddle = 3, kLast = 4 };

}  // namespace flarebridge::wandb
