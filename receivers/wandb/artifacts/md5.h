// MD5 (RFC 1321), by which W&B tells contents of artifacts apart. It protects against accidents
// only, and nothing here takes it for more. Pure; any thread.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace flarebridge::wandb {

using Md5Sum = std::array<uint8_t, 16>;

class Md5 {
 public:
  void Add(std::string_view bytes);
  // Of all that was added; nothing more is added then.
  Md5Sum Finish();

 private:
  void AddBlock(const uint8_t* block);

  std::array<uint32_t, 4> state_{0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476};
  std::array<uint8_t, 64> rest_{};
  uint64_t size_ = 0;
};

Md5Sum Md5Of(std::string_view bytes);
// 32 lower-case digits, as digests of artifacts and of parts are written.
std::string HexOf(const Md5Sum& sum);
// 24 characters, as digests of files are written.
std::string Base64Of(const Md5Sum& sum);
// Back; nothing: it is none.
std::optional<Md5Sum> SumOfBase64(std::string_view text);
std::optional<Md5Sum> SumOfHex(std::string_view text);

}  // namespace flarebridge::wandb
