// The keys and values of a row or of a summary, kept in the bytes in which both records hold them,
// so that writing a row is one copy. Lists are used again and again and keep their room. One
// thread.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace flarebridge::wandb {

class ItemList {
 public:
  // `path`: components as AppendPath() gives them; no other item may have it. `json`: its value.
  void Add(std::string_view path, std::string_view json);
  // The same with a value that write(std::string& out) appends to `out`, where it stays.
  template <class Write>
  void AddWritten(std::string_view path, Write write) {
    Open(path);
    write(encoded_);
    Close();
  }
  // Replaces the value of an item, which keeps its place.
  void Set(size_t index, std::string_view json);
  // Add, or Set if the path is there.
  void Put(std::string_view path, std::string_view json);
  // Put for each item of the other list, which is cleared. Gives how many paths were there.
  size_t TakeAll(ItemList& newer);
  std::optional<size_t> Find(std::string_view path);
  // Takes the last item off; there must be one.
  void RemoveLast();
  void Clear();

  size_t size() const { return entries_.size(); }
  bool empty() const { return entries_.empty(); }
  // Views are valid until the list is changed.
  std::string_view path(size_t index) const {
    return View(entries_[index].path, entries_[index].path_size);
  }
  std::string_view json(size_t index) const {
    return View(entries_[index].json, entries_[index].json_size);
  }
  // Both lists have the same paths in the same order.
  bool HasPathsOf(const ItemList& other) const;
  // Any path of the other list is there.
  bool SharesPath(const ItemList& other) {
    for (size_t i = 0; i < other.size(); ++i) {
      if (Find(other.path(i))) return true;
    }
    return false;
  }
  // All items, each as field 1 of the message that holds them: HistoryRecord.item and
  // SummaryRecord.update have the same number and form.
  std::string_view encoded() const { return encoded_; }
  // Bytes that the list keeps, also when it is cleared.
  size_t capacity() const { return encoded_.capacity() + entries_.capacity() * sizeof(Entry); }

 private:
  // Where an item is in encoded_, which has 4 GiB at most: rows are bounded far below.
  struct Entry {
    uint32_t begin = 0, path = 0, path_size = 0, json = 0, json_size = 0;
  };

  std::string_view View(uint32_t at, uint32_t size) const {
    return std::string_view(encoded_).substr(at, size);
  }
  // An item's bytes up to its value, and its lengths once the value is there.
  void Open(std::string_view path);
  void Close();
  size_t TakeEach(const ItemList& newer);
  size_t TakeTogether(ItemList& newer);

  std::string encoded_;
  std::vector<Entry> entries_;
  // Path -> place, made when there are many; of the first `indexed_` items. Lists are moved for
  // every row, which a map in here would make slow.
  std::unique_ptr<std::unordered_map<std::string, size_t>> index_;
  size_t indexed_ = 0;
};

}  // namespace flarebridge::wandb
