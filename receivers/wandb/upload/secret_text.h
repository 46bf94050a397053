// Keys and tokens as texts: what may be one, one in a file, a text without it. Any thread.
#pragma once

#include <filesystem>
#include <string>

#include "events/error.h"

namespace flarebridge::wandb {

// A key that would break a header or a log is no key.
bool IsSecret(const std::string& text);

// The secret in a file. Errors: kConfig; the words name the file.
Expected<std::string> ReadSecret(const std::filesystem::path& file);

// The text with `name` wherever it has the secret.
std::string Without(const std::string& secret, const std::string& name, const std::string& text);

}  // namespace flarebridge::wandb
