#include "receivers/wandb/upload/strict_json.h"

namespace flarebridge::wandb {

std::string StrictJson(std::string_view json) {
  std::string strict;
  bool in_text = false;
  for (size_t i = 0; i < json.size(); ++i) {
    const char c = json[i];
    if (in_text) {
      strict += c;
      if (c == '\\' && i + 1 < json.size()) strict += json[++i];
      if (c == '"') in_text = false;
      continue;
    }
    size_t length = 0;
    for (const std::string_view token : {"NaN", "Infinity", "-Infinity"}) {
      if (json.substr(i).starts_with(token)) length = token.size();
    }
    if (length > 0) {
      strict += '"';
      strict += json.substr(i, length);
      strict += '"';
      i += length - 1;
      continue;
    }
    in_text = c == '"';
    strict += c;
  }
  return strict;
}

}  // namespace flarebridge::wandb
