// The receivers that this build has, by name. A new one is a folder beside this file and one line
// in receivers.cc. Used by the worker, and through ReceiverSettings by the intake; any thread.
#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include "events/run_spec.h"
#include "receivers/receiver.h"
#include "receivers/receiver_argument.h"
#include "receivers/receiver_settings.h"

namespace flarebridge {

std::vector<std::string_view> ReceiverNames();
// All that the named receiver takes, those of every receiver among them; none if there is no such
// receiver.
std::vector<const ReceiverArgument*> ArgumentsOf(std::string_view name);

// Checks the arguments that only the named receiver knows. Errors: kConfig (no such receiver,
// arguments that make no sense).
Expected<std::shared_ptr<const OwnArguments>> ParseOwnArguments(std::string_view name,
                                                                const Value& arguments);

// Opens the run of `spec` in a receiver, new or to be continued. Errors: kConfig (what is wrong
// with its own arguments), kBusy (another process writes this run), kIo.
Expected<std::unique_ptr<Receiver>> OpenReceiver(const RunSpec& spec,
                                                 const ReceiverSettings& settings,
                                                 const OnProgress& on_progress = {});

}  // namespace flarebridge
