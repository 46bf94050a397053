// A table for a terminal: columns as wide as what is in them. Used by `show`. One thread.
#pragma once

#include <iosfwd>
#include <string>
#include <vector>

namespace flarebridge {

class TextTable {
 public:
  enum class Side : uint8_t { kLeft, kRight };

  // A column's title, and on which side of it texts are.
  struct Column {
    std::string title;
    Side side = Side::kLeft;
  };
  explicit TextTable(std::vector<Column> columns);

  // One text for each column; those behind the last that has something may be left out. What is
  // not fit for a terminal is replaced (printable.h).
  void Add(const std::vector<std::string>& cells);
  // Two blanks between columns, none at a line's end.
  void Print(std::ostream& out) const;

 private:
  void PrintLine(std::ostream& out, const std::vector<std::string>& cells) const;

  std::vector<Column> columns_;
  std::vector<size_t> widths_;  // in characters (code points)
  std::vector<std::vector<std::string>> lines_;
};

}  // namespace flarebridge
