// Which run is to be written: what a receiver needs to know to open it, whoever asks. Made by the
// intake per run, carried to the worker in a frame (worker_frame.h). Plain values, any thread.
#pragma once

#include <cstdint>
#include <string>

#include "events/value.h"

namespace flarebridge {

// Which run a worker is for. One worker serves one (job, site).
struct RunSpec {
  std::string journal;  // id of the journal that the positions count in
  std::string job;      // checked names, all three
  std::string site;
  std::string run_name;
  std::string side;    // "server" or "client"
  std::string folder;  // absolute; receivers write below it
  std::string owner;   // whose key the job came with: two owners' jobs are two, or empty
  double started = 0;  // seconds since the epoch
  // All receivers have said that they have the events up to here on disk; more may be there.
  uint64_t durable = 0;
  std::string blobs;   // absolute, or empty: the folder with the large values that events name
  Document receivers;  // map: receiver's name -> map of its arguments
};

}  // namespace flarebridge
