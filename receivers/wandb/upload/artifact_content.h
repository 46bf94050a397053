// Where the content of an artifact's entry lies on this machine, and what it hashes to. A log may
// come from anywhere and name any file: what leaves is only content whose MD5 the log tells, so
// that nobody gets a file by it whose content they do not know. Used by errands; any thread.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "events/error.h"
#include "receivers/files/unique_fd.h"
#include "receivers/wandb/artifacts/artifact_record.h"

namespace flarebridge::wandb {

// Opens the content: below the run's folder, as artifacts/<its MD5 in hex>, where it stays with a
// folder that is moved; or where W&B's client has left it. A relative path counts from where the
// program was that logged, two folders above the run's. `folder`: the run's. Errors: kIo, with
// words for a person.
Expected<UniqueFd> OpenContent(const std::filesystem::path& folder, const ArtifactEntry& entry);

// From so many bytes on a file goes in parts (core/pkg/artifacts/multipart.go at 0.31.0).
inline constexpr uint64_t kPartsFrom = uint64_t{2} << 30;
// Bytes of each part but the last: 100 MiB, more where there would be above 10,000 of them.
uint64_t PartBytes(uint64_t size);

struct ContentSums {
  std::string digest;              // MD5 of all, in base64
  std::vector<std::string> parts;  // of each part, in hex
};
// Reads the first `size` bytes. `part`: bytes of a part; 0: there are none. `stopped` is asked now
// and then. Errors: kIo (it has fewer bytes, or can't be read), kBusy (stopped).
Expected<ContentSums> SumsOf(int file, uint64_t size, uint64_t part,
                             const std::function<bool()>& stopped);

}  // namespace flarebridge::wandb
