// The settings files of W&B's client: ~/.config/wandb/settings, which `wandb login --host` writes,
// and wandb/settings of the folder where one works. INI files with one section, as Python's
// configparser reads them (wandb/sdk/lib/settings_file.py, wandb_setup.py at 0.31.0). Any thread.
#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "events/error.h"
#include "receivers/wandb/upload/variables.h"

namespace flarebridge::wandb {

struct Setting {
  std::string value;
  std::string source;  // "~/.config/wandb/settings, line 2"
};
using Settings = std::map<std::string, Setting>;  // by name, in small letters

// `settings` in WANDB_CONFIG_DIR, else in ~/.config/wandb. Empty: there is no home.
std::filesystem::path GlobalSettingsPath(const Environment& environment);
// `wandb/settings` in WANDB_DIR, else in the current folder; `.wandb/settings` if .wandb is there.
std::filesystem::path LocalSettingsPath(const Environment& environment);

// What both files say; the local one wins. Files that are not there say nothing. Errors: kConfig: a
// file that can't be read or understood, with its line. W&B's client would go on without it, to
// another server than the one that the file names. A file of another user's (but root's) is not
// followed, which is told in `warnings`: who has one in a folder where others work could have their
// keys sent to a server of his own.
Expected<Settings> ReadSettings(const Environment& environment, std::vector<std::string>& warnings);

// The settings of a file's text, which `path` names in words. Errors: kConfig.
Expected<Settings> ParseSettings(const std::string& text, const std::string& path);

// The same file with another value, or without the setting (nothing); all other lines stay.
std::string WithSetting(const std::string& text, const std::string& name,
                        const std::optional<std::string>& value);

}  // namespace flarebridge::wandb
