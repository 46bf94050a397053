#include "receivers/wandb/upload/json_object.h"

#include "receivers/json.h"

namespace flarebridge::wandb {

void JsonObject::Set(const std::vector<std::string_view>& path, std::string_view json) {
  JsonObject* object = this;
  for (size_t i = 0; i + 1 < path.size(); ++i) {
    Child& child = object->children_[std::string(path[i])];
    if (!child.object) child.object = std::make_unique<JsonObject>();
    object = child.object.get();
  }
  Child& leaf = object->children_[std::string(path.back())];
  leaf.object.reset();
  leaf.json = json;
}

void JsonObject::Remove(const std::vector<std::string_view>& path) {
  JsonObject* object = this;
  for (size_t i = 0; i + 1 < path.size(); ++i) {
    const auto child = object->children_.find(path[i]);
    if (child == object->children_.end() || !child->second.object) return;
    object = child->second.object.get();
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

}  // namespace flarebridge::wandb
