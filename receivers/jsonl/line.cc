#include "receivers/jsonl/line.h"

#include <libdeflate.h>

#include <charconv>
#include <cmath>

#include "receivers/json.h"

namespace flarebridge::jsonl {
namespace {

constexpr std::string_view kMarkBegin = ",\"_flarebridge\":{\"journal\":\"";
constexpr std::string_view kFloor = "\",\"floor\":";
constexpr std::string_view kSum = ",\"crc32\":\"";
constexpr std::string_view kLineEnd = "\"}}";
constexpr size_t kJournalDigits = 16, kSumDigits = 8;

void AppendHex(uint64_t number, size_t digits, std::string& out) {
  static constexpr char kHex[] = "0123456789abcdef";
  for (size_t i = digits; i-- > 0;) out.push_back(kHex[(number >> (4 * i)) & 0xf]);
}

// Takes a number that fills `digits` characters, or with 0 as many as there are.
bool Take(std::string_view& text, int base, size_t digits, uint64_t& number) {
  const char* end = text.data() + (digits == 0 ? text.size() : digits);
  if (digits > text.size()) return false;
  const auto [stop, wrong] = std::from_chars(text.data(), end, number, base);
  if (wrong != std::errc() || (digits != 0 && stop != end)) return false;
  text.remove_prefix(static_cast<size_t>(stop - text.data()));
  return true;
}

bool Take(std::string_view& text, std::string_view expected) {
  if (!text.starts_with(expected)) return false;
  text.remove_prefix(expected.size());
  return true;
}

uint64_t SumOf(std::string_view bytes) { return libdeflate_crc32(0, bytes.data(), bytes.size()); }

template <class T>
void AppendMember(std::string_view name, const T& value, std::string& out) {
  out.push_back(',');
  AppendJson(name, out);
  out.push_back(':');
  AppendStrictJson(value, out);
}

void Begin(double time, std::string_view site, std::string_view type, std::string& out) {
  out += "{\"time\":";
  AppendSeconds(time, out);
  AppendMember("site", site, out);
  AppendMember("type", type, out);
}

// `start`: of the line in out.
void End(const AppliedMark& mark, size_t start, std::string& out) {
  out += kMarkBegin;
  AppendHex(mark.journal, kJournalDigits, out);
  out += kFloor;
  out += std::to_string(mark.floor);
  const uint64_t sum = SumOf(std::string_view(out).substr(start));
  out += kSum;
  AppendHex(sum, kSumDigits, out);
  out += kLineEnd;
  out.push_back('\n');
}

bool IsFinite(const Value& value) {
  return value.kind() != ValueKind::kFloat || std::isfinite(value.node().number);
}

bool HasNonFinite(const Value& value) {
  const ValueNode* node = &value.node();
  for (uint32_t i = 0; i < node->span; ++i) {
    if (!IsFinite(Value(node + i))) return true;
  }
  return false;
}

// Members of an object that says what stands for null: "a/b":"NaN". Keys and places in lists make
// the path.
void AppendNonFinite(const Value& value, std::string& path, const char*& separator,
                     std::string& out) {
  const size_t here = path.size();
  const auto descend = [&](std::string_view name, const Value& child) {
    path += (here == 0 ? "" : "/") + std::string(name);
    AppendNonFinite(child, path, separator, out);
    path.resize(here);
  };
  uint32_t place = 0;
  value.ForEachPair([&](std::string_view key, const Value& child) { descend(key, child); });
  value.ForEachItem([&](const Value& child) { descend(std::to_string(place++), child); });
  if (IsFinite(value)) return;
  out += separator;
  AppendJson(std::string_view(here == 0 ? "value" : path), out);
  out += ":\"";
  AppendJson(value.node().number, out);
  out.push_back('"');
  separator = ",";
}

// Each kind of value is in a member of its own, so that a column holds one kind.
void AppendValue(const Value& value, std::string& out) {
  switch (value.kind()) {
    case ValueKind::kNull:
      return;
    case ValueKind::kBool:
      return AppendMember("text", std::string_view(*value.AsBool() ? "true" : "false"), out);
    case ValueKind::kText:
      return AppendMember("text", value, out);
    case ValueKind::kBinary:
      return AppendMember("base64", value, out);
    case ValueKind::kMap:
      AppendMember("values", value, out);
      break;
    case ValueKind::kList:
      AppendMember("list", value, out);
      break;
    default:
      AppendMember("value", value, out);
  }
  if (!HasNonFinite(value)) return;
  out += ",\"nonfinite\":{";
  std::string path;
  const char* separator = "";
  AppendNonFinite(value, path, separator, out);
  out.push_back('}');
}

}  // namespace

void AppendData(const Data& data, const AppliedMark& mark, std::string& out) {
  const size_t start = out.size();
  Begin(data.time, data.site, NameOf(data.type), out);
  AppendMember("tag", data.tag, out);
  if (data.step) AppendMember("step", *data.step, out);
  if (!data.path.empty()) AppendMember("path", data.path, out);
  AppendValue(data.value, out);
  End(mark, start, out);
}

void AppendRun(const RunSpec& run, const AppliedMark& mark, std::string& out) {
  const size_t start = out.size();
  Begin(run.started, run.site, "RUN", out);
  AppendMember("job", std::string_view(run.job), out);
  AppendMember("run", std::string_view(run.run_name), out);
  AppendMember("side", std::string_view(run.side), out);
  End(mark, start, out);
}

void AppendEnd(const RunEnded& ended, const AppliedMark& mark, std::string& out) {
  const size_t start = out.size();
  Begin(ended.time, ended.site, "END", out);
  AppendMember("value", static_cast<int64_t>(ended.exit_code), out);
  if (!ended.reason.empty()) AppendMember("text", ended.reason, out);
  End(mark, start, out);
}

std::optional<AppliedMark> ReadMark(std::string_view line) {
  // Texts in a line can't hold this: their quotes are escaped.
  const size_t begin = line.rfind(kMarkBegin);
  if (begin == std::string_view::npos) return std::nullopt;
  std::string_view rest = line.substr(begin + kMarkBegin.size());
  AppliedMark mark;
  uint64_t sum = 0;
  const bool whole = Take(rest, 16, kJournalDigits, mark.journal) && Take(rest, kFloor) &&
                     Take(rest, 10, 0, mark.floor);
  if (!whole) return std::nullopt;
  const std::string_view summed = line.substr(0, line.size() - rest.size());
  if (!Take(rest, kSum) || !Take(rest, 16, kSumDigits, sum) || rest != kLineEnd ||
      sum != SumOf(summed))
    return std::nullopt;
  return mark;
}

}  // namespace flarebridge::jsonl
