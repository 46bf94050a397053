#include "receivers/wandb/artifacts/artifact_name.h"

#include <cstddef>
#include <cstdint>

namespace flarebridge::wandb {
namespace {

constexpr size_t kMostCharacters = 128;

bool IsTaken(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
         c == '-' || c == '.';
}

// CRC-32 as zlib has it. Names are short: no table is worth its bytes.
uint32_t SumOf(std::string_view text) {
  constexpr uint32_t kPolynomial = 0xedb88320;
  uint32_t sum = ~uint32_t{0};
  for (const char c : text) {
    sum ^= static_cast<unsigned char>(c);
    for (int bit = 0; bit < 8; ++bit) sum = sum >> 1 ^ ((sum & 1) != 0 ? kPolynomial : 0);
  }
  return ~sum;
}

// Base64 for URLs, without padding: 32 bits in 6 characters.
std::string LettersOf(uint32_t sum) {
  constexpr std::string_view kLetters =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  std::string text;
  for (int shift = 26; shift >= 2; shift -= 6) text += kLetters[sum >> shift & 63];
  return text + kLetters[sum << 4 & 63];
}

}  // namespace

std::string ArtifactName(std::string_view name) {
  std::string taken;
  for (const char c : name) {
    if (IsTaken(c)) taken += c;
  }
  if (taken == name && taken.size() <= kMostCharacters) return taken;
  const std::string sum = "-" + LettersOf(SumOf(name));
  return taken.substr(0, kMostCharacters - sum.size()) + sum;
}

}  // namespace flarebridge::wandb
