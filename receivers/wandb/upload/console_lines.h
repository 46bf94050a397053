// Puts the lines of a run's console together from what was written to it, which may come in pieces
// of lines or as several at once. A carriage return begins the line anew, so of a progress bar the
// last state remains. One thread.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>

#include "receivers/wandb/log/record_reader.h"

namespace flarebridge::wandb {

class ConsoleLines {
 public:
  // A whole line without its end, as W&B's file stream has it: "[ERROR ]<UTC time> <text>".
  using Visitor = std::function<void(std::string line)>;

  // A record of kind kOutput.
  void Take(const ParsedRecord& record, const Visitor& visit);
  // The run has ended: what has no line end is a line, too.
  void End(const Visitor& visit);

 private:
  struct Stream {
    std::string text;
    double time = 0;  // when the line was begun
    bool begun = false;
    bool returned = false;  // behind a carriage return
  };
  static std::string Finish(bool is_error, Stream& stream);

  std::map<bool, Stream> streams_;  // by whether it is standard error
};

}  // namespace flarebridge::wandb
