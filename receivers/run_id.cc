#include "receivers/run_id.h"

#include "receivers/files/stable_hash.h"

namespace flarebridge {

namespace {

constexpr std::string_view kAlphabet = "abcdefghijklmnopqrstuvwxyz0123456789";
constexpr size_t kSize = 16;  // one for each byte of the hash

}  // namespace

std::string RunId(const RunSpec& spec, std::string_view users_part) {
  // Names hold no zero byte, so that joined names can't be taken for others.
  std::string joined;
  for (const std::string_view part :
       {std::string_view(spec.job), std::string_view(spec.site), std::string_view(spec.run_name),
        std::string_view(spec.side == "client" ? "client" : ""), users_part}) {
    joined += part;
    joined.push_back('\0');
  }
  if (!spec.owner.empty()) joined += spec.owner;
  std::string id;
  for (const uint8_t byte : StableHashBytes(joined))
    id.push_back(kAlphabet[byte % kAlphabet.size()]);
  return id;
}

bool IsRunId(std::string_view text) {
  return text.size() == kSize && text.find_first_not_of(kAlphabet) == std::string_view::npos;
}

}  // namespace flarebridge
