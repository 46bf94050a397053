#include "receivers/wandb/run/wandb_arguments.h"

#include <algorithm>
#include <optional>

#include "receivers/json.h"
#include "receivers/wandb/log/utf8_cut.h"

namespace flarebridge::wandb {
namespace {

// W&B's limits, in characters (wandb/sdk/wandb_settings.py at 0.28.3).
constexpr size_t kMaxProjectCharacters = 128;
constexpr size_t kMaxTagCharacters = 64;
constexpr size_t kMaxIdCharacters = 64;
constexpr std::string_view kForbiddenInProject = "/\\#?%:";
constexpr std::string_view kDefaultProject = "uncategorized";

// Reads arguments one by one; the first that is wrong is the error.
class ArgumentReader {
 public:
  explicit ArgumentReader(const Value& arguments) : arguments_(arguments) {}

  const std::optional<Error>& wrong() const { return wrong_; }

  Value Any(std::string_view name) const { return arguments_.Find(name).value_or(Value()); }

  std::string Text(std::string_view name) {
    const Value value = Any(name);
    if (!value.IsNull() && !value.AsText()) Wrong(name, "must be a text");
    return std::string(value.AsText().value_or(""));
  }
  // A list of texts or one text.
  std::vector<std::string> Tags() {
    const Value value = Any("tags");
    std::vector<std::string> tags;
    const auto add = [&tags](std::optional<std::string_view> text) {
      if (text && !text->empty()) tags.emplace_back(FitTag(*text));
    };
    if (const auto one = value.AsText()) {
      add(one);
      return tags;
    }
    bool valid = value.IsNull() || value.kind() == ValueKind::kList;
    value.ForEachItem([&](Value tag) {
      const auto text = tag.AsText();
      valid = valid && text && !text->empty();
      add(text);
    });
    if (!valid) Wrong("tags", "must be a list of texts");
    return tags;
  }
  std::vector<std::pair<std::string, std::string>> Config() {
    const Value value = Any("config");
    if (!value.IsNull() && value.kind() != ValueKind::kMap) Wrong("config", "must be a dict");
    std::vector<std::pair<std::string, std::string>> config;
    value.ForEachPair(
        [&](std::string_view key, Value item) { config.emplace_back(key, ToJson(item)); });
    return config;
  }
  bool Flag(std::string_view name, bool otherwise) {
    const Value value = Any(name);
    if (!value.IsNull() && !value.AsBool()) Wrong(name, "must be True or False");
    return value.AsBool().value_or(otherwise);
  }
  // True for "online".
  bool Mode() {
    const Value value = Any("mode");
    const std::string_view mode = value.IsNull() ? "offline" : value.AsText().value_or("");
    if (mode != "offline" && mode != "online") Wrong("mode", "must be offline or online");
    return mode == "online";
  }

 private:
  void Wrong(std::string_view name, std::string_view what) {
    if (wrong_) return;
    wrong_ =
        Error{ErrorCode::kConfig, "wandb argument " + std::string(name) + " " + std::string(what)};
  }

  Value arguments_;
  std::optional<Error> wrong_;
};

Expected<void> CheckProject(const std::string& project) {
  if (FirstCharacters(project, kMaxProjectCharacters) == project &&
      project.find_first_of(kForbiddenInProject) == std::string::npos) {
    return {};
  }
  return Fail(ErrorCode::kConfig, "W&B refuses the project name \"" + project +
                                      "\": it may have 128 characters and none of / \\ # ? % :");
}

// The id of a standalone run becomes a part of file names.
Expected<void> CheckId(const std::string& id) {
  const auto fits = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_' || c == '.';
  };
  if (!id.empty() && id.size() <= kMaxIdCharacters && id.front() != '.' &&
      std::all_of(id.begin(), id.end(), fits))
    return {};
  return Fail(ErrorCode::kConfig,
              "wandb argument id must have 1 to 64 characters of a-z A-Z 0-9 - _ . and not begin "
              "with a dot, where the run is a script's own");
}

}  // namespace

Expected<WandbArguments> WandbArguments::Parse(const Value& arguments) {
  ArgumentReader in(arguments);
  WandbArguments parsed;
  parsed.id_ = in.Text("id");
  parsed.project_ = in.Text("project");
  if (parsed.project_.empty()) parsed.project_ = kDefaultProject;
  if (const Expected<void> fine = CheckProject(parsed.project_); !fine) return Propagate(fine);
  parsed.entity_ = in.Text("entity");
  parsed.job_type_ = in.Text("job_type");
  parsed.notes_ = in.Text("notes");
  parsed.tags_ = in.Tags();
  parsed.config_ = in.Config();
  parsed.prefix_scalars_ = in.Flag("prefix_scalars", false);
  parsed.system_ = in.Flag("system", true);
  parsed.online_ = in.Mode();
  parsed.standalone_ = in.Flag("standalone", false);
  if (parsed.standalone_) {
    parsed.name_ = in.Text("name");
    parsed.group_ = in.Text("group");
  }
  if (in.wrong()) return tl::unexpected<Error>(*in.wrong());
  if (parsed.standalone_) {
    if (const Expected<void> fine = CheckId(parsed.id_); !fine) return Propagate(fine);
  }
  return parsed;
}

std::string_view FitTag(std::string_view text) { return FirstCharacters(text, kMaxTagCharacters); }

}  // namespace flarebridge::wandb
