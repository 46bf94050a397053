#include "receivers/wandb/upload/numbered_json.h"

namespace flarebridge::wandb {

void AppendMember(uint32_t field, const std::string& json, std::string& out) {
  if (out.back() != '{') out += ',';
  out += '"' + std::to_string(field) + "\":" + json;
}

std::string ListOf(const std::set<uint32_t>& numbers) {
  std::string json = "[";
  for (const uint32_t number : numbers) {
    if (json.size() > 1) json += ',';
    json += std::to_string(number);
  }
  return json + "]";
}

}  // namespace flarebridge::wandb
