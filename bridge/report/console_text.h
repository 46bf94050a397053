// The end of what a run's program wrote on its console, as plain text: without colours and other
// escapes, and of a line that was written over (a progress bar) its last state. Pieces may end
// anywhere. Used by ReportData. Pure; one thread each.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace flarebridge {

class ConsoleText {
 public:
  static constexpr size_t kMostLineBytes = 4'096;  // as many columns as W&B's server takes

  // Keeps `most` bytes about, in whole lines.
  void Take(std::string_view piece, size_t most);
  // Keeps no more than so many of what is there.
  void Fit(size_t most);
  // Nothing more comes: a line without an end is one.
  void End();

  // Lines, each with its end.
  const std::string& text() const { return text_; }
  uint64_t lines() const { return lines_; }  // that came, those that are not kept among them

 private:
  // Where in an escape sequence the next byte is (ECMA-48, 5.4: CSI; 5.6: command strings).
  enum class State : uint8_t { kPlain, kEscape, kSequence, kString, kStringEscape };

  void TakePlain(char c);
  void TakeEscaped(char c);
  void Put(char c);
  void EndLine(size_t most);

  std::string text_;
  std::string line_;
  uint64_t lines_ = 0;
  State state_ = State::kPlain;
  bool returned_ = false;  // what comes next writes over the line
  bool is_cut_ = false;    // the line is longer
};

}  // namespace flarebridge
