#include "receivers/wandb/json.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

namespace flarebridge::wandb {
namespace {

template <class Integer>
void AppendInteger(Integer number, std::string& out) {
  std::array<char, 24> text{};
  const auto end = std::to_chars(text.data(), text.data() + text.size(), number).ptr;
  out.append(text.data(), end);
}

void AppendEscaped(char c, std::string& out) {
  static constexpr char kHex[] = "0123456789abcdef";
  const auto byte = static_cast<unsigned char>(c);
  out += "\\u00";
  out.push_back(kHex[byte >> 4]);
  out.push_back(kHex[byte & 0xf]);
}

}  // namespace

void AppendJson(double number, std::string& out) {
  if (std::isnan(number)) {
    out += "NaN";
    return;
  }
  if (std::isinf(number)) {
    out += number < 0 ? "-Infinity" : "Infinity";
    return;
  }
  std::array<char, 32> text{};
  const auto end = std::to_chars(text.data(), text.data() + text.size(), number).ptr;
  out.append(text.data(), end);
  if (std::none_of(text.data(), end, [](char c) { return c == '.' || c == 'e'; })) out += ".0";
}

void AppendJson(int64_t number, std::string& out) { AppendInteger(number, out); }

void AppendJson(std::string_view text, std::string& out) {
  out.push_back('"');
  for (const char c : text) {
    switch (c) {
      case '"':
        out += "\\\"";
        break;
      case '\\':
        out += "\\\\";
        break;
      case '\n':
        out += "\\n";
        break;
      case '\r':
        out += "\\r";
        break;
      case '\t':
        out += "\\t";
        break;
      default:
        if (static_cast<unsigned char>(c) < 0x20) {
          AppendEscaped(c, out);
        } else {
          out.push_back(c);
        }
    }
  }
  out.push_back('"');
}

void AppendJson(const Value& value, std::string& out) {
  const ValueNode& node = value.node();
  const char* separator = "";
  switch (node.kind) {
    case ValueKind::kNull:
      out += "null";
      break;
    case ValueKind::kBool:
      out += node.boolean ? "true" : "false";
      break;
    case ValueKind::kInt:
      AppendInteger(node.integer, out);
      break;
    case ValueKind::kUint:
      AppendInteger(node.unsigned_integer, out);
      break;
    case ValueKind::kFloat:
      AppendJson(node.number, out);
      break;
    case ValueKind::kText:
      AppendJson(node.text, out);
      break;
    case ValueKind::kBinary:
      out += "\"<";
      AppendInteger(node.text.size(), out);
      out += " bytes>\"";
      break;
    case ValueKind::kList:
      out.push_back('[');
      value.ForEachItem([&](Value item) {
        out += separator;
        AppendJson(item, out);
        separator = ",";
      });
      out.push_back(']');
      break;
    case ValueKind::kMap:
      out.push_back('{');
      value.ForEachPair([&](std::string_view key, Value item) {
        out += separator;
        AppendJson(key, out);
        out.push_back(':');
        AppendJson(item, out);
        separator = ",";
      });
      out.push_back('}');
      break;
  }
}

}  // namespace flarebridge::wandb
