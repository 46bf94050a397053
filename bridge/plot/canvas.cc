#include "bridge/plot/canvas.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstdlib>
#include <string_view>

namespace flarebridge {
namespace {

// The bits of a cell's dots, by column and by row from the top (Unicode, Braille Patterns).
constexpr std::array<std::array<uint8_t, Canvas::kDown>, Canvas::kAcross> kBits = {
    {{0x01, 0x02, 0x04, 0x40}, {0x08, 0x10, 0x20, 0x80}}};

// Foregrounds of ECMA-48 and their bright ones. Those that can't be read on white or on black come
// late.
constexpr std::array<const char*, 12> kColours = {"36", "35", "33", "32", "31", "34",
                                                  "96", "95", "93", "92", "91", "94"};

constexpr std::string_view kLetters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";

std::string ColourOf(size_t curve) {
  return std::string("\033[") + kColours.at(curve % kColours.size()) + "m";
}

constexpr const char* kPlain = "\033[0m";

// U+2800 and what the bits add to it, as UTF-8.
std::string Braille(uint8_t dots) {
  constexpr unsigned kSixBits = 0x3f;
  return {'\xe2', static_cast<char>(0xa0 | (dots >> 6)),
          static_cast<char>(0x80 | (dots & kSixBits))};
}

std::string CellText(const Looks& looks, uint8_t dots, size_t curve, size_t curves) {
  if (HasLetters(looks, curves)) return {kLetters[curve % kLetters.size()]};
  return looks.utf8 ? Braille(dots) : "*";
}

}  // namespace

bool HasLetters(const Looks& looks, size_t curves) {
  return curves > 1 && !(looks.utf8 && looks.colours);
}

std::string MarkOf(const Looks& looks, size_t curve, size_t curves) {
  constexpr uint8_t kLine = 0x36;  // the second and the third row
  const std::string text = CellText(looks, kLine, curve, curves);
  return looks.colours ? ColourOf(curve) + text + kPlain : text;
}

Canvas::Canvas(size_t columns, size_t rows, size_t curves)
    : columns_(columns), rows_(rows), curves_(curves), dots_(columns * rows * curves) {}

void Canvas::Put(size_t curve, Dot dot) {
  if (dot.x < 0 || dot.y < 0) return;
  const auto x = static_cast<size_t>(dot.x), y = static_cast<size_t>(dot.y);
  if (x >= width() || y >= height()) return;
  const size_t down = height() - 1 - y;
  dots_[(curve * rows_ + down / kDown) * columns_ + x / kAcross] |=
      kBits.at(x % kAcross).at(down % kDown);
}

void Canvas::Line(size_t curve, Dot from, Dot to) {
  const int64_t across = std::abs(to.x - from.x), up = std::abs(to.y - from.y);
  const int64_t right = to.x < from.x ? -1 : 1, above = to.y < from.y ? -1 : 1;
  // How far the line would leave its dots on either side, in so many parts of a dot (Bresenham).
  int64_t error = across - up;
  while (true) {
    Put(curve, from);
    if (from.x == to.x && from.y == to.y) return;
    const int64_t twice = 2 * error;
    if (twice > -up) {
      error -= up;
      from.x += right;
    }
    if (twice < across) {
      error += across;
      from.y += above;
    }
  }
}

Canvas::Cell Canvas::At(size_t column, size_t row) const {
  Cell cell;
  int most = 0;
  size_t equals = 0;
  const auto dots_of = [&](size_t curve) {
    return dots_[(curve * rows_ + row) * columns_ + column];
  };
  for (size_t curve = 0; curve < curves_; ++curve) {
    const uint8_t dots = dots_of(curve);
    const int count = std::popcount(dots);
    cell.dots |= dots;
    equals = count > most ? 1 : equals + (count == most ? 1 : 0);
    most = std::max(most, count);
  }
  if (most == 0) return cell;
  size_t turn = column % equals;
  for (size_t curve = 0; curve < curves_; ++curve) {
    if (std::popcount(dots_of(curve)) != most) continue;
    cell.curve = curve;
    if (turn-- == 0) break;
  }
  return cell;
}

std::string Canvas::Line(size_t row, const Looks& looks) const {
  std::string line;
  size_t blanks = 0;
  bool coloured = false;
  size_t colour = 0;
  for (size_t column = 0; column < columns_; ++column) {
    const Cell cell = At(column, row);
    if (cell.dots == 0) {
      ++blanks;
      continue;
    }
    line.append(blanks, ' ');
    blanks = 0;
    if (looks.colours && (!coloured || colour != cell.curve)) line += ColourOf(cell.curve);
    coloured = looks.colours;
    colour = cell.curve;
    line += CellText(looks, cell.dots, cell.curve, curves_);
  }
  return coloured ? line + kPlain : line;
}

std::vector<std::string> Canvas::Lines(const Looks& looks) const {
  std::vector<std::string> lines;
  lines.reserve(rows_);
  for (size_t row = 0; row < rows_; ++row) lines.push_back(Line(row, looks));
  return lines;
}

}  // namespace flarebridge
