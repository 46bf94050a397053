#include "receivers/wandb/upload/settings_files.h"

#include <unistd.h>

#include <algorithm>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "receivers/files/file_info.h"
#include "receivers/files/open_file.h"
#include "receivers/wandb/log/run_folder.h"
#include "receivers/wandb/upload/words.h"

namespace flarebridge::wandb {
namespace {

namespace fs = std::filesystem;

constexpr size_t kMostBytes = size_t{1} << 20;
constexpr std::string_view kOurSection = "default";

// A line of the file: a section's head, a setting, a piece of the value before, or nothing.
struct Line {
  enum class Kind { kNothing, kSection, kSetting, kMore, kWrong };
  Kind kind = Kind::kNothing;
  std::string name, value;
  size_t begin = 0, end = 0;  // in the text, with the line's end
  size_t number = 0;          // from 1
};

Line Understand(std::string_view text, bool behind_setting) {
  Line line;
  const std::string_view words = Trimmed(text);
  if (words.empty() || words[0] == '#' || words[0] == ';') return line;
  if (behind_setting && (text[0] == ' ' || text[0] == '\t')) {
    line.kind = Line::Kind::kMore;
    line.value = words;
    return line;
  }
  if (words[0] == '[' && words.find(']') != std::string_view::npos) {
    line.kind = Line::Kind::kSection;
    line.name = words.substr(1, words.find(']') - 1);
    return line;
  }
  const size_t sign = words.find_first_of("=:");
  line.kind =
      sign == std::string_view::npos || sign == 0 ? Line::Kind::kWrong : Line::Kind::kSetting;
  if (line.kind == Line::Kind::kWrong) return line;
  line.name = InSmall(Trimmed(words.substr(0, sign)));
  line.value = Trimmed(words.substr(sign + 1));
  return line;
}

std::vector<Line> LinesOf(const std::string& text) {
  std::vector<Line> lines;
  bool behind_setting = false;
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = std::min(text.find('\n', begin), text.size() - 1) + 1;
    Line line = Understand(std::string_view(text).substr(begin, end - begin), behind_setting);
    line.begin = begin;
    line.end = end;
    line.number = lines.size() + 1;
    begin = end;
    if (line.kind == Line::Kind::kSection) behind_setting = false;
    if (line.kind == Line::Kind::kSetting) behind_setting = true;
    lines.push_back(std::move(line));
  }
  return lines;
}

// configparser's "%%" is a percent sign; it would put another setting for "%(name)s".
Expected<std::string> Unescaped(const std::string& value, const std::string& source) {
  std::string plain;
  for (size_t i = 0; i < value.size(); ++i) {
    if (value[i] == '%' && (i + 1 == value.size() || value[++i] != '%'))
      return Fail(ErrorCode::kConfig, source + ": a percent sign is written %% there");
    plain.push_back(value[i]);
  }
  return plain;
}

std::string Escaped(const std::string& value) {
  std::string escaped;
  for (const char c : value) escaped.append(c == '%' ? 2 : 1, c);
  return escaped;
}

bool IsOurs(const fs::path& path) {
  const Expected<FileInfo> info = InfoOf(path);
  return !info || info->owner == geteuid() || info->owner == 0;
}

Expected<void> AddFile(const fs::path& path, Settings& to, std::vector<std::string>& warnings) {
  std::error_code failed;
  if (path.empty() || !fs::exists(path, failed)) return {};
  if (!IsOurs(path)) {
    warnings.push_back(path.string() + " belongs to another user and is not followed");
    return {};
  }
  const Expected<std::string> text = ReadWhole(path, kMostBytes);
  if (!text) return Fail(ErrorCode::kConfig, path.string() + " " + text.error().message);
  const Expected<Settings> settings = ParseSettings(*text, path.string());
  if (!settings) return Propagate(settings);
  for (const auto& [name, setting] : *settings) to[name] = setting;
  return {};
}

}  // namespace

fs::path GlobalSettingsPath(const Environment& environment) {
  if (const auto folder = environment("WANDB_CONFIG_DIR"))
    return InHome(environment, *folder) / "settings";
  const std::string home = environment("HOME").value_or("");
  return home.empty() ? fs::path() : fs::path(home) / ".config" / "wandb" / "settings";
}

fs::path LocalSettingsPath(const Environment& environment) {
  const fs::path root = InHome(environment, environment("WANDB_DIR").value_or("."));
  return WandbFolder(root) / "settings";
}

Expected<Settings> ParseSettings(const std::string& text, const std::string& path) {
  Settings settings, defaults;
  bool in_section = false, in_defaults = false, there = false;
  Setting* last = nullptr;
  for (const Line& line : LinesOf(text)) {
    const std::string source = path + ", line " + std::to_string(line.number);
    switch (line.kind) {
      case Line::Kind::kNothing:
        break;
      case Line::Kind::kSection:
        in_section = line.name == kOurSection;
        in_defaults = line.name == "DEFAULT";  // configparser's own, for all sections
        there = there || in_section;
        last = nullptr;
        break;
      case Line::Kind::kSetting:
        last = in_section ? &settings[line.name] : in_defaults ? &defaults[line.name] : nullptr;
        if (last != nullptr) *last = {line.value, source};
        break;
      case Line::Kind::kMore:
        if (last != nullptr) last->value += "\n" + line.value;
        break;
      case Line::Kind::kWrong:
        return Fail(ErrorCode::kConfig, source + ": neither a section nor \"name = value\"");
    }
  }
  if (!there) return Settings();
  settings.merge(defaults);
  for (auto& [name, setting] : settings) {
    Expected<std::string> plain = Unescaped(setting.value, setting.source);
    if (!plain) return Propagate(plain);
    setting.value = std::move(*plain);
  }
  return settings;
}

Expected<Settings> ReadSettings(const Environment& environment,
                                std::vector<std::string>& warnings) {
  Settings settings;
  for (const fs::path& path : {GlobalSettingsPath(environment), LocalSettingsPath(environment)}) {
    if (Expected<void> added = AddFile(path, settings, warnings); !added) return Propagate(added);
  }
  return settings;
}

std::string WithSetting(const std::string& text, const std::string& name,
                        const std::optional<std::string>& value) {
  const std::string line = value ? name + " = " + Escaped(*value) + "\n" : "";
  std::string result;
  bool in_section = false, written = false, taken_out = false;
  for (const Line& old : LinesOf(text)) {
    if (old.kind == Line::Kind::kSection) in_section = old.name == kOurSection;
    if (old.kind == Line::Kind::kSetting) taken_out = in_section && old.name == name;
    const bool gone =
        taken_out && (old.kind == Line::Kind::kSetting || old.kind == Line::Kind::kMore);
    if (!gone) result += text.substr(old.begin, old.end - old.begin);
    if (!result.empty() && result.back() != '\n') result += '\n';
    if (old.kind == Line::Kind::kSection && in_section && !std::exchange(written, true))
      result += line;
  }
  if (!written && value) result += "[" + std::string(kOurSection) + "]\n" + line;
  return result;
}

}  // namespace flarebridge::wandb
