// How large a row may become, and what was left out of rows to keep them so: counted, with the
// first few names. Used by the effects that make rows, and by their writer. One thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "receivers/wandb/log/item_list.h"

namespace flarebridge::wandb {

// W&B takes lines of 10,383,360 bytes (wandb-core, filestream); the rest is for a row's own keys.
inline constexpr size_t kMaxRowBytes = size_t{9500} << 10;

class LeftOut {
 public:
  // For a value that writes `bytes` more at least.
  static bool HasRoom(size_t bytes, const ItemList& items) {
    return items.encoded().size() + bytes <= kMaxRowBytes;
  }
  // A value has no room in its row. `path`: its key, as AppendPath() gives it.
  void Count(std::string_view path);
  // Takes the last items off until the rest fits into a row, and counts them.
  void Fit(ItemList& items) {
    while (items.encoded().size() > kMaxRowBytes) {
      Count(items.path(items.size() - 1));
      items.RemoveLast();
    }
  }

  uint64_t values() const { return values_; }
  // Keys of the first of them, each cut, one after the other.
  const std::string& names() const { return names_; }

 private:
  uint64_t values_ = 0;
  std::string names_;
};

}  // namespace flarebridge::wandb
