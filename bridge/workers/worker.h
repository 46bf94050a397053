// The worker process: `flarebridge worker`. It owns the receivers of one (job, site), takes events
// from the bridge over the socket it was started with, and tells the bridge what each has on disk.
// A receiver that fails is closed and left behind while others go on; when none is left the worker
// ends. A later worker opens what failed anew, and the bridge sends again what is not durable. One
// thread, no ZeroMQ, no journal.
#pragma once

namespace flarebridge {

// Runs until the bridge closes the socket. `mark`: the descriptor of a WorkMark's page. `confined`:
// only if all of its confinement holds (confine.h). Gives the process's exit status.
int RunWorker(int socket, int mark, bool confined);

}  // namespace flarebridge
