#include "receivers/wandb/log/item_list.h"

#include "receivers/wandb/log/varint.h"

namespace flarebridge::wandb {
namespace {

// Protobuf's tags, (field << 3) | 2: the item itself, and in it HistoryItem.value_json (16).
constexpr char kItemTag = 0x0a;
constexpr std::string_view kJsonTag = "\x82\x01";
// Comparing is faster than hashing for the few keys of most rows; thousands of keys that come one
// by one would take the square of that.
constexpr size_t kFew = 32;

}  // namespace

void ItemList::Open(std::string_view path) {
  Entry& entry = entries_.emplace_back();
  entry.begin = static_cast<uint32_t>(encoded_.size());
  encoded_.resize(encoded_.size() + 2 + path.size() + kJsonTag.size() + 1);
  char* at = &encoded_[entry.begin];
  *at++ = kItemTag;
  *at++ = 0;  // the item's length
  entry.path = entry.begin + 2;
  entry.path_size = static_cast<uint32_t>(path.size());
  path.copy(at, path.size());
  at += path.size();
  kJsonTag.copy(at, kJsonTag.size());
  at[kJsonTag.size()] = 0;  // the value's length
  entry.json = static_cast<uint32_t>(encoded_.size());
}

void ItemList::Close() {
  Entry& entry = entries_.back();
  entry.json_size = static_cast<uint32_t>(encoded_.size()) - entry.json;
  size_t size = entry.path_size + kJsonTag.size() + 1 + entry.json_size;
  if (size < 0x80) {  // nearly all: both lengths have the room they need
    encoded_[entry.json - 1] = static_cast<char>(entry.json_size);
    encoded_[entry.path - 1] = static_cast<char>(size);
    return;
  }
  const size_t json_length = VarintBytes(entry.json_size);
  size += json_length - 1;
  const size_t length = VarintBytes(size);
  std::string varint;
  AppendVarint(entry.json_size, varint);
  encoded_.replace(entry.json - 1, 1, varint);
  varint.clear();
  AppendVarint(size, varint);
  encoded_.replace(entry.path - 1, 1, varint);
  entry.path += static_cast<uint32_t>(length - 1);
  entry.json += static_cast<uint32_t>(length - 1 + json_length - 1);
}

void ItemList::Add(std::string_view path, std::string_view json) {
  AddWritten(path, [&](std::string& out) { out += json; });
}

void ItemList::Set(size_t index, std::string_view json) {
  const Entry old = entries_[index];
  ItemList one;
  one.Add(path(index), json);
  const Entry place = one.entries_.front();
  const uint32_t old_size = old.json + old.json_size - old.begin;
  encoded_.replace(old.begin, old_size, one.encoded_);
  const uint32_t begin = old.begin;
  entries_[index] = {begin, begin + place.path, place.path_size, begin + place.json,
                     place.json_size};
  // Unsigned numbers wrap: a smaller item moves what is behind it to the front.
  const uint32_t moved = static_cast<uint32_t>(one.encoded_.size()) - old_size;
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

size_t ItemList::TakeAll(ItemList& newer) {
  const size_t replaced = newer.size() <= kFew ? TakeEach(newer) : TakeTogether(newer);
  newer.Clear();
  return replaced;
}

size_t ItemList::TakeEach(const ItemList& newer) {
  size_t replaced = 0;
  for (size_t i = 0; i < newer.size(); ++i) {
    if (const std::optional<size_t> same = Find(newer.path(i))) {
      Set(*same, newer.json(i));
      ++replaced;
    } else {
      Add(newer.path(i), newer.json(i));
    }
  }
  return replaced;
}

// Each Set moves all that is behind it: thousands of them would take the square of that.
size_t ItemList::TakeTogether(ItemList& newer) {
  ItemList merged;
  for (size_t i = 0; i < size(); ++i) {
    const std::optional<size_t> same = newer.Find(path(i));
    merged.Add(path(i), same ? newer.json(*same) : json(i));
  }
  const size_t before = size();
  for (size_t i = 0; i < newer.size(); ++i) {
    if (!Find(newer.path(i))) merged.Add(newer.path(i), newer.json(i));
  }
  const size_t replaced = before + newer.size() - merged.size();
  *this = std::move(merged);
  return replaced;
}

std::optional<size_t> ItemList::Find(std::string_view wanted) {
  if (entries_.size() <= kFew) {
    for (size_t i = 0; i < entries_.size(); ++i) {
      if (path(i) == wanted) return i;
    }
    return std::nullopt;
  }
  if (!index_) index_ = std::make_unique<std::unordered_map<std::string, size_t>>();
  for (; indexed_ < entries_.size(); ++indexed_) index_->emplace(path(indexed_), indexed_);
  const auto found = index_->find(std::string(wanted));
  return found == index_->end() ? std::nullopt : std::optional(found->second);
}

void ItemList::RemoveLast() {
  if (indexed_ == entries_.size()) {
    index_->erase(std::string(path(size() - 1)));
    --indexed_;
  }
  encoded_.resize(entries_.back().begin);
  entries_.pop_back();
}

void ItemList::Clear() {
  encoded_.clear();
  entries_.clear();
  if (index_) index_->clear();
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
