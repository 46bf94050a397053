#include "receivers/receivers.h"

#include <array>
#include <string>

#include "receivers/jsonl/jsonl_run.h"
#include "receivers/wandb/run/wandb_run.h"

namespace flarebridge {
namespace {

struct Entry {
  std::string_view name;
  Expected<std::shared_ptr<const OwnArguments>> (*parse)(const Value& arguments);
  // `own`: what `parse` has made.
  Expected<std::unique_ptr<Receiver>> (*open)(const RunSpec& spec, const std::string& folder,
                                              const OwnArguments& own,
                                              const OnProgress& on_progress);
};
constexpr std::array<Entry, 2> kReceivers = {
    {{"wandb", ParseWandbArguments, OpenWandbRun}, {"jsonl", ParseJsonlArguments, OpenJsonlRun}}};

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
