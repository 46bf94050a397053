#include "bridge/commands/text_table.h"

#include <algorithm>
#include <ostream>
#include <utility>

#include "bridge/plot/characters.h"
#include "events/printable.h"

namespace flarebridge {

TextTable::TextTable(std::vector<Column> columns) : columns_(std::move(columns)) {
  widths_.reserve(columns_.size());
  for (const Column& column : columns_) widths_.push_back(CharactersOf(column.title));
}

void TextTable::Add(const std::vector<std::string>& cells) {
  std::vector<std::string>& line = lines_.emplace_back();
  line.reserve(cells.size());
  for (size_t i = 0; i < cells.size(); ++i) {
    line.push_back(Printable(cells[i]));
    widths_[i] = std::max(widths_[i], CharactersOf(line.back()));
  }
}

void TextTable::Print(std::ostream& out) const {
  std::vector<std::string> titles;
  titles.reserve(columns_.size());
  for (const Column& column : columns_) titles.push_back(column.title);
  PrintLine(out, titles);
  for (const std::vector<std::string>& line : lines_) PrintLine(out, line);
}

void TextTable::PrintLine(std::ostream& out, const std::vector<std::string>& cells) const {
  std::string line;
  for (size_t i = 0; i < cells.size(); ++i) {
    const std::string room(widths_[i] - CharactersOf(cells[i]), ' ');
    if (i > 0) line += "  ";
    line += columns_[i].side == Side::kRight ? room + cells[i] : cells[i] + room;
  }
  line.erase(line.find_last_not_of(' ') + 1);
  out << line << '\n';
}

}  // namespace flarebridge
