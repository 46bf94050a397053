// `flarebridge upload`, the process that the bridge starts for runs of mode "online": it uploads
// what is in the queue, follows logs that grow, and goes on when the bridge has left, until all is
// on the server. Used by the command line.
#pragma once

#include <string>

namespace flarebridge {

// `queue`: the folder; `socket`: what the bridge listens at; its end means that no log grows any
// more. Gives the exit status.
int Upload(const std::string& queue, int socket);

}  // namespace flarebridge
