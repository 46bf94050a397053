// Asks a person for a secret: from a terminal without showing what is typed, else a line of
// standard input. Used by `login`; the main thread.
#pragma once

#include <string>

#include "events/error.h"

namespace flarebridge {

// `prompt`: shown on a terminal. Errors: kIo (nothing came), kBusy (Ctrl-C).
Expected<std::string> AskForSecret(const std::string& prompt);

}  // namespace flarebridge
