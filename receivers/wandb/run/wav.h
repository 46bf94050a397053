// Sound as a WAV file: what a browser plays without further ado. Pure; any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace flarebridge::wandb {

// `samples`: 16 bits each, little endian, of all channels in turn; `rate`: per second. Nothing if
// the samples are not whole for so many channels (1 to 255), or no file can say so.
std::optional<std::string> WavFile(std::string_view samples, uint64_t rate, uint64_t channels);

}  // namespace flarebridge::wandb
