// Operations: what is said of a metric, of the summary, of the run itself or of its site's machine,
// and alerts to people.
#include <array>
#include <cmath>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "receivers/wandb/log/record_writer.h"
#include "receivers/wandb/log/utf8_cut.h"
#include "receivers/wandb/run/effects.h"
#include "receivers/wandb/run/run_files.h"

namespace flarebridge::wandb {
namespace {

// W&B takes titles of fewer than 64 characters (wandb.alert at 0.31.0), and waits a minute.
constexpr size_t kMaxTitleCharacters = 63;
constexpr int64_t kAlertWait = 60000;  // milliseconds

// Reads the keys of an operation; of a wrong type one only has to be noticed.
class Keys {
 public:
  explicit Keys(const Value& value) : value_(value) {}

  bool wrong() const { return wrong_; }

  Value Any(std::string_view key) const { return value_.Find(key).value_or(Value()); }
  std::optional<std::string_view> Text(std::string_view key) {
    return Checked(key, Any(key).AsText());
  }
  std::optional<bool> Flag(std::string_view key) { return Checked(key, Any(key).AsBool()); }
  std::optional<int64_t> Integer(std::string_view key) { return Checked(key, Any(key).AsInt64()); }
  std::optional<std::vector<std::string_view>> Texts(std::string_view key) {
    const Value list = Any(key);
    if (list.IsNull()) return std::nullopt;
    std::vector<std::string_view> texts;
    list.ForEachItem([&](const Value& item) {
      if (const auto text = item.AsText()) texts.push_back(*text);
    });
    if (list.kind() != ValueKind::kList || texts.size() != list.size()) wrong_ = true;
    return texts;
  }

 private:
  template <class T>
  std::optional<T> Checked(std::string_view key, std::optional<T> found) {
    if (!found && !Any(key).IsNull()) wrong_ = true;
    return found;
  }

