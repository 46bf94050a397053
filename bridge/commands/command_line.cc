#include "bridge/commands/command_line.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <exception>
#include <functional>
#include <iostream>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "bridge/commands/allow.h"
#include "bridge/commands/check.h"
#include "bridge/commands/complain.h"
#include "bridge/commands/internal.h"
#include "bridge/commands/keygen.h"
#include "bridge/commands/report.h"
#include "bridge/commands/serve.h"
#include "bridge/commands/show.h"
#include "bridge/commands/upload_commands.h"
#include "bridge/process/environment.h"
#include "bridge/process/exit_code.h"

namespace flarebridge {
namespace {

// A command declares itself and is run with what was typed.
struct Command {
  const char* name;
  std::function<void(CLI::App& app)> declare;
  std::function<int()> run;  // gives the exit status
};

template <class Arguments>
Command Of(const char* name, void (*add)(CLI::App& app, Arguments& to),
           int (*run)(const Arguments& arguments)) {
  const auto arguments = std::make_shared<Arguments>();
  return {name, [add, arguments](CLI::App& app) { add(app, *arguments); },
          [run, arguments] { return run(*arguments); }};
}

// One that the program beside this one carries out.
template <class Arguments>
Command OfUploader(const char* name, void (*add)(CLI::App& app, Arguments& to), char** argv) {
  const auto arguments = std::make_shared<Arguments>();
  return {name, [add, arguments](CLI::App& app) { add(app, *arguments); },
          [argv] { return HandToUploader(argv); }};
}

// In the order in which --help lists them.
std::array<Command, 11> Commands(char** argv) {
  return {Of("serve", AddServe, Serve),        Of("worker", AddWorker, Worker),
          Of("keygen", AddKeyGen, KeyGen),     OfUploader("upload", AddUpload, argv),
          Of("check", AddCheck, Check),        Of("show", AddShow, Show),
          Of("report", AddReport, Report),     OfUploader("sync", AddSync, argv),
          OfUploader("login", AddLogin, argv), OfUploader("clean", AddClean, argv),
          Of("allow", AddAllow, Allow)};
}

constexpr std::string_view kConfigFlag = "--config";

// The command among the words, or nothing: the first one that is no option and no option's value.
std::string CommandIn(const std::vector<std::string>& words) {
  for (size_t i = 0; i < words.size(); ++i) {
    if (words[i] == kConfigFlag) {
      ++i;  // the only option before a command that has a value
    } else if (!words[i].starts_with('-')) {
      return words[i];
    }
  }
  return "";
}

// CLI11 would let the file win over the environment; here flags come first, then the environment,
// then the file: what the environment says is put behind the flags, unless a flag says it already.
std::vector<std::string> WithEnvironment(const CLI::App& app, int argc, char** argv) {
  std::vector<std::string> words(argv + 1, argv + argc);
  const CLI::App* serve = app.get_subcommand("serve");
  if (CommandIn(words) != serve->get_name()) return words;
  for (const CLI::Option* option : serve->get_options()) {
    const std::string flag = "--" + option->get_single_name();
    const std::optional<std::string> value = FromEnvironment(option->get_envname().c_str());
    const bool given = std::any_of(words.begin(), words.end(), [&](const std::string& word) {
      return word == flag || word.starts_with(flag + "=");
    });
    if (value && !given) words.push_back(flag + "=" + *value);
  }
  return words;
}

std::string VersionText(bool verbose) {
  std::string text = std::string("flarebridge ") + FLAREBRIDGE_VERSION;
  if (verbose) text += std::string("\n") + FLAREBRIDGE_LIBRARIES;
  return text;
}

int Parse(int argc, char** argv) {
  CLI::App app{"Takes events of federated training and writes W&B runs. Manual: bridge/README.md",
               "flarebridge"};
  bool verbose = false;
  CLI::Option* more =
      app.add_flag("--verbose", verbose, "With --version: its libraries, too")->configurable(false);
  more->needs(app.set_version_flag("--version", [&verbose] { return VersionText(verbose); }));
  app.require_subcommand(1);
  app.set_config(std::string(kConfigFlag), "",
                 "TOML file; the options of `serve`, without dashes, in a section [serve]");
  const auto commands = Commands(argv);
  for (const Command& command : commands) command.declare(app);
  const auto called = [&](std::string_view name) {
    return std::any_of(commands.begin(), commands.end(),
                       [name](const Command& command) { return command.name == name; });
  };
  if (argc > 1 && argv[1][0] != '-' && !called(argv[1])) {
    return Complain(std::string("there is no command \"") + argv[1] + "\"; try: flarebridge --help",
                    kExitUsage);
  }
  try {
    std::vector<std::string> words = WithEnvironment(app, argc, argv);
    std::reverse(words.begin(), words.end());  // CLI11 takes them from the back
    app.parse(words);
  } catch (const CLI::Success& e) {
    return app.exit(e);
  } catch (const CLI::ParseError& e) {
    std::cerr << "flarebridge: " << e.what() << "\nTry: flarebridge --help\n";
    return kExitUsage;
  }
  const auto given = std::find_if(commands.begin(), commands.end(), [&](const Command& command) {
    return app.got_subcommand(command.name);
  });
  return given->run();  // the parser asks for one
}

}  // namespace

int RunCommandLine(int argc, char** argv) {
  try {
    return Parse(argc, argv);
  } catch (const std::exception& e) {
    return Complain(std::string("internal error: ") + e.what(), kExitInternal);
  }
}

}  // namespace flarebridge
