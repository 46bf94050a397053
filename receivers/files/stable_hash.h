// A hash that may be written to the disk: the same for the same bytes on every machine, library and
// version, unlike std::hash. Used for ids of runs, the journal's number in marks, names of queue
// entries, and stamps that tell whether a file has changed. Pure; any thread.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

namespace flarebridge {

// The text's BLAKE2b of 16 bytes (RFC 7693). Never another one: files hold it.
std::array<uint8_t, 16> StableHashBytes(std::string_view text);

// The first 8 of them, little-endian.
uint64_t StableHash(std::string_view text);

// The bytes' SHA-256 as 64 lower-case hex digits, as W&B's rows and file names have it.
std::string HexSha256(std::string_view bytes);

// The same of bytes that come in pieces.
class Sha256 {
 public:
  Sha256();
  void Add(std::string_view bytes);
  // Behind the last of them, once.
  std::string Hex();

 private:
  // What libsodium keeps of it; its header stays in one file.
  alignas(16) std::array<unsigned char, 128> state_{};
};

}  // namespace flarebridge
