#include "receivers/wandb/upload/settings_files.h"

#include <doctest/doctest.h>

namespace flarebridge::wandb {
namespace {

TEST_CASE("settings are read as Python's configparser reads them") {
  const Settings settings = ParseSettings(
                                "# a comment\n[other]\nentity = not me\n[default]\n; one more\n"
                                "Base_URL: http://h:8080\nentity=me\nproject = 100%%\n"
                                "[DEFAULT]\nmode = offline\nentity = fallback\n",
                                "f")
                                .value();
  CHECK(settings.at("base_url").value == "http://h:8080");
  CHECK(settings.at("base_url").source == "f, line 6");
  CHECK(settings.at("entity").value == "me");
  CHECK(settings.at("project").value == "100%");
  CHECK(settings.at("mode").value == "offline");
}

TEST_CASE("a file without the section says nothing, one that makes no sense is told by its line") {
  CHECK(ParseSettings("[other]\na = b\n", "f")->empty());
  CHECK(ParseSettings("", "f")->empty());
  CHECK(ParseSettings("[default]\nentity\n", "f").error().message.starts_with("f, line 2: "));
  CHECK(ParseSettings("[default]\na = %(b)s\n", "f").error().message.starts_with("f, line 2: "));
}

TEST_CASE("a setting is written and taken out, and all other lines stay") {
  const std::string other = "# mine\n[default]\nentity = me\n[other]\nbase_url = x\n";
  const std::string with = WithSetting(other, "base_url", "http://h%20");
  CHECK(with == "# mine\n[default]\nbase_url = http://h%%20\nentity = me\n[other]\nbase_url = x\n");
  CHECK(ParseSettings(with, "f")->at("base_url").value == "http://h%20");
  CHECK(WithSetting(with, "base_url", std::nullopt) == other);
  CHECK(WithSetting("", "base_url", "a") == "[default]\nbase_url = a\n");
  CHECK(WithSetting("", "base_url", std::nullopt) == "");
  CHECK(WithSetting("[default]\nbase_url = a\n  more\nb = c", "base_url", "d") ==
        "[default]\nbase_url = d\nb = c\n");
}

}  // namespace
}  // namespace flarebridge::wandb
