#include "receivers/receivers.h"

#include <array>
#include <string_view>

#include "receivers/wandb/run/wandb_run.h"

namespace flarebridge {
namespace {

struct Entry {
  std::string_view name;
  Expected<std::unique_ptr<Receiver>> (*open)(const RunSpec&, const Value&);
};
constexpr std::array<Entry, 1> kReceivers = {{{"wandb", OpenWandbRun}}};

}  // namespace

Expected<std::unique_ptr<Receiver>> OpenReceiver(const std::string& name, const RunSpec& spec,
                                                 const Value& arguments) {
  std::string known;
  for (const Entry& entry : kReceivers) {
    if (entry.name == name) return entry.open(spec, arguments);
    known += (known.empty() ? "" : ", ") + std::string(entry.name);
  }
  return Fail(ErrorCode::kConfig, "there is no receiver \"" + name + "\"; known: " + known);
}

}  // namespace flarebridge
