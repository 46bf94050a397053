#include "receivers/wandb/upload/log_copies.h"

#include <algorithm>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <system_error>

#include "receivers/files/file_info.h"
#include "receivers/files/open_file.h"
#include "receivers/wandb/upload/known_logs.h"

namespace flarebridge::wandb {
namespace {

namespace fs = std::filesystem;

constexpr uint64_t kHead = 64 << 10, kTail = 4 << 10;

bool AreEqual(int one, int other, uint64_t begin, uint64_t end) {
  const std::optional<std::string> bytes = ReadRange(one, begin, end);
  return bytes && bytes == ReadRange(other, begin, end);
}

uint64_t SizeOf(const fs::path& log) {
  std::error_code failed;
  const uintmax_t size = fs::file_size(log, failed);
  return failed ? 0 : size;
}

}  // namespace

bool AreCopies(const fs::path& one, const fs::path& other) {
  if (one.filename() != other.filename()) return false;
  // Without a run record there is nothing in it that tells it from another run's.
  if (!IdentityOf(one) || !IdentityOf(other)) return false;
  const Expected<UniqueFd> first = OpenToRead(one), second = OpenToRead(other);
  if (!first || !second) return false;
  const uint64_t size = std::min(SizeOf(one), SizeOf(other));
  return AreEqual(first->get(), second->get(), 0, std::min(size, kHead)) &&
         AreEqual(first->get(), second->get(), size - std::min(size, kTail), size);
}

std::vector<fs::path> WithoutCopies(const std::vector<fs::path>& logs) {
  std::map<fs::path, std::vector<fs::path>> by_name;  // of one run each
  for (const fs::path& log : logs) by_name[log.filename()].push_back(log);
  std::vector<fs::path> left;
  left.reserve(logs.size());
  for (const fs::path& log : logs) {
    const std::vector<fs::path>& of_run = by_name[log.filename()];
    const auto place = std::find(of_run.begin(), of_run.end(), log);
    const uint64_t size = of_run.size() > 1 ? SizeOf(log) : 0;
    const bool is_spare = std::any_of(of_run.begin(), of_run.end(), [&](const fs::path& other) {
      if (other == log) return false;
      const uint64_t its_size = SizeOf(other);
      const bool before = std::find(of_run.begin(), place, other) != place;
      return (its_size > size || (its_size == size && before)) && AreCopies(log, other);
    });
    if (!is_spare) left.push_back(log);
  }
  return left;
}

}  // namespace flarebridge::wandb
