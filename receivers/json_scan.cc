#include "receivers/json_scan.h"

#include <algorithm>
#include <charconv>
#include <cstdint>

namespace flarebridge {
namespace {

constexpr std::string_view kSpace = " \t\r\n";

void SkipSpace(std::string_view& rest) {
  rest.remove_prefix(std::min(rest.find_first_not_of(kSpace), rest.size()));
}

bool Skip(std::string_view& rest, char c) {
  SkipSpace(rest);
  if (rest.empty() || rest.front() != c) return false;
  rest.remove_prefix(1);
  return true;
}

// The place behind a text that begins with its quote; npos: it does not end.
size_t EndOfText(std::string_view text) {
  for (size_t at = 1; at < text.size(); ++at) {
    if (text[at] == '"') return at + 1;
    if (text[at] == '\\') ++at;
  }
  return std::string_view::npos;
}

// The place behind an object or a list; how deep it is does not matter.
size_t EndOfNested(std::string_view text) {
  size_t depth = 0;
  for (size_t at = 0; at < text.size();) {
    const char c = text[at];
    if (c == '"') {
      const size_t end = EndOfText(text.substr(at));
      if (end == std::string_view::npos) return end;
      at += end;
      continue;
    }
    ++at;
    if (c == '{' || c == '[') ++depth;
    if ((c == '}' || c == ']') && --depth == 0) return at;
  }
  return std::string_view::npos;
}

// Takes a value; empty: there is none.
std::string_view TakeValue(std::string_view& rest) {
  SkipSpace(rest);
  if (rest.empty()) return {};
  size_t end = rest.find_first_of(",]} \t\r\n");  // of a number or a word
  if (rest.front() == '"') end = EndOfText(rest);
  if (rest.front() == '{' || rest.front() == '[') end = EndOfNested(rest);
  if (end == std::string_view::npos) return {};
  const std::string_view value = rest.substr(0, end);
  rest.remove_prefix(end);
  return value;
}

// take() takes one entry, and says whether there was one.
template <class Take>
bool VisitEntries(std::string_view json, char open, char close, Take take) {
  if (!Skip(json, open)) return false;
  if (Skip(json, close)) return true;
  do {
    if (!take(json)) return false;
  } while (Skip(json, ','));
  return Skip(json, close);
}

void AppendUtf8(uint32_t code, std::string& out) {
  const auto put = [&out](uint32_t byte) { out.push_back(static_cast<char>(byte)); };
  if (code < 0x80) return put(code);
  if (code < 0x800) {
    put(0xC0 | code >> 6);
  } else if (code < 0x10000) {
    put(0xE0 | code >> 12);
    put(0x80 | (code >> 6 & 0x3F));
  } else {
    put(0xF0 | code >> 18);
    put(0x80 | (code >> 12 & 0x3F));
    put(0x80 | (code >> 6 & 0x3F));
  }
  put(0x80 | (code & 0x3F));
}

// The four digits of "\uXXXX" at the begin of a text.
std::optional<uint32_t> UnitAt(std::string_view text) {
  uint32_t unit = 0;
  if (text.size() < 6 || !text.starts_with("\\u")) return {};
  const char* end = text.data() + 6;
  const auto [stop, failed] = std::from_chars(text.data() + 2, end, unit, 16);
  if (failed != std::errc() || stop != end) return {};
  return unit;
}

bool IsFirstHalf(uint32_t unit) { return unit >= 0xD800 && unit < 0xDC00; }
bool IsSecondHalf(uint32_t unit) { return unit >= 0xDC00 && unit < 0xE000; }

// Appends what "\uXXXX" stands for, with a second half behind it; gives its length.
size_t AppendUnits(std::string_view text, std::string& out) {
  constexpr uint32_t kReplacement = 0xFFFD;
  const std::optional<uint32_t> unit = UnitAt(text);
  if (!unit) {
    AppendUtf8(kReplacement, out);
    return 2;
  }
  const uint32_t next = UnitAt(text.substr(6)).value_or(0);
  if (IsFirstHalf(*unit) && IsSecondHalf(next)) {
    AppendUtf8(0x10000 + ((*unit - 0xD800) << 10) + (next - 0xDC00), out);
    return 12;
  }
  AppendUtf8(IsFirstHalf(*unit) || IsSecondHalf(*unit) ? kReplacement : *unit, out);
  return 6;
}

// What stands behind a backslash.
char Unescaped(char c) {
  switch (c) {
    case 'b':
      return '\b';
    case 'f':
      return '\f';
    case 'n':
      return '\n';
    case 'r':
      return '\r';
    case 't':
      return '\t';
    default:
      return c;
  }
}

}  // namespace

bool VisitMembers(std::string_view json,
                  const std::function<void(std::string_view key, std::string_view value)>& visit) {
  return VisitEntries(json, '{', '}', [&](std::string_view& rest) {
    const std::string_view key = TakeValue(rest);
    if (!key.starts_with('"') || !Skip(rest, ':')) return false;
    const std::string_view value = TakeValue(rest);
    if (!value.empty()) visit(key, value);
    return !value.empty();
  });
}

bool VisitItems(std::string_view json, const std::function<void(std::string_view item)>& visit) {
  return VisitEntries(json, '[', ']', [&](std::string_view& rest) {
    const std::string_view item = TakeValue(rest);
    if (!item.empty()) visit(item);
    return !item.empty();
  });
}

std::optional<std::string> TextIn(std::string_view json) {
  if (json.size() < 2 || json.front() != '"' || json.back() != '"') return {};
  json = json.substr(1, json.size() - 2);
  std::string text;
  text.reserve(json.size());
  while (!json.empty()) {
    size_t taken = std::min(json.find('\\'), json.size());
    text += json.substr(0, taken);
    if (taken == 0 && json.size() > 1 && json[1] == 'u') {
      taken = AppendUnits(json, text);
    } else if (taken == 0) {
      if (json.size() > 1) text.push_back(Unescaped(json[1]));
      taken = 2;
    }
    json.remove_prefix(std::min(taken, json.size()));
  }
  return text;
}

}  // namespace flarebridge
