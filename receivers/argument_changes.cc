#include "receivers/argument_changes.h"

#include <algorithm>
#include <filesystem>
#include <numeric>
#include <optional>
#include <system_error>

#include "receivers/receivers.h"

namespace flarebridge {
namespace {

// Builds a value node by node; texts are views until it is copied.
class Builder {
 public:
  void Add(const Value& value) {
    const ValueNode* first = &value.node();
    tape_.insert(tape_.end(), first, first + first->span);
  }
  void AddText(std::string_view text) {
    ValueNode node;
    node.kind = ValueKind::kText;
    node.text = text;
    tape_.push_back(node);
  }
  void AddBool(bool value) {
    ValueNode node;
    node.kind = ValueKind::kBool;
    node.boolean = value;
    tape_.push_back(node);
  }
  // Gives what End() wants when the list's items or the map's keys and values are added.
  size_t Begin(ValueKind kind) {
    tape_.emplace_back().kind = kind;
    return tape_.size() - 1;
  }
  void End(size_t begun, uint32_t size) {
    tape_[begun].size = size;
    tape_[begun].span = static_cast<uint32_t>(tape_.size() - begun);
  }
  Document Copy() const { return Document::Copy(Value(tape_.data())); }

 private:
  Tape tape_;
};

// How many letters have to change to make one text of the other (Levenshtein's distance).
size_t Distance(std::string_view one, std::string_view other) {
  std::vector<size_t> row(other.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 0; i < one.size(); ++i) {
    size_t before = i;
    row[0] = i + 1;
    for (size_t j = 0; j < other.size(); ++j) {
      const size_t changed = before + (one[i] == other[j] ? 0 : 1);
      before = row[j + 1];
      row[j + 1] = std::min({before + 1, row[j] + 1, changed});
    }
  }
  return row.back();
}

tl::unexpected<Error> FailUnknown(std::string_view kind, std::string_view name,
                                  const std::vector<std::string_view>& known) {
  const auto nearest = std::min_element(known.begin(), known.end(), [name](auto one, auto other) {
    return Distance(name, one) < Distance(name, other);
  });
  std::string words = "there is no " + std::string(kind) + " \"" + std::string(name) + "\"";
  if (Distance(name, *nearest) <= std::max<size_t>(2, nearest->size() / 3))
    return Fail(ErrorCode::kConfig, words + "; is it \"" + std::string(*nearest) + "\"?");
  words += "; there are";
  for (const std::string_view one : known)
    words += (one == known.front() ? " " : ", ") + std::string(one);
  return Fail(ErrorCode::kConfig, words);
}

Expected<const ReceiverArgument*> FindArgument(std::string_view receiver, std::string_view name) {
  const std::vector<std::string_view> receivers = ReceiverNames();
  if (std::find(receivers.begin(), receivers.end(), receiver) == receivers.end())
    return FailUnknown("receiver", receiver, receivers);
  std::vector<std::string_view> known;
  for (const ReceiverArgument* argument : ArgumentsOf(receiver)) {
    if (argument->name == name) return argument;
    known.push_back(argument->name);
  }
  return FailUnknown("argument of " + std::string(receiver), name, known);
}

tl::unexpected<Error> FailKind(const ReceiverArgument& argument, std::string_view right) {
  return Fail(ErrorCode::kConfig, std::string(argument.name) + " must be " + std::string(right));
}

Expected<Document> ReadValue(const ReceiverArgument& argument, const std::string& text) {
  Builder value;
  if (text.empty()) return Document();
  switch (argument.kind) {
    case ArgumentKind::kText:
      value.AddText(text);
      break;
    case ArgumentKind::kFolder: {
      std::error_code failed;
      const std::string absolute = std::filesystem::absolute(text, failed).string();
      if (failed || text.starts_with('~')) return FailKind(argument, "an absolute path");
      value.AddText(absolute);
      return value.Copy();
    }
    case ArgumentKind::kFlag:
      if (text != "true" && text != "false") return FailKind(argument, "true or false");
      value.AddBool(text == "true");
      break;
    case ArgumentKind::kTexts: {
      const size_t list = value.Begin(ValueKind::kList);
      uint32_t size = 0;
      for (size_t at = 0; at <= text.size(); ++size) {
        const size_t comma = std::min(text.find(',', at), text.size());
        value.AddText(std::string_view(text).substr(at, comma - at));
        at = comma + 1;
      }
      value.End(list, size);
      break;
    }
    case ArgumentKind::kMap:
      return Fail(ErrorCode::kConfig,
                  std::string(argument.name) + " is a dict, which can be taken away only");
  }
  return value.Copy();
}

}  // namespace

Expected<void> ArgumentChanges::Add(std::string_view typed) {
  const size_t equals = typed.find('='), dot = typed.find('.');
  if (equals == std::string_view::npos || dot == std::string_view::npos || dot > equals)
    return Fail(ErrorCode::kConfig, "\"" + std::string(typed) +
                                        "\" is not RECEIVER.ARGUMENT=VALUE, as "
                                        "wandb.project=NAME");
  const std::string_view receiver = typed.substr(0, dot);
  const std::string_view name = typed.substr(dot + 1, equals - dot - 1);
  const Expected<const ReceiverArgument*> argument = FindArgument(receiver, name);
  if (!argument) return Propagate(argument);
  Expected<Document> value = ReadValue(**argument, std::string(typed.substr(equals + 1)));
  if (!value) return Propagate(value);
  std::erase_if(changes_, [&](const Change& change) {
    return change.receiver == receiver && change.argument == name;
  });
  changes_.push_back({std::string(receiver), std::string(name), std::move(*value)});
  return {};
}

std::vector<std::string> ArgumentChanges::Folders() const {
  std::vector<std::string> folders;
  for (const Change& change : changes_) {
    const std::optional<std::string_view> folder = change.value.root().AsText();
    if (change.argument == kFolderArgument && folder) folders.emplace_back(*folder);
  }
  return folders;
}

bool ArgumentChanges::IsAbout(std::string_view receiver) const {
  return std::any_of(changes_.begin(), changes_.end(),
                     [receiver](const Change& change) { return change.receiver == receiver; });
}

std::string ArgumentChanges::Receivers() const {
  std::string names;
  for (const std::string_view name : ReceiverNames()) {
    if (IsAbout(name)) names += (names.empty() ? "" : ", ") + std::string(name);
  }
  return names;
}

const ArgumentChanges::Change* ArgumentChanges::Find(std::string_view receiver,
                                                     std::string_view argument) const {
  const auto found = std::find_if(changes_.begin(), changes_.end(), [&](const Change& change) {
    return change.receiver == receiver && change.argument == argument;
  });
  return found == changes_.end() ? nullptr : &*found;
}

Document ArgumentChanges::AppliedTo(const Value& receivers) const {
  Builder changed;
  const size_t all = changed.Begin(ValueKind::kMap);
  receivers.ForEachPair([&](std::string_view receiver, Value arguments) {
    changed.AddText(receiver);
    const size_t map = changed.Begin(ValueKind::kMap);
    uint32_t size = 0;
    const auto add = [&](std::string_view name, const Value& value) {
      changed.AddText(name);
      changed.Add(value);
      ++size;
    };
    arguments.ForEachPair([&](std::string_view name, Value value) {
      if (Find(receiver, name) == nullptr) add(name, value);
    });
    for (const Change& change : changes_) {
      const Value value = change.value.root();
      if (change.receiver == receiver && !value.IsNull()) add(change.argument, value);
    }
    changed.End(map, size);
  });
  changed.End(all, receivers.size());
  return changed.Copy();
}

std::vector<std::string> RefusedArguments(std::string_view receiver, const Value& arguments) {
  std::vector<std::string> refused;
  // What a receiver says of them without those and without one more; empty: it takes them.
  const auto complaint = [&](std::string_view without) {
    Builder others;
    const size_t map = others.Begin(ValueKind::kMap);
    uint32_t size = 0;
    arguments.ForEachPair([&](std::string_view name, Value value) {
      if (name == without || std::find(refused.begin(), refused.end(), name) != refused.end())
        return;
      others.AddText(name);
      others.Add(value);
      ++size;
    });
    others.End(map, size);
    const auto parsed = ParseOwnArguments(receiver, others.Copy().root());
    return parsed ? "" : parsed.error().message;
  };
  // It complains of one at a time: of that without which it complains of another, or of none.
  for (std::string words = complaint(""); !words.empty();) {
    const std::string before = words;
    for (const ReceiverArgument* argument : ArgumentsOf(receiver)) {
      words = complaint(argument->name);
      if (words == before) continue;
      refused.emplace_back(argument->name);
      break;
    }
    if (words == before) return {};
  }
  return refused;
}

}  // namespace flarebridge
