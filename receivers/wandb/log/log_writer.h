// Turns records into chunks of a run log. It writes nowhere: it appends bytes to a string that the
// caller writes to the file in one go, at the offset it was told. One thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace flarebridge::wandb {

class LogWriter {
 public:
  // `offset`: the file's size, at the end of a record or of the file header, where bytes go next.
  explicit LogWriter(uint64_t offset) : offset_(offset) {}

  // Where the bytes after those appended so far belong.
  uint64_t offset() const { return offset_; }
  // Appends the 7 bytes that begin a file.
  void AppendFileHeader(std::string& out);
  // Appends one record, cut into chunks at the block borders.
  void AppendRecord(std::string_view record, std::string& out);

 private:
  uint64_t offset_;
};

}  // namespace flarebridge::wandb
