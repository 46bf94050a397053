// The W&B receiver's own arguments (NVFlare's wandb_args), read and checked in this one place. Made
// through the receivers' registry, used by the run that they are for. Immutable once made: any
// thread.
#pragma once

#include <array>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "events/error.h"
#include "events/value.h"
#include "receivers/receiver_argument.h"
#include "receivers/receiver_settings.h"

namespace flarebridge::wandb {

// What WandbArguments reads and people may set for runs that were left. What a standalone run is
// called is its script's word alone.
inline constexpr std::array<ReceiverArgument, 10> kArguments = {
    {{"id", ArgumentKind::kText},
     {"project", ArgumentKind::kText},
     {"entity", ArgumentKind::kText},
     {"job_type", ArgumentKind::kText},
     {"notes", ArgumentKind::kText},
     {"tags", ArgumentKind::kTexts},
     {"config", ArgumentKind::kMap},
     {"prefix_scalars", ArgumentKind::kFlag},
     {"system", ArgumentKind::kFlag},
     {"mode", ArgumentKind::kText}}};

class WandbArguments : public OwnArguments {
 public:
  // Reads id, project, entity, job_type, notes, tags, config, prefix_scalars, system and mode; each
  // may be missing, others are left alone; of a standalone run name and group as well. Errors:
  // kConfig (an argument of the wrong type, a project that W&B would refuse, a mode that is neither
  // offline nor online, a standalone run without an id that can be a file's name).
  static Expected<WandbArguments> Parse(const Value& arguments);

  // The run is a script's own and not a job's: its id, name and group are as they stand, and its
  // config is the user's alone.
  bool standalone() const { return standalone_; }
  // The user's part of the run's id, or empty; of a standalone run, all of it.
  const std::string& id() const { return id_; }
  const std::string& name() const { return name_; }        // of a standalone run
  const std::string& group() const { return group_; }      // of a standalone run
  const std::string& project() const { return project_; }  // "uncategorized" if none was given
  const std::string& entity() const { return entity_; }
  const std::string& job_type() const { return job_type_; }
  const std::string& notes() const { return notes_; }
  const std::vector<std::string>& tags() const { return tags_; }
  // Keys and their values in JSON, in the user's order.
  const std::vector<std::pair<std::string, std::string>>& config() const { return config_; }
  // Keys of TensorBoard's add_scalars are "<tag>/<key>".
  bool prefix_scalars() const { return prefix_scalars_; }
  // The run tells of the machine that writes it: host, kernel, paths, processors, memory, load.
  bool system() const { return system_; }
  bool online() const { return online_; }

 private:
  WandbArguments() = default;

  std::string id_, name_, group_, project_, entity_, job_type_, notes_;
  std::vector<std::string> tags_;
  std::vector<std::pair<std::string, std::string>> config_;
  bool prefix_scalars_ = false;
  bool system_ = true;
  bool online_ = false;
  bool standalone_ = false;
};

// What W&B takes of a tag: its first 64 characters.
std::string_view FitTag(std::string_view text);

}  // namespace flarebridge::wandb
