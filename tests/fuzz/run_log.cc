// A run log with checksums that hold: the input is cut into records (2 bytes length each), which
// are written as a log; with an odd first byte it is taken for the file itself. What is sent of it
// is JSON.
#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "receivers/wandb/log/log_writer.h"
#include "receivers/wandb/log/record_stream.h"
#include "receivers/wandb/run/recovery.h"
#include "receivers/wandb/upload/line_buffer.h"
#include "receivers/wandb/upload/run_view.h"
#include "receivers/wandb/upload/sent_records.h"
#include "receivers/wandb/upload/strict_json.h"

namespace {

using namespace flarebridge::wandb;

std::string FileOf(std::string_view bytes, bool raw) {
  if (raw) return std::string(bytes);
  std::string file;
  LogWriter writer(0);
  writer.AppendFileHeader(file);
  while (bytes.size() >= 2) {
    const size_t length =
        static_cast<uint8_t>(bytes[0]) + (static_cast<size_t>(static_cast<uint8_t>(bytes[1])) << 8);
    bytes.remove_prefix(2);
    writer.AppendRecord(bytes.substr(0, length), file);
    bytes.remove_prefix(std::min(length, bytes.size()));
  }
  return file;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  const std::string file = FileOf(bytes, (data[0] & 1) != 0);
  const int fd = memfd_create("log", MFD_CLOEXEC);
  if (fd < 0 || write(fd, file.data(), file.size()) != static_cast<ssize_t>(file.size())) abort();
  // Going on behind damage gives all that stopping there gives, and more.
  size_t before_damage = 0, records = 0;
  (void)ReadRecords(fd, OnDamage::kStop, [&](const ParsedRecord&, uint64_t) { ++before_damage; });
  RunView view;
  LineBuffer lines({}, (data[0] & 2) != 0);
  SentRecords sent;
  const auto end =
      ReadRecords(fd, OnDamage::kSkip, [&](const ParsedRecord& logged, uint64_t start) {
        if (start > file.size()) __builtin_trap();
        if (logged.run.resumed) sent.CountOn(5);
        const ParsedRecord& record = sent.Of(logged);
        if (record.kind == ParsedRecord::Kind::kHistory && !IsJson(HistoryLine(record)))
          __builtin_trap();
        ++records;
        view.Take(record);
        lines.Take(record, view.run().start_time);
        if (lines.full()) lines.Clear();
      });
  if (records < before_damage) __builtin_trap();
  if (end && end->bad_bytes > file.size()) __builtin_trap();
  if (end && end->corrupt != (end->bad_bytes > 0)) __builtin_trap();
  const std::string config = view.UploadConfig();
  if (!IsJson(config)) __builtin_trap();
  (void)view.MadeFiles(config);
  (void)Recover(fd, 1);
  close(fd);
  return 0;
}