  Value value_;
  bool wrong_ = false;
};

// Each gives false, and does nothing, where a key has the wrong type.
using Operation = Expected<bool> (*)(RunOutput&, uint64_t, const Data&, Keys);

void AddSummaryWord(std::string_view word, MetricDefinition& definition) {
  static constexpr std::pair<std::string_view, MetricSummary> kWords[] = {
      {"min", MetricSummary::kMin},   {"max", MetricSummary::kMax},
      {"mean", MetricSummary::kMean}, {"best", MetricSummary::kBest},
      {"last", MetricSummary::kLast}, {"none", MetricSummary::kNone},
      {"copy", MetricSummary::kCopy}, {"first", MetricSummary::kFirst}};
  for (const auto& [name, kind] : kWords) {
    if (word == name) definition.Set(kind);
  }
}

// Nothing: no metric has this name, or a key has the wrong type.
std::optional<MetricDefinition> ReadDefinition(std::string_view name, Keys keys) {
  MetricDefinition definition;
  definition.name = name;
  // W&B takes globs that end in their star, and no others.
  const size_t star = name.find('*');
  definition.is_glob = star != std::string_view::npos;
  if (definition.is_glob && star + 1 != name.size()) return std::nullopt;
  definition.step_metric = keys.Text("step_metric").value_or("");
  if (keys.Flag("step_sync").value_or(true) && !definition.step_metric.empty())
    definition.Set(MetricOption::kStepSync);
  if (keys.Flag("hidden").value_or(false)) definition.Set(MetricOption::kHidden);
  definition.Set(MetricOption::kDefined);
  if (const auto words = keys.Texts("summary")) {
    for (const std::string_view word : *words) AddSummaryWord(word, definition);
  }
  const std::string_view goal = keys.Text("goal").value_or("");
  if (goal == "minimize") definition.goal = MetricGoal::kMinimize;
  if (goal == "maximize") definition.goal = MetricGoal::kMaximize;
  definition.overwrites = keys.Flag("overwrite").value_or(false);
  if (keys.wrong()) return std::nullopt;
  return definition;
}

Expected<bool> Define(RunOutput& out, uint64_t position, const Data& data, Keys keys) {
  const std::optional<MetricDefinition> definition = ReadDefinition(data.tag, keys);
  if (!definition || !out.rows.metrics().HasRoomFor(*definition)) return false;
  if (Expected<void> reopened = out.log.Reopen(); !reopened) return Propagate(reopened);
  const AppliedMark mark = out.rows.MarkAt(position);
  out.log.Add([&](int64_t number, std::string& record) {
    AppendMetric(number, *definition, &mark, record);
  });
  out.rows.metrics().Define(*definition);
  return true;
}

// `json`: nothing deletes the key.
Expected<bool> ChangeSummary(RunOutput& out, uint64_t position, std::string_view key,
                             const std::optional<std::string>& json) {
  // W&B's own values.
  if (key.starts_with('_')) return false;
  if (Expected<void> reopened = out.log.Reopen(); !reopened) return Propagate(reopened);
  const AppliedMark mark = out.rows.MarkAt(position);
  out.log.Add([&](int64_t number, std::string& record) {
    AppendSummaryKey(number, key, json ? &*json : nullptr, &mark, record);
  });
  const std::string path = PathOf(key);
  if (json) {
    out.rows.metrics().SetByHand(path);
  } else {
    out.rows.metrics().Delete(path);
  }
  out.rows.SetByHand(path, position);
  return true;
}

Expected<bool> SetSummary(RunOutput& out, uint64_t position, const Data& data, Keys keys) {
  if (data.tag.starts_with('_')) return false;  // before a file of it is written
  const Value value = keys.Any("value");
  Expected<std::optional<std::string>> media = StoreForSummary(out, data.tag, value);
  if (!media) return Propagate(media);
  return ChangeSummary(out, position, data.tag, *media ? std::move(**media) : ToJson(value));
}

Expected<bool> DeleteSummary(RunOutput& out, uint64_t position, const Data& data, Keys /*keys*/) {
  return ChangeSummary(out, position, data.tag, std::nullopt);
}

Expected<bool> DescribeRun(RunOutput& out, uint64_t position, const Data& /*data*/, Keys keys) {
  RunRecord changed = out.run;
  const std::pair<const char*, std::string*> texts[] = {{"name", &changed.display_name},
                                                        {"notes", &changed.notes},
                                                        {"group", &changed.group},
                                                        {"job_type", &changed.job_type}};
  for (const auto& [key, text] : texts) {
    if (const auto said = keys.Text(key)) *text = *said;
  }
  if (const auto tags = keys.Texts("tags")) {
    changed.tags.clear();
    for (const std::string_view tag : *tags) {
      if (tag.empty()) continue;
      if (changed.tags.size() < TagKeys::kMost) {
        changed.tags.emplace_back(FitTag(tag));
      } else {
        ++out.tags_left_out;
      }
    }
  }
  if (keys.wrong()) return false;
  if (Expected<void> reopened = out.log.Reopen(); !reopened) return Propagate(reopened);
  out.run = std::move(changed);
  const AppliedMark mark = out.rows.MarkAt(position);
  out.log.Add(
      [&](int64_t number, std::string& record) { AppendRun(number, out.run, &mark, record); });
  out.tags_wait = false;
  return true;
}

Expected<bool> Alert(RunOutput& out, uint64_t position, const Data& data, Keys keys) {
  const std::string_view text = keys.Text("text").value_or("");
  const std::string_view said = keys.Text("level").value_or("INFO");
  const int64_t wait = keys.Integer("wait_duration_ms").value_or(kAlertWait);
  if (keys.wrong() || wait < 0) return false;
  const std::string_view level = said == "WARN" || said == "ERROR" ? said : "INFO";
  if (Expected<void> reopened = out.log.Reopen(); !reopened) return Propagate(reopened);
  const AppliedMark mark = out.rows.MarkAt(position);
  out.log.Add([&](int64_t number, std::string& record) {
    AppendAlert(number, FirstCharacters(data.tag, kMaxTitleCharacters), text, level, wait, &mark,
                record);
  });
  return true;
}

// How busy the site's machine was. A run that has ended is not opened again for it.
Expected<bool> AddStats(RunOutput& out, uint64_t position, const Data& data, Keys keys) {
  std::vector<std::pair<std::string, double>> values;
  keys.Any("items").ForEachPair([&](std::string_view name, const Value& item) {
    const std::optional<double> number = item.AsDouble();
    if (number && std::isfinite(*number)) values.emplace_back(name, *number);
  });
  if (values.empty()) return false;
  if (!out.tells_of_machine || out.log.ended()) return true;
  const AppliedMark mark = out.rows.MarkAt(position);
  out.log.Add([&](int64_t number, std::string& record) {
    AppendStats(number, TimeOf(data), values, &mark, record);
  });
  return true;
}

// A file of the run: bytes, or a large value.
Expected<bool> Save(RunOutput& out, uint64_t position, const Data& data, Keys keys) {
  const Value content = keys.Any("data");
  const std::filesystem::path relative = SafeRelativePath(data.tag);
  const std::filesystem::path files = out.folder / "files";
  const std::optional<BlobRef> blob = BlobOf(content);
  if (!blob && content.kind() != ValueKind::kBinary) return false;
  Expected<bool> possible = blob ? out.blobs.CopyTo(*blob, files, relative)
                                 : WriteRunFile(files, relative, content.node().text);
  if (!possible || !*possible) return possible;
  if (Expected<void> reopened = out.log.Reopen(); !reopened) return Propagate(reopened);
  const AppliedMark mark = out.rows.MarkAt(position);
  out.log.Add([&](int64_t number, std::string& record) {
    AppendFile(number, relative.generic_string(), &mark, record);
  });
  return true;
}

constexpr std::pair<std::string_view, Operation> kOperations[] = {
    {"define_metric", Define}, {"summary", SetSummary}, {"summary_delete", DeleteSummary},
    {"run", DescribeRun},      {"alert", Alert},        {"save", Save},
    {"stats", AddStats}};

}  // namespace

Expected<bool> ApplyOperation(RunOutput& out, uint64_t position, const Data& data) {
  Keys keys(data.value);
  const std::string_view wanted = keys.Text("op").value_or("");
  for (const auto& [name, apply] : kOperations) {
    if (name == wanted) return apply(out, position, data, keys);
  }
  return false;
}

}  // namespace flarebridge::wandb
