#include "receivers/wandb/upload/upload_choices.h"

#include <algorithm>
#include <string_view>
#include <utility>
#include <vector>

#include "receivers/wandb/upload/words.h"

namespace flarebridge::wandb {

Expected<std::map<std::string, std::string>> ParseTags(const std::string& text) {
  std::map<std::string, std::string> tags;
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = std::min(text.find(',', begin), text.size());
    const std::string_view pair = std::string_view(text).substr(begin, end - begin);
    begin = end + 1;
    const size_t sign = pair.find('=');
    const std::string_view old = Trimmed(pair.substr(0, sign));
    if (sign == std::string_view::npos || old.empty()) {
      return Fail(ErrorCode::kConfig,
                  "--replace-tags takes old=new pairs with commas between them, not \"" +
                      std::string(pair) + "\"");
    }
    tags.insert_or_assign(std::string(old), std::string(Trimmed(pair.substr(sign + 1))));
  }
  return tags;
}

RunRecord Chosen(RunRecord run, const UploadChoices& choices, const std::string& entity,
                 const std::string& project) {
  if (run.entity.empty()) run.entity = entity;
  if (run.project.empty()) run.project = project;
  for (const auto& [chosen, field] :
       {std::pair{&choices.entity, &run.entity}, std::pair{&choices.project, &run.project},
        std::pair{&choices.run_id, &run.run_id}, std::pair{&choices.job_type, &run.job_type}}) {
    if (!chosen->empty()) *field = *chosen;
  }
  std::vector<std::string> tags;
  for (const std::string& tag : run.tags) {
    const auto replaced = choices.tags.find(tag);
    const std::string& now = replaced == choices.tags.end() ? tag : replaced->second;
    if (!now.empty() && std::find(tags.begin(), tags.end(), now) == tags.end()) tags.push_back(now);
  }
  run.tags = std::move(tags);
  return run;
}

}  // namespace flarebridge::wandb
