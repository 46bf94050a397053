#include "receivers/wandb/upload/netrc.h"

#include <algorithm>
#include <string_view>
#include <system_error>
#include <vector>

#include "receivers/wandb/upload/words.h"

namespace flarebridge::wandb {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kBlanks = " \t\r\n";

struct Word {
  std::string text;
  size_t begin = 0, line = 0;
};

// The words of a file, one after the other.
class Words {
 public:
  explicit Words(std::string_view text) : text_(text) {}

  // False: there is none any more.
  bool Next(Word& word) {
    while (at_ < text_.size() && kBlanks.find(text_[at_]) != std::string_view::npos) Step();
    if (at_ == text_.size()) return false;
    word = {"", at_, line_};
    if (text_[at_] == '"') {
      TakeQuoted(word.text);
    } else {
      while (at_ < text_.size() && kBlanks.find(text_[at_]) == std::string_view::npos)
        TakeLetter(word.text);
    }
    return true;
  }
  void SkipLine() {
    while (at_ < text_.size() && text_[at_] != '\n') Step();
  }
  // A macro ends at an empty line.
  void SkipMacro() {
    while (at_ < text_.size() && text_.substr(at_, 2) != "\n\n") Step();
  }
  size_t line() const { return line_; }

 private:
  void Step() {
    if (text_[at_] == '\n') ++line_;
    ++at_;
  }
  void TakeLetter(std::string& to) {
    if (text_[at_] == '\\' && at_ + 1 < text_.size()) Step();
    to.push_back(text_[at_]);
    Step();
  }
  void TakeQuoted(std::string& to) {
    Step();
    while (at_ < text_.size() && text_[at_] != '"') TakeLetter(to);
    if (at_ < text_.size()) Step();
  }

  std::string_view text_;
  size_t at_ = 0, line_ = 1;
};

struct Entry {
  std::string machine;  // small letters; empty: `default`
  std::string password;
  size_t begin = 0, end = 0, line = 0;
};

// An entry goes from its `machine` or `default` to the beginning of the next one, or of a comment
// or macro between them.
std::vector<Entry> EntriesOf(const std::string& netrc) {
  std::vector<Entry> entries;
  Words words(netrc);
  Word word;
  bool open = false;
  const auto close = [&](size_t end) {
    if (open) entries.back().end = end;
    open = false;
  };
  while (words.Next(word)) {
    if (word.text == "machine" || word.text == "default") {
      close(word.begin);
      Entry entry{"", "", word.begin, netrc.size(), word.line};
      if (word.text == "machine") {
        if (!words.Next(word)) break;
        entry.machine = InSmall(word.text);
      }
      entries.push_back(std::move(entry));
      open = true;
    } else if (word.text.starts_with('#')) {
      // A comment behind words on their line belongs to them.
      const size_t line_begin = netrc.rfind('\n', word.begin) + 1;
      if (netrc.find_first_not_of(" \t", line_begin) == word.begin) close(word.begin);
      if (words.line() == word.line) words.SkipLine();
    } else if (word.text == "macdef") {
      close(word.begin);
      words.SkipMacro();
    } else if (word.text == "login" || word.text == "user" || word.text == "account" ||
               word.text == "password") {
      const bool password = word.text == "password";
      // A value may begin with #.
      if (words.Next(word) && password && open) entries.back().password = word.text;
    }
  }
  return entries;
}

// As a word of the file: in quotes where it would be something else without.
std::string Quoted(const std::string& word) {
  const bool plain = std::all_of(word.begin(), word.end(), [](char c) {
    return std::string_view(" \t\"'\\#").find(c) == std::string_view::npos;
  });
  if (plain && !word.empty()) return word;
  std::string quoted = "\"";
  for (const char c : word) {
    if (c == '"' || c == '\\') quoted.push_back('\\');
    quoted.push_back(c);
  }
  return quoted + '"';
}

}  // namespace

fs::path NetrcPath(const Environment& environment) {
  if (const auto set = environment("NETRC")) return InHome(environment, *set);
  const std::string home = environment("HOME").value_or("");
  if (home.empty()) return {};
  for (const char* name : {".netrc", "_netrc"}) {
    std::error_code ignored;
    if (fs::exists(fs::path(home) / name, ignored)) return fs::path(home) / name;
  }
  return fs::path(home) / ".netrc";
}

std::optional<NetrcPassword> PasswordIn(const std::string& netrc, const std::string& machine) {
  const std::string wanted = InSmall(machine);
  std::optional<NetrcPassword> found, fallback;
  for (const Entry& entry : EntriesOf(netrc)) {
    if (entry.machine == wanted) found = {entry.password, entry.line};
    if (entry.machine.empty()) fallback = {entry.password, entry.line};
  }
  if (!found) found = fallback;
  return found && found->password.empty() ? std::nullopt : found;
}

std::string WithPassword(const std::string& netrc, const std::string& machine,
                         const std::string& password) {
  const std::string wanted = InSmall(machine);
  std::string kept;
  size_t from = 0, last = std::string::npos;
  for (const Entry& entry : EntriesOf(netrc)) {
    if (entry.machine.empty() && last == std::string::npos)
      last = kept.size() + (entry.begin - from);
    if (entry.machine != wanted) continue;
    kept += netrc.substr(from, entry.begin - from);
    from = entry.end;
  }
  kept += netrc.substr(from);
  std::string entry =
      "machine " + Quoted(machine) + "\n  login user\n  password " + Quoted(password) + "\n";
  const size_t at = std::min(last, kept.size());
  if (at > 0 && kept[at - 1] != '\n') entry.insert(0, "\n");
  return kept.insert(at, entry);
}

}  // namespace flarebridge::wandb
