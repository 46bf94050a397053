// What the lines of a file say of their run, for people, line by line in bounded memory. Used by
// the RunReader of JSON lines. One thread.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "receivers/jsonl/line_rows.h"
#include "receivers/latest_values.h"
#include "receivers/run_reader.h"

namespace flarebridge::jsonl {

class LinesSummary {
 public:
  explicit LinesSummary(RunVisitor visit);

  // A whole line, and its place in the file.
  void Take(std::string_view line, uint64_t begin);
  // Nothing more comes.
  RunSummary End();

 private:
  void TakeRun(const LineFields& fields);
  void TakeEnd(const LineFields& fields);
  void TakeData(const LineFields& fields, uint64_t begin);
  void TakeText(const LineFields& fields, uint64_t begin);
  void TakeImage(const LineFields& fields, uint64_t begin);
  void TakeTags(const LineFields& fields);
  void AddRow(const LineFields& fields, const Cells& cells);
  void Emit(const Row& row);
  void SetConfig(const Cells& cells);

  RunVisitor visit_;
  RunSummary run_;
  LatestValues config_;
  LatestValues summary_;
  LineRows rows_;
  std::map<std::string, std::string> tags_;  // key -> tag
};

}  // namespace flarebridge::jsonl
