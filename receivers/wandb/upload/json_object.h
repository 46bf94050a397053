// A JSON object that is put together from leaves, each with the path of keys it lies at, as W&B's
// logs hold history, summary and config. Leaves are JSON already; one is looked at only when
// something is set or asked for inside of it. Any thread.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace flarebridge::wandb {

class JsonObject {
 public:
  // Objects and lists that lie in each other, at most. A log's own limit is millions; what reads
  // JSON has less: Python's module about 1,000 (its limit of recursion), Go's encoding/json 10,000.
  static constexpr size_t kMaxDepth = 500;

  // A path has at least one component; one of more than kMaxDepth is not taken. What is set later
  // wins; a leaf and an object at one place replace each other.
  void Set(const std::vector<std::string_view>& path, std::string_view json);
  void Remove(const std::vector<std::string_view>& path);
  bool empty() const { return children_.empty(); }

  // The object as JSON text, keys in order.
  std::string Text() const;
  // The members as JSON text, by key.
  std::map<std::string, std::string> Members() const;
  // The same of the object that lies at a key; none if there is none.
  std::map<std::string, std::string> MembersOf(const std::string& key) const;

 private:
  struct Child {
    std::string json;
    std::unique_ptr<JsonObject> object;  // in place of json
  };
  // The object at a child, whose members are those of a leaf that was one.
  static JsonObject& Open(Child& child);
  static bool IsObject(const Child& child);
  static void Append(const Child& child, std::string& out);
  void AppendTo(std::string& out) const;

  std::map<std::string, Child, std::less<>> children_;
};

}  // namespace flarebridge::wandb
