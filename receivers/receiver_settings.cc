#include "receivers/receiver_settings.h"

#include <filesystem>
#include <optional>

#include "receivers/receivers.h"

namespace flarebridge {

Expected<ReceiverSettings> ReceiverSettings::Parse(std::string_view name, const Value& arguments,
                                                   const std::string& folder) {
  Expected<Filter> filter = Filter::Parse(name, arguments);
  if (!filter) return Propagate(filter);
  ReceiverSettings settings(std::move(*filter), ParseOwnArguments(name, arguments));
  const Value dir = arguments.Find("dir").value_or(Value());
  settings.chooses_folder_ = !dir.IsNull();
  // Shims send absolute ones. Another would lie where the bridge was started, which is nobody's to
  // write to.
  settings.folder_ = (std::filesystem::path(folder) / dir.AsText().value_or("")).string();
  if (settings.folder_.ends_with('/') && folder != "/") settings.folder_.pop_back();
  return settings;
}

Expected<std::vector<ReceiverSettings>> ReceiverSettings::ParseAll(const Value& receivers,
                                                                   const std::string& folder) {
  std::vector<ReceiverSettings> all;
  std::optional<Error> wrong;
  receivers.ForEachPair([&](std::string_view name, Value arguments) {
    if (wrong) return;
    Expected<ReceiverSettings> settings = Parse(name, arguments, folder);
    if (settings) {
      all.push_back(std::move(*settings));
    } else {
      wrong = settings.error();
    }
  });
  if (wrong) return tl::unexpected<Error>(*wrong);
  return all;
}

}  // namespace flarebridge
