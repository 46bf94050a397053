// Decides which receivers want an event: a pure decision from the event's receiver names, site,
// writer and tag, and from what a receiver's arguments include or exclude. Used by the intake (is
// it wanted at all?) and by the worker (by which of its receivers?). Immutable once made: any
// thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "events/error.h"
#include "events/event.h"

namespace flarebridge {

class Filter {
 public:
  // From one receiver's name and arguments. Of the arguments it reads, each a list of texts or one
  // text: `include` and `exclude` (shell globs on a metric's name: the event's tag, or in a dict
  // its keys), `sites` (globs), `writers` (TENSORBOARD, MLFLOW, WANDB). A missing one lets
  // everything pass. Errors: kConfig.
  static Expected<Filter> Parse(std::string_view receiver, const Value& arguments);

  const std::string& receiver() const { return receiver_; }
  // Life-cycle events are wanted by the receivers of their site.
  bool Wants(const Event& event) const;
  // The event with what is wanted of a dict's keys, in `tape`, which must live as long as the
  // result; nothing if all of it is wanted. For an event that Wants() accepts.
  std::optional<Event> Narrowed(const Event& event, Tape& tape) const;

 private:
  bool WantsSite(std::string_view site) const;
  bool WantsData(const Data& data) const;
  bool WantsName(std::string_view name) const;

  std::string receiver_;
  std::vector<std::string> include_, exclude_, sites_;
  std::vector<Writer> writers_;
};

}  // namespace flarebridge
