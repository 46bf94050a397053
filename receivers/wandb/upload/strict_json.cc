#include "receivers/wandb/upload/strict_json.h"

#include <algorithm>
#include <nlohmann/json.hpp>

namespace flarebridge::wandb {
namespace {

constexpr std::string_view kBareTokens[] = {"NaN", "Infinity", "-Infinity"};

// Where a text is looked at.
struct Cursor {
  std::string_view text;
  size_t at = 0;

  bool Is(char c) const { return at < text.size() && text[at] == c; }
  bool IsDigit() const { return at < text.size() && text[at] >= '0' && text[at] <= '9'; }
  bool Take(char c) {
    if (!Is(c)) return false;
    ++at;
    return true;
  }
  bool Take(std::string_view word) {
    if (!text.substr(at).starts_with(word)) return false;
    at += word.size();
    return true;
  }
  void Space() {
    while (Is(' ') || Is('\t') || Is('\n') || Is('\r')) ++at;
  }
  bool Digits() {
    const size_t begin = at;
    while (IsDigit()) ++at;
    return at > begin;
  }
};

bool SkipEscape(Cursor& cursor) {
  if (!cursor.Take('u')) {
    const bool known =
        cursor.at < cursor.text.size() &&
        std::string_view(R"("\/bfnrt)").find(cursor.text[cursor.at]) != std::string_view::npos;
    ++cursor.at;
    return known;
  }
  for (int i = 0; i < 4; ++i, ++cursor.at) {
    if (cursor.at >= cursor.text.size() ||
        isxdigit(static_cast<unsigned char>(cursor.text[cursor.at])) == 0)
      return false;
  }
  return true;
}

bool SkipText(Cursor& cursor) {
  if (!cursor.Take('"')) return false;
  while (cursor.at < cursor.text.size()) {
    if (cursor.Take('"')) return true;
    if (cursor.Take('\\')) {
      if (!SkipEscape(cursor)) return false;
    } else if (static_cast<unsigned char>(cursor.text[cursor.at++]) < 0x20) {
      return false;
    }
  }
  return false;
}

bool SkipNumber(Cursor& cursor) {
  cursor.Take('-');
  if (!cursor.Take('0') && !cursor.Digits()) return false;
  if (cursor.Take('.') && !cursor.Digits()) return false;
  if (!cursor.Take('e') && !cursor.Take('E')) return true;
  if (!cursor.Take('+')) cursor.Take('-');
  return cursor.Digits();
}

bool SkipScalar(Cursor& cursor) {
  if (cursor.Is('"')) return SkipText(cursor);
  for (const std::string_view word : {"true", "false", "null"}) {
    if (cursor.Take(word)) return true;
  }
  for (const std::string_view token : kBareTokens) {
    if (cursor.Take(token)) return true;
  }
  return SkipNumber(cursor);
}

// A member's key and the colon behind it.
bool SkipKey(Cursor& cursor) {
  cursor.Space();
  if (!SkipText(cursor)) return false;
  cursor.Space();
  return cursor.Take(':');
}

// Without a stack of calls: a log says how deep its values are. Gives that, or nothing if there is
// no value.
std::optional<size_t> SkipValue(Cursor& cursor) {
  size_t depth = 0;
  std::string open;  // objects and lists that the cursor is in
  while (true) {
    cursor.Space();
    if (cursor.Is('{') || cursor.Is('[')) {
      const char kind = cursor.text[cursor.at++];
      cursor.Space();
      if (!cursor.Is(kind == '{' ? '}' : ']')) {
        open += kind;
        depth = std::max(depth, open.size());
        if (kind == '{' && !SkipKey(cursor)) return std::nullopt;
        continue;
      }
      ++cursor.at;
      depth = std::max(depth, open.size() + 1);
    } else if (!SkipScalar(cursor)) {
      return std::nullopt;
    }
    // Behind a value.
    while (true) {
      if (open.empty()) return depth;
      cursor.Space();
      if (cursor.Take(',')) {
        if (open.back() == '{' && !SkipKey(cursor)) return std::nullopt;
        break;
      }
      if (!cursor.Take(open.back() == '{' ? '}' : ']')) return std::nullopt;
      open.pop_back();
    }
  }
}

}  // namespace

std::string StrictJson(std::string_view json) {
  std::string strict;
  bool in_text = false;
  for (size_t i = 0; i < json.size(); ++i) {
    const char c = json[i];
    if (in_text) {
      strict += c;
      if (c == '\\' && i + 1 < json.size()) strict += json[++i];
      if (c == '"') in_text = false;
      continue;
    }
    size_t length = 0;
    for (const std::string_view token : kBareTokens) {
      if (json.substr(i).starts_with(token)) length = token.size();
    }
    if (length > 0) {
      strict += '"';
      strict += json.substr(i, length);
      strict += '"';
      i += length - 1;
      continue;
    }
    in_text = c == '"';
    strict += c;
  }
  return strict;
}

std::optional<size_t> JsonDepth(std::string_view text) {
  Cursor cursor{text};
  const std::optional<size_t> depth = SkipValue(cursor);
  cursor.Space();
  return cursor.at == text.size() ? depth : std::nullopt;
}

void VisitMembers(std::string_view json,
                  const std::function<void(std::string key, std::string_view json)>& visit) {
  Cursor cursor{json};
  cursor.Space();
  if (!cursor.Take('{')) return;
  while (true) {
    cursor.Space();
    const size_t key = cursor.at;
    if (!SkipText(cursor)) return;
    const nlohmann::json name =
        nlohmann::json::parse(json.substr(key, cursor.at - key), nullptr, false);
    cursor.Space();
    if (!name.is_string() || !cursor.Take(':')) return;
    cursor.Space();
    const size_t value = cursor.at;
    if (!SkipValue(cursor)) return;
    visit(name.get<std::string>(), json.substr(value, cursor.at - value));
    cursor.Space();
    if (!cursor.Take(',')) return;
  }
}

}  // namespace flarebridge::wandb
