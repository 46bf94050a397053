#include "receivers/wandb/upload/secret_text.h"

#include <algorithm>

#include "receivers/files/open_file.h"
#include "receivers/wandb/upload/words.h"

namespace flarebridge::wandb {

bool IsSecret(const std::string& text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return static_cast<unsigned char>(c) > 0x20 && static_cast<unsigned char>(c) < 0x7f;
  });
}

Expected<std::string> ReadSecret(const std::filesystem::path& file) {
  constexpr size_t kMostBytes = size_t{64} << 10;
  const Expected<std::string> text = ReadWhole(file, kMostBytes);
  if (!text) return Fail(ErrorCode::kConfig, file.string() + " " + text.error().message);
  std::string secret(Trimmed(*text));
  if (!IsSecret(secret)) {
    return Fail(ErrorCode::kConfig,
                file.string() + " holds " +
                    (secret.empty() ? "nothing" : "more than one word, or letters that none has"));
  }
  return secret;
}

std::string Without(const std::string& secret, const std::string& name, const std::string& text) {
  if (secret.empty()) return text;
  std::string result;
  size_t from = 0;
  for (size_t at = text.find(secret); at != std::string::npos; at = text.find(secret, from)) {
    result += text.substr(from, at - from) + name;
    from = at + secret.size();
  }
  return result + text.substr(from);
}

}  // namespace flarebridge::wandb
