// A netrc file: which password it has for a machine, and the file with another one. Words, quotes
// and comments as Python's netrc module has them, by which W&B's client reads it
// (wandb/sdk/lib/wbauth/wbnetrc.py at 0.31.0). Pure but for NetrcPath(); any thread.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "receivers/wandb/upload/variables.h"

namespace flarebridge::wandb {

// NETRC, else ~/.netrc, else ~/_netrc, whichever is there; ~/.netrc if none is. Empty: there is no
// home.
std::filesystem::path NetrcPath(const Environment& environment);

struct NetrcPassword {
  std::string password;
  size_t line = 0;  // where its entry begins, from 1
};
// Of the last entry of that machine, whatever the case of its letters; else of `default`. Nothing:
// there is no such entry, or it has no password.
std::optional<NetrcPassword> PasswordIn(const std::string& netrc, const std::string& machine);

// The same file with this machine's password: its entries are taken out, a new one comes last
// (but before `default`, behind which readers other than Python's look no further). All other
// bytes stay.
std::string WithPassword(const std::string& netrc, const std::string& machine,
                         const std::string& password);

}  // namespace flarebridge::wandb
