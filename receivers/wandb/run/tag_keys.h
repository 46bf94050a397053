// Which of a run's tags belong to which key: a tag that is set again for its key replaces the one
// before, as MLflow has it. Used by the effect of tags, and by recovery, which takes the same steps
// from what the log tells. Pure; one thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace flarebridge::wandb {

class TagKeys {
 public:
  using Map = std::map<std::string, std::string, std::less<>>;  // key -> its tag

  TagKeys() = default;
  explicit TagKeys(Map tag_of) : tag_of_(std::move(tag_of)) {}

  // Tags of a run at most: each change writes all of them.
  static constexpr size_t kMost = 256;

  enum class Outcome : uint8_t {
    kSame,     // the run has this tag already
    kChanged,  // `tags` has changed
    kNoRoom,   // `tags` has kMost already
  };
  // The key's tag in `tags`, which are those of the run, becomes this one; an empty one is none.
  // Tags of no key, which the run's author has chosen, are never replaced.
  Outcome Set(std::string_view key, std::string_view tag, std::vector<std::string>& tags);
  const Map& all() const { return tag_of_; }

 private:
  Map tag_of_;
};

}  // namespace flarebridge::wandb
