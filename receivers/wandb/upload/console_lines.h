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

// A whole line without its end.
struct ConsoleLine {
  bool is_error = false;  // of standard error
  double time = 0;        // when it was begun, seconds since the epoch
  std::string text;
};

// As W&B's file stream has it: "[ERROR ]<UTC time> <text>", or an object with these, which a server
// takes that has the feature STRUCTURED_CONSOLE_LOGS (runlogschangemodel.go at 0.28.3). Of the text
// as many columns as W&B's own client sends; the file output.log has all.
std::string PlainText(const ConsoleLine& line);
std::string StructuredText(const ConsoleLine& line);

class ConsoleLines {
 public:
  using Visitor = std::function<void(ConsoleLine line)>;

  // A record of kind kOutput.
  void Take(const ParsedRecord& record, const Visitor& visit);
  // The run has ended: what has no line end is a line, too.
  void End(const Visitor& visit);

 private:
  struct Stream {
    ConsoleLine line;
    bool begun = false;
    bool returned = false;  // behind a carriage return
  };

  std::map<bool, Stream> streams_;  // by whether it is standard error
};

}  // namespace flarebridge::wandb
