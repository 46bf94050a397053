#include "bridge/filter.h"

#include <fnmatch.h>

#include <algorithm>
#include <array>

namespace flarebridge {
namespace {

bool Matches(const std::vector<std::string>& globs, std::string_view text) {
  const std::string zero_ended(text);
  return std::any_of(globs.begin(), globs.end(), [&](const std::string& glob) {
    return fnmatch(glob.c_str(), zero_ended.c_str(), 0) == 0;
  });
}

Expected<std::vector<std::string>> ReadTexts(std::string_view receiver, const Value& arguments,
                                             std::string_view name) {
  std::vector<std::string> texts;
  const Value value = arguments.Find(name).value_or(Value());
  bool valid = value.IsNull() || value.kind() == ValueKind::kList;
  if (const auto one = value.AsText()) {
    texts.emplace_back(*one);
    valid = true;
  }
  value.ForEachItem([&](Value item) {
    const auto text = item.AsText();
    valid = valid && text.has_value();
    texts.emplace_back(text.value_or(""));
  });
  if (valid) return texts;
  return Fail(ErrorCode::kConfig, "receiver " + std::string(receiver) + ": " + std::string(name) +
                                      " must be a text or a list of texts");
}

// NVFlare's member names and values (nvflare/apis/analytix.py, LogWriterName), and the short word.
struct WriterName {
  std::string_view name;
  Writer writer;
};
constexpr std::array<WriterName, 6> kWriters = {{{"TORCH_TB", Writer::kTensorBoard},
                                                 {"TORCH_TENSORBOARD", Writer::kTensorBoard},
                                                 {"TENSORBOARD", Writer::kTensorBoard},
                                                 {"MLFLOW", Writer::kMlflow},
                                                 {"WANDB", Writer::kWandb},
                                                 {"WEIGHTS_AND_BIASES", Writer::kWandb}}};

}  // namespace

Expected<Filter> Filter::Parse(std::string_view receiver, const Value& arguments) {
  Filter filter;
  filter.receiver_ = receiver;
  std::vector<std::string> writers;
  const std::pair<std::string_view, std::vector<std::string>*> lists[] = {
      {"include", &filter.include_},
      {"exclude", &filter.exclude_},
      {"sites", &filter.sites_},
      {"writers", &writers}};
  for (const auto& [name, texts] : lists) {
    Expected<std::vector<std::string>> read = ReadTexts(receiver, arguments, name);
    if (!read) return tl::unexpected<Error>(read.error());
    *texts = std::move(*read);
  }
  for (const std::string& name : writers) {
    const auto* found = std::find_if(kWriters.begin(), kWriters.end(),
                                     [&](const WriterName& known) { return known.name == name; });
    if (found == kWriters.end()) {
      return Fail(ErrorCode::kConfig, "receiver " + std::string(receiver) + ": writer " + name +
                                          " is not known; use TENSORBOARD, MLFLOW or WANDB");
    }
    filter.writers_.push_back(found->writer);
  }
  return filter;
}

bool Filter::Wants(const Event& event) const {
  if (!WantsSite(SiteOf(event))) return false;
  const auto* data = std::get_if<Data>(&event);
  return data == nullptr || WantsData(*data);
}

bool Filter::WantsSite(std::string_view site) const {
  return sites_.empty() || Matches(sites_, site);
}

bool Filter::WantsData(const Data& data) const {
  if (data.receivers.kind() == ValueKind::kList) {
    bool addressed = false;
    data.receivers.ForEachItem(
        [&](Value name) { addressed = addressed || name.AsText() == receiver_; });
    if (!addressed) return false;
  }
  if (!writers_.empty() &&
      std::find(writers_.begin(), writers_.end(), data.writer) == writers_.end()) {
    return false;
  }
  return WantsTag(data.tag);
}

bool Filter::WantsTag(std::string_view tag) const {
  if (!include_.empty() && !Matches(include_, tag)) return false;
  return exclude_.empty() || !Matches(exclude_, tag);
}

}  // namespace flarebridge
