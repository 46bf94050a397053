// A line of a JSONL file taken apart: its members as they stand, and its values as cells of a row.
// README.md tells the members. Used by reading for people. Pure; any thread.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace flarebridge::jsonl {

// JSON; empty: the line has no such member. Views of the line.
struct LineFields {
  std::string_view time, site, type, tag, step, path;
  std::string_view value, text, values, list, base64, nonfinite;
  std::string_view job, run, side;
};
LineFields FieldsOf(std::string_view line);

// A JSON text without its quotes and escapes; "" if it is none.
std::string TextOf(std::string_view json);
// Nothing: no number, or too large a one.
std::optional<double> NumberOf(std::string_view json);
std::optional<int64_t> IntegerOf(std::string_view json);

// Keys and their JSON, in which NaN, Infinity and -Infinity are bare words again.
using Cells = std::vector<std::pair<std::string, std::string>>;

// How far dicts are taken apart: events have 16 levels.
inline constexpr int kAllLevels = 32;

// The value of a line of data: of a dict a cell for each leaf, with the keys around it and '.'
// between them, behind the tag if `with_tag`; what is deeper than `levels` is a leaf. Of another
// value one cell, of the tag. None: the line has no value.
Cells CellsOf(const LineFields& fields, bool with_tag, int levels = kAllLevels);

// Where a file is that a line holds, for RunReader::ReadFile(): the line's place, and which of a
// list's items it is.
struct LinePlace {
  uint64_t begin = 0;
  std::optional<size_t> item;
};
std::string TextOf(const LinePlace& place);
std::optional<LinePlace> LinePlaceIn(std::string_view text);

// An image, or a list of them, as W&B's rows have it, with the places of the files in the line at
// `begin`; "" if the line has none.
std::string ImageJson(const LineFields& fields, uint64_t begin);

// The bytes of a file that a line holds: of an image, or of a text with a path.
std::optional<std::string> FileIn(const LineFields& fields, std::optional<size_t> item);

}  // namespace flarebridge::jsonl
