// Text from outside (a log, a server, a site), made fit for a terminal and a log: neither may obey
// it, and it can't begin a line of its own. Used wherever such text is shown. Any thread.
#pragma once

#include <string>
#include <string_view>

namespace flarebridge {

// The same text as one line of valid UTF-8: line ends and tabs become spaces, each other control
// character (of ASCII, and U+0080 to U+009F), what turns the direction of writing, and each
// sequence of bytes that is no UTF-8 becomes '?'.
std::string Printable(std::string_view text);

}  // namespace flarebridge
