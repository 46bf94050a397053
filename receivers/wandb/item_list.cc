#include "receivers/wandb/item_list.h"

#include "receivers/wandb/varint.h"

namespace flarebridge::wandb {
namespace {

// Protobuf's tags, (field << 3) | 2: the item itself, and in it HistoryItem.value_json (16).
constexpr char kItemTag = 0x0a;
constexpr std::string_view kJsonTag = "\x82\x01";
// Comparing is faster than hashing for the few keys of most rows; thousands of keys that come one
// by one would take the square of that.
constexpr size_t kFew = 32;

}  // namespace

void ItemList::Encode(std::string_view path, std::string_view json, std::string& out,
                      Entry& entry) {
  entry.begin = static_cast<uint32_t>(out.size());
  out.push_back(kItemTag);
  AppendVarint(path.size() + kJsonTag.size() + VarintBytes(json.size()) + json.size(), out);
  entry.path = static_cast<uint32_t>(out.size());
  entry.path_size = static_cast<uint32_t>(path.size());
  out += path;
  out += kJsonTag;
  AppendVarint(json.size(), out);
  entry.json = static_cast<uint32_t>(out.size());
  entry.json_size = static_cast<uint32_t>(json.size());
  out += json;
}

void ItemList::Add(std::string_view path, std::string_view json) {
  Encode(path, json, encoded_, entries_.emplace_back());
}

void ItemList::Set(size_t index, std::string_view json) {
  const Entry old = entries_[index];
  std::string item;
  Entry place;
  Encode(path(index), json, item, place);
  const uint32_t old_size = old.json + old.json_size - old.begin;
  encoded_.replace(old.begin, old_size, item);
  const uint32_t begin = old.begin;
  entries_[index] = {begin, begin + place.path, place.path_size, begin + place.json,
                     place.json_size};
  // Unsigned numbers wrap: a smaller item moves what is behind it to the front.
  const uint32_t moved = static_cast<uint32_t>(item.size()) - old_size;
  for (size_t i = index + 1; i < entries_.size(); ++i) {
    entries_[i].begin += moved;
    entries_[i].path += moved;
    entries_[i].json += moved;
  }
}

void ItemList::Put(std::string_view path, std::string_view json) {
  if (const std::optional<size_t> index = Find(path)) {
    Set(*index, json);
  } else {
    Add(path, json);
  }
}

std::optional<size_t> ItemList::Find(std::string_view wanted) {
  if (entries_.size() <= kFew) {
    for (size_t i = 0; i < entries_.size(); ++i) {
      if (path(i) == wanted) return i;
    }
    return std::nullopt;
  }
  for (; indexed_ < entries_.size(); ++indexed_) index_.emplace(path(indexed_), indexed_);
  const auto found = index_.find(std::string(wanted));
  return found == index_.end() ? std::nullopt : std::optional(found->second);
}

void ItemList::Clear() {
  encoded_.clear();
  entries_.clear();
  if (indexed_ > 0) index_.clear();
  indexed_ = 0;
}

bool ItemList::HasPathsOf(const ItemList& other) const {
  if (size() != other.size()) return false;
  for (size_t i = 0; i < size(); ++i) {
    if (path(i) != other.path(i)) return false;
  }
  return true;
}

}  // namespace flarebridge::wandb
