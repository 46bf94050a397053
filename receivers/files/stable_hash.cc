#include "receivers/files/stable_hash.h"

#include <sodium.h>

namespace flarebridge {

std::array<uint8_t, 16> StableHashBytes(std::string_view text) {
  std::array<uint8_t, 16> hash{};
  crypto_generichash(hash.data(), hash.size(), reinterpret_cast<const unsigned char*>(text.data()),
                     text.size(), nullptr, 0);
  return hash;
}

uint64_t StableHash(std::string_view text) {
  const std::array<uint8_t, 16> hash = StableHashBytes(text);
  uint64_t number = 0;
  for (size_t i = 0; i < sizeof number; ++i) number |= uint64_t{hash.at(i)} << (8 * i);
  return number;
}

std::string HexSha256(std::string_view bytes) {
  std::array<unsigned char, crypto_hash_sha256_BYTES> hash{};
  crypto_hash_sha256(hash.data(), reinterpret_cast<const unsigned char*>(bytes.data()),
                     bytes.size());
  std::array<char, 2 * crypto_hash_sha256_BYTES + 1> hex{};
  sodium_bin2hex(hex.data(), hex.size(), hash.data(), hash.size());
  return hex.data();
}

}  // namespace flarebridge
