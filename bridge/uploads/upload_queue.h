// What waits for its upload: a folder with a small file for each time that something was added, so
// that they outlive the bridge, its uploader and the machine's next start. The bridge adds, the
// uploader takes out; both processes may be killed at any moment. Any thread.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "events/error.h"
#include "receivers/upload_target.h"

namespace flarebridge {

class UploadQueue {
 public:
  struct Entry {
    std::filesystem::path file;  // the entry itself
    UploadTarget target;         // what is to be uploaded
    std::string stamp;           // changes when it is added again
    std::string bridge;          // who added it; empty: a version that did not say so
  };

  // `bridge`: a word for the one that adds, of one line, which no other bridge ever has.
  explicit UploadQueue(std::filesystem::path folder, std::string bridge = "")
      : folder_(std::move(folder)), bridge_(std::move(bridge)) {}

  const std::filesystem::path& folder() const { return folder_; }
  // Adds a target, or adds it again. It is on the disk when this returns. Errors: kIo.
  Expected<void> Add(const UploadTarget& target);
  // What is there, the newest entry of each target; what can't be read is left out.
  std::vector<Entry> List() const;
  bool empty() const;
  // Takes an entry out. One of the same target that was added meanwhile stays, whenever that was.
  void Remove(const Entry& entry);

 private:
  std::vector<Entry> All() const;

  std::filesystem::path folder_;
  std::string bridge_;
};

}  // namespace flarebridge
