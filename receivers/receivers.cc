#include "receivers/receivers.h"

#include <array>
#include <span>
#include <string>

#include "receivers/jsonl/jsonl_run.h"
#include "receivers/wandb/run/wandb_run.h"

namespace flarebridge {
namespace {

// Of all receivers: read in receiver_settings.cc and filter.cc.
constexpr std::array<ReceiverArgument, 5> kForAll = {{{kFolderArgument, ArgumentKind::kFolder},
                                                      {"include", ArgumentKind::kTexts},
                                                      {"exclude", ArgumentKind::kTexts},
                                                      {"sites", ArgumentKind::kTexts},
                                                      {"writers", ArgumentKind::kTexts}}};

struct Entry {
  std::string_view name;
  std::span<const ReceiverArgument> arguments;  // its own
  Expected<std::shared_ptr<const OwnArguments>> (*parse)(const Value& arguments);
  // `own`: what `parse` has made.
  Expected<std::unique_ptr<Receiver>> (*open)(const RunSpec& spec, const std::string& folder,
                                              const OwnArguments& own,
                                              const OnProgress& on_progress);
};
constexpr std::array<Entry, 2> kReceivers = {
    {{"wandb", wandb::kArguments, ParseWandbArguments, OpenWandbRun},
     {"jsonl", {}, ParseJsonlArguments, OpenJsonlRun}}};

Expected<const Entry*> Find(std::string_view name) {
  std::string known;
  for (const Entry& entry : kReceivers) {
    if (entry.name == name) return &entry;
    known += (known.empty() ? "" : ", ") + std::string(entry.name);
  }
  return Fail(ErrorCode::kConfig,
              "there is no receiver \"" + std::string(name) + "\"; known: " + known);
}

}  // namespace

std::vector<std::string_view> ReceiverNames() {
  std::vector<std::string_view> names;
  names.reserve(kReceivers.size());
  for (const Entry& entry : kReceivers) names.push_back(entry.name);
  return names;
}

std::vector<const ReceiverArgument*> ArgumentsOf(std::string_view name) {
  std::vector<const ReceiverArgument*> arguments;
  const Expected<const Entry*> entry = Find(name);
  if (!entry) return arguments;
  for (const ReceiverArgument& argument : (*entry)->arguments) arguments.push_back(&argument);
  for (const ReceiverArgument& argument : kForAll) arguments.push_back(&argument);
  return arguments;
}

Expected<std::shared_ptr<const OwnArguments>> ParseOwnArguments(std::string_view name,
                                                                const Value& arguments) {
  const Expected<const Entry*> entry = Find(name);
  if (!entry) return Propagate(entry);
  return (*entry)->parse(arguments);
}

Expected<std::unique_ptr<Receiver>> OpenReceiver(const RunSpec& spec,
                                                 const ReceiverSettings& settings,
                                                 const OnProgress& on_progress) {
  const Expected<const Entry*> entry = Find(settings.name());
  if (!entry) return Propagate(entry);
  if (!settings.own()) return Propagate(settings.own());
  return (*entry)->open(spec, settings.folder(), **settings.own(), on_progress);
}

}  // namespace flarebridge
