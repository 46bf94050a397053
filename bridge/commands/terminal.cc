#include "bridge/commands/terminal.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <optional>
#include <string>

#include "bridge/process/environment.h"

namespace flarebridge {
namespace {

size_t SizeFrom(const char* variable, size_t otherwise) {
  const std::string text = FromEnvironment(variable).value_or("");
  size_t size = 0;
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), size);
  return failed == std::errc() && end == text.data() + text.size() && size > 0 ? size : otherwise;
}

// As setlocale() chooses it.
bool HasUtf8Locale() {
  std::string locale;
  for (const char* variable : {"LC_ALL", "LC_CTYPE", "LANG"}) {
    locale = FromEnvironment(variable).value_or("");
    if (!locale.empty()) break;
  }
  std::transform(locale.begin(), locale.end(), locale.begin(),
                 [](unsigned char c) { return std::tolower(c); });
  return locale.find("utf-8") != std::string::npos || locale.find("utf8") != std::string::npos;
}

}  // namespace

TerminalSize SizeOfTerminal(int fd) {
  TerminalSize known;
  known.columns = SizeFrom("COLUMNS", known.columns);
  known.lines = SizeFrom("LINES", known.lines);
  winsize size{};
  if (ioctl(fd, TIOCGWINSZ, &size) != 0) return known;
  if (size.ws_col > 0) known.columns = size.ws_col;
  if (size.ws_row > 0) known.lines = size.ws_row;
  return known;
}

bool IsTerminal(int fd) { return isatty(fd) == 1; }

bool IsScreen(int fd) {
  return IsTerminal(fd) && FromEnvironment("TERM").value_or("dumb") != "dumb";
}

Looks LooksOf(int fd) { return {HasUtf8Locale(), IsScreen(fd) && !FromEnvironment("NO_COLOR")}; }

}  // namespace flarebridge
