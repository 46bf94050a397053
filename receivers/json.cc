#include "receivers/json.h"

#include <sodium.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

namespace flarebridge {
namespace {

// Characters of a double in its shortest form: -2.2250738585072014e-308.
constexpr size_t kLongestNumber = 24;
// From 2^52 on a double has no fraction.
constexpr double kAllWhole = 4503599627370496;

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
  const size_t begin = out.size();
  out.resize(begin + kLongestNumber);
  const auto end = std::to_chars(&out[begin], &out[begin] + kLongestNumber, number).ptr;
  out.resize(static_cast<size_t>(end - out.data()));
  // A number that has a fraction shows it.
  const bool whole =
      std::abs(number) >= kAllWhole || number == static_cast<double>(static_cast<int64_t>(number));
  if (whole && out.find_first_of(".e", begin) == std::string::npos) out += ".0";
}

void AppendSeconds(double seconds, std::string& out) {
  const double possible = seconds > 0 ? std::min(seconds, kMaxTime) : 0;
  const auto micros = static_cast<uint64_t>(std::llround(possible * 1e6));
  AppendInteger(micros / 1000000, out);
  std::array<char, 7> fraction{'.'};
  uint64_t rest = micros % 1000000;
  for (size_t i = 6; i > 0; --i, rest /= 10) fraction[i] = static_cast<char>('0' + rest % 10);
  size_t size = fraction.size();
  while (size > 2 && fraction[size - 1] == '0') --size;
  out.append(fraction.data(), size);
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

namespace {

void AppendBase64(std::string_view bytes, std::string& out) {
  const int variant = sodium_base64_VARIANT_ORIGINAL;
  std::string text(sodium_base64_ENCODED_LEN(bytes.size(), variant), '\0');
  sodium_bin2base64(text.data(), text.size(), reinterpret_cast<const unsigned char*>(bytes.data()),
                    bytes.size(), variant);
  text.pop_back();  // its end as a C text
  out.push_back('"');
  out += text;
  out.push_back('"');
}

template <bool kStrict>
void AppendValue(const Value& value, std::string& out) {
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
      if (kStrict && !std::isfinite(node.number)) {
        out += "null";
      } else {
        AppendJson(node.number, out);
      }
      break;
    case ValueKind::kText:
      AppendJson(node.text, out);
      break;
    case ValueKind::kBinary:
      if (kStrict) {
        AppendBase64(node.text, out);
      } else {
        out += "\"<";
        AppendInteger(node.text.size(), out);
        out += " bytes>\"";
      }
      break;
    case ValueKind::kList:
      out.push_back('[');
      value.ForEachItem([&](Value item) {
        out += separator;
        AppendValue<kStrict>(item, out);
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
        AppendValue<kStrict>(item, out);
        separator = ",";
      });
      out.push_back('}');
      break;
  }
}

}  // namespace

void AppendJson(const Value& value, std::string& out) { AppendValue<false>(value, out); }
void AppendStrictJson(const Value& value, std::string& out) { AppendValue<true>(value, out); }

}  // namespace flarebridge
