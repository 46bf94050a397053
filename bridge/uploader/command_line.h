// `flarebridge-upload`, an executable of its own because it alone needs libcurl, which workers
// would pay for. `flarebridge` hands `sync` and `upload` over to it with the same arguments.
#pragma once

namespace flarebridge {

// Gives the exit status.
int RunUploader(int argc, char** argv);

}  // namespace flarebridge
