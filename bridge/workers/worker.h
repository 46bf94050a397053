// The worker process: `flarebridge worker`. It owns the receivers of one (job, site), takes events
// from the bridge over the socket it was started with, and tells the bridge what is durable. Its
// design is to die on any error of a receiver: the next worker opens the run anew and the bridge
// sends again what is not durable. One thread, no ZeroMQ, no journal.
#pragma once

namespace flarebridge {

// Runs until the bridge closes the socket. `mark`: the descriptor of a WorkMark's page. Gives the
// process's exit status.
int RunWorker(int socket, int mark);

}  // namespace flarebridge
