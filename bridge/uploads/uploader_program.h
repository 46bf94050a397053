// Where `flarebridge-upload` is: beside the program that runs. Used by the bridge, which starts it,
// and by the command line, which goes on as it. Any thread.
#pragma once

#include <string>

#include "events/error.h"

namespace flarebridge {

// Its path. Errors: kConfig (it is not there, or can't be executed; the text says what to do).
Expected<std::string> FindUploader();

}  // namespace flarebridge
