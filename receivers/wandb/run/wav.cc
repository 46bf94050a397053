#include "receivers/wandb/run/wav.h"

namespace flarebridge::wandb {
namespace {

constexpr uint64_t kBytesPerSample = 2, kMostChannels = 255;
// Bytes behind the first two fields (RIFF and its size), and of the format chunk
// (Multimedia Programming Interface and Data Specifications 1.0, IBM and Microsoft, 1991).
constexpr uint64_t kHeaderBytes = 36, kFormatBytes = 16, kPcm = 1;
// So that bytes per second fit into their field.
constexpr uint64_t kMostRate = UINT32_MAX / (kBytesPerSample * kMostChannels);

void AppendLittle(uint64_t number, size_t bytes, std::string& out) {
  for (size_t i = 0; i < bytes; ++i) out.push_back(static_cast<char>(number >> (8 * i) & 0xff));
}

}  // namespace

std::optional<std::string> WavFile(std::string_view samples, uint64_t rate, uint64_t channels) {
  if (channels == 0 || channels > kMostChannels || rate == 0 || rate > kMostRate ||
      samples.size() % (kBytesPerSample * channels) != 0 ||
      samples.size() > UINT32_MAX - kHeaderBytes)
    return std::nullopt;
  const uint64_t frame = kBytesPerSample * channels;
  std::string file = "RIFF";
  AppendLittle(kHeaderBytes + samples.size(), 4, file);
  file += "WAVEfmt ";
  AppendLittle(kFormatBytes, 4, file);
  AppendLittle(kPcm, 2, file);
  AppendLittle(channels, 2, file);
  AppendLittle(rate, 4, file);
  AppendLittle(rate * frame, 4, file);
  AppendLittle(frame, 2, file);
  AppendLittle(8 * kBytesPerSample, 2, file);
  file += "data";
  AppendLittle(samples.size(), 4, file);
  file += samples;
  return file;
}

}  // namespace flarebridge::wandb
