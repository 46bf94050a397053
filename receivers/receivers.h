// The receivers that this build has, by name. A new one is a folder beside this file and one line
// in receivers.cc. Used by the worker; any thread.
#pragma once

#include <memory>
#include <string>

#include "events/run_spec.h"
#include "receivers/receiver.h"

namespace flarebridge {

// Opens the run of `spec` in the named receiver, new or to be continued. Errors: kConfig (no such
// receiver, arguments that make no sense), kBusy (another process writes this run), kIo.
Expected<std::unique_ptr<Receiver>> OpenReceiver(const std::string& name, const RunSpec& spec,
                                                 const Value& arguments);

}  // namespace flarebridge
