// The large values that events name, as files in a folder of the bridge's (events/README.md, Large
// values): read here, and never changed. What is not there, or is no file of the size that its
// event says, is no value; what the system can't read now is a failure of the receiver's, which is
// kept until it is asked for. Used by receivers; one thread.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "events/blob_ref.h"
#include "events/error.h"
#include "receivers/files/unique_fd.h"
#include "receivers/receiver.h"

namespace flarebridge {

class BlobFolder {
 public:
  // As much of a value as is ever in memory at once.
  static constexpr uint64_t kMostInMemory = uint64_t{256} << 20;

  // `folder`: empty: there are none.
  BlobFolder(std::filesystem::path folder, OnProgress on_progress)
      : folder_(std::move(folder)), on_progress_(std::move(on_progress)) {}

  // Nothing: see above; all of these.
  std::optional<UniqueFd> Open(const BlobRef& blob);
  // The value, if it has kMostInMemory bytes at most; the beginning of it.
  std::optional<std::string> Content(const BlobRef& blob);
  std::optional<std::string> Head(const BlobRef& blob, size_t most);
  // 64 lower-case hex digits.
  std::optional<std::string> Sha256(const BlobRef& blob);

  // Becomes a file below a folder, as CopyBelow() says. False: it is no value, or no file can ever
  // have this path here. Errors: kIo.
  Expected<bool> CopyTo(const BlobRef& blob, const std::filesystem::path& folder,
                        const std::filesystem::path& relative);

  // What the system said since this was asked last.
  std::optional<Error> TakeFailure();

 private:
  void Tell() const {
    if (on_progress_) on_progress_();
  }

  std::filesystem::path folder_;
  OnProgress on_progress_;
  std::optional<Error> failure_;
};

}  // namespace flarebridge
