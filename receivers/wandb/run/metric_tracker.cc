#include "receivers/wandb/run/metric_tracker.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "receivers/json.h"
#include "receivers/wandb/log/record_writer.h"

namespace flarebridge::wandb {
namespace {

// Paths that are remembered at most.
constexpr size_t kMostSlots = 65536;

// About what each takes in a checkpoint.
size_t SizeOf(const MetricDefinition& definition) {
  return 64 + definition.name.size() + definition.step_metric.size();
}
size_t SizeOf(const MetricValues& values) { return 64 + values.path.size() + values.first.size(); }
size_t SizeOf(const StepMetric& step) { return 64 + 2 * step.name.size(); }

// The key of a path as definitions name it: a dot within a component is escaped.
std::string NameOf(const std::vector<std::string_view>& components, bool escaped) {
  std::string name;
  for (const std::string_view component : components) {
    if (component.data() != components.front().data()) name += '.';
    for (const char c : component) {
      if (c == '.' && escaped) name += '\\';
      name += c;
    }
  }
  return name;
}

// The path of a name: dots lead into dicts, but for those that are escaped.
std::string PathOfName(std::string_view name) {
  std::string path, component;
  for (size_t i = 0; i < name.size(); ++i) {
    if (name.substr(i).starts_with("\\.")) {
      component += name[++i];
    } else if (name[i] == '.') {
      AppendPath(component, path);
      component.clear();
    } else {
      component += name[i];
    }
  }
  AppendPath(component, path);
  return path;
}

// Of a row's own values, which nobody logs.
bool IsOurs(const std::vector<std::string_view>& components) {
  return components.empty() || components.front().starts_with('_') ||
         components.front() == "flarebridge/step" || components.front() == "flarebridge/writer";
}

bool IsNotFinite(std::string_view json) {
  return json == "NaN" || json == "Infinity" || json == "-Infinity";
}

std::optional<double> FiniteNumber(std::string_view json) {
  double number = 0;
  if (IsNotFinite(json)) return std::nullopt;
  const auto [end, wrong] = std::from_chars(json.data(), json.data() + json.size(), number);
  if (wrong != std::errc() || end != json.data() + json.size() || !std::isfinite(number))
    return std::nullopt;
  return number;
}

bool KeepsNumbers(const MetricDefinition& definition) {
  return definition.Has(MetricSummary::kMin) || definition.Has(MetricSummary::kMax) ||
         definition.Has(MetricSummary::kMean);
}

// Members of the object that a summary has of a metric; empty if there is nothing to say.
std::string ObjectOf(const MetricDefinition& definition, const MetricValues& values,
                     std::string_view last) {
  std::string object;
  const auto begin = [&](MetricSummary kind, const char* name) {
    if (!definition.Has(kind)) return false;
    object += object.empty() ? "{\"" : ",\"";
    object += name;
    object += "\":";
    return true;
  };
  if (values.count > 0) {
    if (begin(MetricSummary::kMin, "min")) AppendJson(values.min, object);
    if (begin(MetricSummary::kMax, "max")) AppendJson(values.max, object);
    if (begin(MetricSummary::kMean, "mean"))
      AppendJson(values.total / static_cast<double>(values.count), object);
  }
  if (!values.first.empty() && begin(MetricSummary::kFirst, "first")) object += values.first;
  if (begin(MetricSummary::kLast, "last")) object += last;
  if (!object.empty()) object += '}';
  return object;
}

// Not only the last value: an object of what was asked for.
bool HasObject(const MetricDefinition& definition) {
  return KeepsNumbers(definition) || definition.Has(MetricSummary::kFirst) ||
         definition.Has(MetricSummary::kLast);
}

}  // namespace

MetricTracker::MetricTracker(MetricState state) : state_(std::move(state)) {
  for (size_t i = 0; i < state_.definitions.size(); ++i) {
    bytes_ += SizeOf(state_.definitions[i]);
    if (!state_.definitions[i].is_glob) names_.emplace(state_.definitions[i].name, i);
  }
  for (size_t i = 0; i < state_.values.size(); ++i) {
    bytes_ += SizeOf(state_.values[i]);
    values_.emplace(state_.values[i].path, i);
  }
  for (size_t i = 0; i < state_.steps.size(); ++i) {
    bytes_ += SizeOf(state_.steps[i]);
    steps_.emplace(state_.steps[i].name, i);
  }
}

bool MetricTracker::HasRoomFor(const MetricDefinition& definition) const {
  return bytes_ + SizeOf(definition) + SizeOf(StepMetric{definition.step_metric, {}, {}}) <=
         kMostBytes;
}

void MetricTracker::Define(const MetricDefinition& definition) {
  if (!HasRoomFor(definition)) return;
  const std::string& name = definition.name;
  const std::string& step = definition.step_metric;
  slots_.clear();
  const auto known = std::find_if(
      state_.definitions.begin(), state_.definitions.end(), [&](const MetricDefinition& other) {
        return other.name == name && other.is_glob == definition.is_glob;
      });
  if (known == state_.definitions.end()) {
    if (!definition.is_glob) names_.emplace(name, state_.definitions.size());
    state_.definitions.push_back(definition);
    state_.definitions.back().overwrites = false;
    bytes_ += SizeOf(state_.definitions.back());
  } else {
    bytes_ -= SizeOf(*known);
    known->Add(definition);
    bytes_ += SizeOf(*known);
  }
  if (!step.empty() && !step.starts_with('_') && !steps_.contains(step)) {
    steps_.emplace(step, state_.steps.size());
    // As wandb-core begins: 0 until it is logged.
    state_.steps.push_back({step, PathOfName(step), "0"});
    bytes_ += SizeOf(state_.steps.back());
  }
  if (const auto values = values_.find(PathOfName(name)); values != values_.end())
    state_.values[values->second].by_hand = false;
}

size_t MetricTracker::DefinitionOf(std::string_view key) const {
  if (const auto named = names_.find(key); named != names_.end()) return named->second;
  size_t found = kNone;
  for (size_t i = 0; i < state_.definitions.size(); ++i) {
    const MetricDefinition& glob = state_.definitions[i];
    const auto begin = std::string_view(glob.name).substr(0, glob.name.size() - 1);
    if (!glob.is_glob || !key.starts_with(begin)) continue;
    if (found == kNone || glob.name.size() > state_.definitions[found].name.size()) found = i;
  }
  return found;
}

MetricTracker::Slot MetricTracker::NewSlot(std::string_view path) const {
  Slot slot;
  const std::vector<std::string_view> components = ComponentsOf(path);
  if (IsOurs(components)) return slot;
  const std::string name = NameOf(components, true);
  // Step metrics are joined by dots whatever their keys are, as in wandb-core.
  const std::string joined = NameOf(components, false);
  const auto place = [](const Places& places, std::string_view text) {
    const auto found = places.find(text);
    return found == places.end() ? kNone : found->second;
  };
  const size_t definition = DefinitionOf(name);
  if (definition != kNone && state_.definitions[definition].says_summary) slot.summary = definition;
  slot.sync = definition != kNone ? definition : DefinitionOf(joined);
  if (slot.sync != kNone && (state_.definitions[slot.sync].step_metric.empty() ||
                             !state_.definitions[slot.sync].Has(MetricOption::kStepSync)))
    slot.sync = kNone;
  slot.step = place(steps_, name);
  if (slot.step == kNone) slot.step = place(steps_, joined);
  slot.values = place(values_, path);
  return slot;
}

MetricTracker::Slot& MetricTracker::SlotOf(std::string_view path) {
  if (const auto known = slots_.find(path); known != slots_.end()) return known->second;
  if (slots_.size() >= kMostSlots) slots_.clear();
  return slots_.emplace(path, NewSlot(path)).first->second;
}

void MetricTracker::AddSteps(ItemList& row) {
  wanted_.clear();
  there_.clear();
  for (size_t i = 0; i < row.size(); ++i) {
    const Slot& slot = SlotOf(row.path(i));
    if (slot.step != kNone) there_.push_back(slot.step);
    if (slot.sync == kNone) continue;
    const auto step = steps_.find(state_.definitions[slot.sync].step_metric);
    if (step != steps_.end()) wanted_.push_back(step->second);
  }
  for (const size_t step : wanted_) {
    if (std::find(there_.begin(), there_.end(), step) != there_.end()) continue;
    there_.push_back(step);
    row.Put(state_.steps[step].path, state_.steps[step].json);
  }
}

MetricValues* MetricTracker::ValuesOf(Slot& slot, std::string_view path) {
  if (slot.values != kNone) return &state_.values[slot.values];
  if (slot.summary == kNone) return nullptr;
  MetricValues values;
  values.path = path;
  if (bytes_ + SizeOf(values) > kMostBytes) {
    ++untracked_;
    return nullptr;
  }
  bytes_ += SizeOf(values);
  slot.values = state_.values.size();
  values_.emplace(path, slot.values);
  state_.values.push_back(std::move(values));
  return &state_.values.back();
}

void MetricTracker::Count(MetricValues& values, std::string_view json) {
  const std::optional<double> number = FiniteNumber(json);
  if (!number) return;
  values.min = values.count > 0 ? std::min(values.min, *number) : *number;
  values.max = values.count > 0 ? std::max(values.max, *number) : *number;
  values.total += *number;
  ++values.count;
}

void MetricTracker::Take(std::string_view path, std::string_view json) {
  Slot& slot = SlotOf(path);
  if (slot.step != kNone && FiniteNumber(json)) {
    state_.steps[slot.step].path = path;
    state_.steps[slot.step].json = json;
  }
  MetricValues* const values = ValuesOf(slot, path);
  if (values == nullptr) return;
  Count(*values, json);
  if (slot.summary == kNone) return;
  const MetricDefinition& definition = state_.definitions[slot.summary];
  if (IsNotFinite(json) && KeepsNumbers(definition)) ++not_finite_;
  if (!definition.Has(MetricSummary::kFirst) || values->has_first) return;
  values->has_first = true;
  if (bytes_ + json.size() > kMostBytes) return;
  values->first = json;
  bytes_ += json.size();
}

bool MetricTracker::AppendSummary(std::string_view path, std::string_view json, bool taken,
                                  std::string& out) {
  const Slot& slot = SlotOf(path);
  const MetricDefinition* const definition =
      slot.summary == kNone ? nullptr : &state_.definitions[slot.summary];
  if (definition != nullptr && definition->Has(MetricSummary::kNone)) return false;
  MetricValues values;
  if (slot.values != kNone) values = state_.values[slot.values];
  const bool unknown = taken && slot.values == kNone;
  if (definition == nullptr || !HasObject(*definition) || unknown || values.by_hand) {
    out += json;
    return true;
  }
  if (!taken) {
    Count(values, json);
    if (!values.has_first) values.first = json;
  }
  const std::string object = ObjectOf(*definition, values, json);
  out += object;
  return !object.empty();
}

void MetricTracker::SetByHand(std::string_view path) {
  if (MetricValues* const values = ValuesOf(SlotOf(path), path)) values->by_hand = true;
}

void MetricTracker::Delete(std::string_view path) {
  const auto known = values_.find(path);
  if (known == values_.end()) return;
  MetricValues& values = state_.values[known->second];
  bytes_ -= values.first.size();
  values.first.clear();
  values.has_first = false;
}

}  // namespace flarebridge::wandb
