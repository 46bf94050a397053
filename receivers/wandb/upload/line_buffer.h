// Lines of the streams that only grow (history, events, console), gathered from a log until they
// are worth a request. The same log gives the same lines at the same places every time, so that
// sending again what a server may have already changes nothing there. One thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "receivers/wandb/log/record_reader.h"
#include "receivers/wandb/upload/console_lines.h"

namespace flarebridge::wandb {

inline constexpr const char* kHistoryStream = "wandb-history.jsonl";
inline constexpr const char* kEventsStream = "wandb-events.jsonl";
inline constexpr const char* kSummaryStream = "wandb-summary.json";
inline constexpr const char* kConsoleStream = "output.log";

// No line above this is taken ("imposed by the back-end", wandb-core's filestream.go at 0.28.3).
inline constexpr size_t kMaxLine = (size_t{10} << 20) - (size_t{100} << 10);

// Lines of one stream from a place on, already JSON strings.
struct StreamPart {
  uint64_t offset = 0;
  uint64_t count = 0;
  std::string lines;  // `"...","..."`
};

// A row as it is sent, of a record of history.
std::string HistoryLine(const ParsedRecord& record);

class LineBuffer {
 public:
  // `confirmed`: lines per stream that the server has; they are counted and not kept.
  // `structured`: the server takes console lines as objects.
  explicit LineBuffer(std::map<std::string, uint64_t> confirmed = {}, bool structured = false)
      : confirmed_(std::move(confirmed)), structured_(structured) {}

  // `run_start`: seconds since the epoch, for the run time of events.
  void Take(const ParsedRecord& record, double run_start);

  const std::map<std::string, StreamPart>& parts() const { return parts_; }
  // Enough for a request: no more is to be taken before Clear().
  bool full() const;
  // Lines by stream until now, those that the server has among them.
  const std::map<std::string, uint64_t>& seen() const { return seen_; }
  // Lines that no server takes; each is replaced by {}, so that those behind it keep their places.
  uint64_t too_long() const { return too_long_; }
  // The server has what is in parts().
  void Clear();

 private:
  struct Line {
    std::string stream;
    uint64_t offset = 0;
    std::string json;
  };
  // Counts a line. False: the server has it.
  bool IsNew(const std::string& stream);
  void AddLine(const std::string& stream, std::string line);
  // Into this request, or if it has no room into the next one.
  void Place(Line line);
  void Append(const Line& line);

  std::map<std::string, uint64_t> confirmed_, seen_;
  std::map<std::string, StreamPart> parts_;
  std::vector<Line> held_;  // for the next request
  bool structured_;
  ConsoleLines console_;
  size_t bytes_ = 0;
  uint64_t too_long_ = 0;
};

}  // namespace flarebridge::wandb
