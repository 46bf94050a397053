#include "receivers/wandb/upload/json_object.h"

#include "receivers/json.h"
#include "receivers/wandb/upload/strict_json.h"

namespace flarebridge::wandb {

JsonObject& JsonObject::Open(Child& child) {
  if (child.object) return *child.object;
  child.object = std::make_unique<JsonObject>();
  VisitMembers(child.json, [&](std::string key, std::string_view json) {
    child.object->children_[std::move(key)].json = json;
  });
  child.json.clear();
  return *child.object;
}

void JsonObject::Set(const std::vector<std::string_view>& path, std::string_view json) {
  if (path.size() > kMaxDepth) return;
  JsonObject* object = this;
  for (size_t i = 0; i + 1 < path.size(); ++i) {
    object = &Open(object->children_[std::string(path[i])]);
  }
  Child& leaf = object->children_[std::string(path.back())];
  leaf.object.reset();
  leaf.json = json;
}

bool JsonObject::IsObject(const Child& child) {
  const size_t begin = child.json.find_first_not_of(" \t\r\n");
  return child.object || (begin != std::string::npos && child.json[begin] == '{');
}

void JsonObject::Remove(const std::vector<std::string_view>& path) {
  if (path.size() > kMaxDepth) return;
  JsonObject* object = this;
  for (size_t i = 0; i + 1 < path.size(); ++i) {
    const auto child = object->children_.find(path[i]);
    if (child == object->children_.end() || !IsObject(child->second)) return;
    object = &Open(child->second);
  }
  const auto leaf = object->children_.find(path.back());
  if (leaf != object->children_.end()) object->children_.erase(leaf);
}

void JsonObject::Append(const Child& child, std::string& out) {
  if (child.object) {
    child.object->AppendTo(out);
  } else {
    out += child.json;
  }
}

void JsonObject::AppendTo(std::string& out) const {
  out.push_back('{');
  for (const auto& [key, child] : children_) {
    if (out.back() != '{') out.push_back(',');
    AppendJson(std::string_view(key), out);
    out.push_back(':');
    Append(child, out);
  }
  out.push_back('}');
}

std::string JsonObject::Text() const {
  std::string text;
  AppendTo(text);
  return text;
}

std::map<std::string, std::string> JsonObject::Members() const {
  std::map<std::string, std::string> members;
  for (const auto& [key, child] : children_) Append(child, members[key]);
  return members;
}

std::map<std::string, std::string> JsonObject::MembersOf(const std::string& key) const {
  const auto child = children_.find(key);
  if (child == children_.end()) return {};
  if (child->second.object) return child->second.object->Members();
  std::map<std::string, std::string> members;
  VisitMembers(child->second.json, [&](std::string member, std::string_view json) {
    members[std::move(member)] = json;
  });
  return members;
}

}  // namespace flarebridge::wandb
