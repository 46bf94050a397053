// Changes of receivers' arguments as a person types them, `wandb.project=NAME`, for runs whose job
// had arguments that can't be carried out. Read and checked here as a job's are. Used by `serve`,
// and by the bridge on what its journal remembers. Plain values, any thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "events/error.h"
#include "events/value.h"

namespace flarebridge {

class ArgumentChanges {
 public:
  // Adds RECEIVER.ARGUMENT=VALUE; the last one of an argument counts. Lists are separated by
  // commas. Without a VALUE the argument is taken away. Errors: kConfig (there is no such receiver
  // or argument, with the nearest name; the value is not of its kind).
  Expected<void> Add(std::string_view typed);

  bool empty() const { return changes_.empty(); }
  // Folders that the changes name, absolute.
  std::vector<std::string> Folders() const;
  // A receiver that they are about, or all of them with commas.
  bool IsAbout(std::string_view receiver) const;
  std::string Receivers() const;
  // A map from receivers to arguments with the changes of those it has.
  Document AppliedTo(const Value& receivers) const;

 private:
  struct Change {
    std::string receiver, argument;
    Document value;  // null: the argument is taken away
  };
  const Change* Find(std::string_view receiver, std::string_view argument) const;

  std::vector<Change> changes_;
};

// The arguments for which the receiver refuses them: without these, it would not. Empty: it takes
// them, or refuses them for something else.
std::vector<std::string> RefusedArguments(std::string_view receiver, const Value& arguments);

}  // namespace flarebridge
