#include "receivers/wandb/artifacts/md5.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

namespace flarebridge::wandb {
namespace {

// RFC 1321, 3.4: 2^32 times the sine of 1 to 64, as integers.
std::array<uint32_t, 64> Sines() {
  constexpr double kScale = 4294967296.0;
  std::array<uint32_t, 64> sines{};
  for (size_t i = 0; i < sines.size(); ++i)
    sines[i] = static_cast<uint32_t>(std::abs(std::sin(static_cast<double>(i + 1))) * kScale);
  return sines;
}

constexpr std::string_view kDigits = "0123456789abcdef";
constexpr std::string_view kLetters =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

constexpr std::array<std::array<int, 4>, 4> kTurns{
    {{7, 12, 17, 22}, {5, 9, 14, 20}, {4, 11, 16, 23}, {6, 10, 15, 21}}};

uint32_t WordAt(const uint8_t* bytes) {
  return static_cast<uint32_t>(bytes[0]) | static_cast<uint32_t>(bytes[1]) << 8 |
         static_cast<uint32_t>(bytes[2]) << 16 | static_cast<uint32_t>(bytes[3]) << 24;
}

// One of the four rounds, 16 steps.
template <size_t Round, class Mix, class Place>
void Go(std::array<uint32_t, 4>& s, const std::array<uint32_t, 16>& words,
        const std::array<uint32_t, 64>& sines, Mix mix, Place place) {
  for (size_t i = 0; i < 16; ++i) {
    const uint32_t sum = s[0] + mix(s[1], s[2], s[3]) + sines[16 * Round + i] + words[place(i)];
    s = {s[3], s[1] + std::rotl(sum, kTurns[Round][i % 4]), s[1], s[2]};
  }
}

}  // namespace

void Md5::AddBlock(const uint8_t* block) {
  static const std::array<uint32_t, 64> sines = Sines();
  std::array<uint32_t, 16> words{};
  for (size_t i = 0; i < words.size(); ++i) words[i] = WordAt(block + 4 * i);
  std::array<uint32_t, 4> s = state_;
  using Word = uint32_t;
  Go<0>(
      s, words, sines, [](Word b, Word c, Word d) { return (b & c) | (~b & d); },
      [](size_t i) { return i; });
  Go<1>(
      s, words, sines, [](Word b, Word c, Word d) { return (b & d) | (c & ~d); },
      [](size_t i) { return (5 * i + 1) % 16; });
  Go<2>(
      s, words, sines, [](Word b, Word c, Word d) { return b ^ c ^ d; },
      [](size_t i) { return (3 * i + 5) % 16; });
  Go<3>(
      s, words, sines, [](Word b, Word c, Word d) { return c ^ (b | ~d); },
      [](size_t i) { return 7 * i % 16; });
  for (size_t i = 0; i < state_.size(); ++i) state_[i] += s[i];
}

void Md5::Add(std::string_view bytes) {
  const auto* from = reinterpret_cast<const uint8_t*>(bytes.data());
  size_t left = bytes.size();
  const size_t held = size_ % rest_.size();
  size_ += left;
  if (held > 0) {
    const size_t more = std::min(left, rest_.size() - held);
    std::memcpy(rest_.data() + held, from, more);
    if (held + more < rest_.size()) return;
    AddBlock(rest_.data());
    from += more;
    left -= more;
  }
  for (; left >= rest_.size(); left -= rest_.size(), from += rest_.size()) AddBlock(from);
  if (left > 0) std::memcpy(rest_.data(), from, left);
}

Md5Sum Md5::Finish() {
  const uint64_t bits = size_ * 8;
  const size_t held = size_ % rest_.size();
  std::string end(1, '\x80');
  end.append((held < 56 ? 56 : 120) - held - 1, '\0');
  for (int i = 0; i < 8; ++i) end += static_cast<char>(bits >> (8 * i) & 0xff);
  Add(end);
  Md5Sum sum{};
  for (size_t i = 0; i < sum.size(); ++i)
    sum[i] = static_cast<uint8_t>(state_[i / 4] >> (8 * (i % 4)));
  return sum;
}

Md5Sum Md5Of(std::string_view bytes) {
  Md5 md5;
  md5.Add(bytes);
  return md5.Finish();
}

std::string HexOf(const Md5Sum& sum) {
  std::string text;
  for (const uint8_t byte : sum) {
    text += kDigits[byte >> 4];
    text += kDigits[byte & 15];
  }
  return text;
}

std::string Base64Of(const Md5Sum& sum) {
  std::string text;
  uint32_t bits = 0;
  int count = 0;
  for (const uint8_t byte : sum) {
    bits = bits << 8 | byte;
    for (count += 8; count >= 6; count -= 6) text += kLetters[bits >> (count - 6) & 63];
  }
  text += kLetters[bits << (6 - count) & 63];
  return text + "==";
}

std::optional<Md5Sum> SumOfBase64(std::string_view text) {
  if (text.size() != 24 || !text.ends_with("==")) return std::nullopt;
  Md5Sum sum{};
  uint32_t bits = 0;
  int count = 0;
  size_t at = 0;
  for (const char letter : text.substr(0, 22)) {
    const size_t value = kLetters.find(letter);
    if (value == std::string_view::npos) return std::nullopt;
    bits = bits << 6 | static_cast<uint32_t>(value);
    count += 6;
    if (count < 8) continue;
    count -= 8;
    sum[at++] = static_cast<uint8_t>(bits >> count);
  }
  return sum;
}

std::optional<Md5Sum> SumOfHex(std::string_view text) {
  Md5Sum sum{};
  if (text.size() != 2 * sum.size()) return std::nullopt;
  for (size_t i = 0; i < text.size(); ++i) {
    const size_t value = kDigits.find(text[i]);
    if (value == std::string_view::npos) return std::nullopt;
    sum[i / 2] = static_cast<uint8_t>(sum[i / 2] << 4 | value);
  }
  return sum;
}

}  // namespace flarebridge::wandb
