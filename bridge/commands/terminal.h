// The terminal that a command writes to: how wide it is, and what it can show. Used by commands.
// Any thread.
#pragma once

#include <cstddef>

#include "bridge/plot/canvas.h"

namespace flarebridge {

// Columns and lines; where the descriptor is no terminal, those that COLUMNS and LINES name, else
// 80 and 24.
struct TerminalSize {
  size_t columns = 80, lines = 24;
};
TerminalSize SizeOfTerminal(int fd);

bool IsTerminal(int fd);
// A terminal whose cursor can be moved: TERM is set, and not "dumb".
bool IsScreen(int fd);

// Colours on a terminal that has some (TERM is not "dumb") unless NO_COLOR is set (no-color.org);
// UTF-8 where the locale (LC_ALL, LC_CTYPE, LANG) has it.
Looks LooksOf(int fd);

}  // namespace flarebridge
