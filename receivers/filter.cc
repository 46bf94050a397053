#include "receivers/filter.h"

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

// True for a dict of metrics, each with a name of its own.
bool HoldsSeveral(const Data& data) {
  const bool dict = data.type == DataType::kScalars || data.type == DataType::kMetrics ||
                    data.type == DataType::kParameters || data.type == DataType::kTags;
  return dict && data.value.kind() == ValueKind::kMap;
}

// True for a sample of the site's machine, which is no metric of anybody's: its kind alone says
// whether it leaves the site (docs/policy.md).
bool IsOfTheMachine(const Data& data) {
  return data.type == DataType::kOperation && data.value.kind() == ValueKind::kMap &&
         data.value.Find("op").value_or(Value()).AsText() == "stats";
}

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
    if (!read) return Propagate(read);
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
  if (IsOfTheMachine(data)) return true;
  if (!writers_.empty() &&
      std::find(writers_.begin(), writers_.end(), data.writer) == writers_.end()) {
    return false;
  }
  if (include_.empty() && exclude_.empty()) return true;
  if (!HoldsSeveral(data)) return WantsName(data.tag);
  bool any = false;
  data.value.ForEachPair([&](std::string_view key, Value) { any = any || WantsName(key); });
  return any;
}

bool Filter::WantsName(std::string_view name) const {
  if (!include_.empty() && !Matches(include_, name)) return false;
  return exclude_.empty() || !Matches(exclude_, name);
}

std::optional<Event> Filter::Narrowed(const Event& event, Tape& tape) const {
  const auto* data = std::get_if<Data>(&event);
  if (data == nullptr || (include_.empty() && exclude_.empty()) || !HoldsSeveral(*data))
    return std::nullopt;
  tape.assign(1, data->value.node());
  tape.front().size = 0;
  data->value.ForEachPair([&](std::string_view key, Value value) {
    if (!WantsName(key)) return;
    const ValueNode* node = &value.node();
    tape.insert(tape.end(), node - 1, node + node->span);  // the key stands before its value
    ++tape.front().size;
  });
  if (tape.front().size == data->value.size()) return std::nullopt;
  tape.front().span = static_cast<uint32_t>(tape.size());
  Data narrowed = *data;
  narrowed.value = Value(tape.data());
  return narrowed;
}

}  // namespace flarebridge
