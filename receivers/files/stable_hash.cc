#include "receivers/files/stable_hash.h"

#include <sodium.h>

#include <type_traits>

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

namespace {

crypto_hash_sha256_state* StateOf(std::array<unsigned char, 128>& bytes) {
  static_assert(sizeof(crypto_hash_sha256_state) <= 128);
  static_assert(std::is_trivially_copyable_v<crypto_hash_sha256_state>);
  return reinterpret_cast<crypto_hash_sha256_state*>(bytes.data());
}

}  // namespace

std::string HexSha256(std::string_view bytes) {
  Sha256 hash;
  hash.Add(bytes);
  return hash.Hex();
}

Sha256::Sha256() { crypto_hash_sha256_init(StateOf(state_)); }

void Sha256::Add(std::string_view bytes) {
  crypto_hash_sha256_update(StateOf(state_), reinterpret_cast<const unsigned char*>(bytes.data()),
                            bytes.size());
}

std::string Sha256::Hex() {
  std::array<unsigned char, crypto_hash_sha256_BYTES> hash{};
  crypto_hash_sha256_final(StateOf(state_), hash.data());
  std::array<char, 2 * crypto_hash_sha256_BYTES + 1> hex{};
  sodium_bin2hex(hex.data(), hex.size(), hash.data(), hash.size());
  return hex.data();
}

}  // namespace flarebridge
