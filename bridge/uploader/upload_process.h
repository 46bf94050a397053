// `flarebridge upload`, the process that the bridge starts for runs of mode online: it uploads
// what is in the queue, follows files that grow, and goes on when the bridge has left, until all is
// on the servers. Used by the uploader's command line.
#pragma once

#include <string>

namespace flarebridge {

// `queue`: the folder; `bridge`: the one that has started it, as UploadQueue has it; `socket`: what
// that listens at; its end means that no file of this bridge's grows any more. Gives the exit
// status.
int RunUploadProcess(const std::string& queue, const std::string& bridge, int socket);

}  // namespace flarebridge
