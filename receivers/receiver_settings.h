// What one receiver of a session is to do: its name, which events it wants, where it writes, and
// its own arguments, all read from the user's arguments in one place. Who has one need not check
// anything again, and nothing behind it reads raw arguments. Made by the intake for a session and
// by the worker for its run; immutable once made: any thread.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "events/error.h"
#include "events/value.h"
#include "receivers/filter.h"

namespace flarebridge {

// The arguments that only one kind of receiver knows, checked; each derives a finalized type of its
// own.
class OwnArguments {
 public:
  virtual ~OwnArguments() = default;
};

class ReceiverSettings {
 public:
  // `folder`: where the receiver writes unless its argument `dir` names another; absolute. Errors:
  // kConfig (the filter's arguments). What is wrong with the receiver's own arguments is kept in
  // own(): the session's events are taken all the same.
  static Expected<ReceiverSettings> Parse(std::string_view name, const Value& arguments,
                                          const std::string& folder);
  // All receivers of a map from names to arguments; the first error.
  static Expected<std::vector<ReceiverSettings>> ParseAll(const Value& receivers,
                                                          const std::string& folder);

  const std::string& name() const { return filter_.receiver(); }
  const Filter& filter() const { return filter_; }
  // The user has named a folder.
  bool chooses_folder() const { return chooses_folder_; }
  // The receiver writes below it. A relative one that the user has named is below the session's.
  const std::string& folder() const { return folder_; }
  // Errors: kConfig (no such receiver, or an argument that it can't use); told by whoever opens it.
  const Expected<std::shared_ptr<const OwnArguments>>& own() const { return own_; }

 private:
  ReceiverSettings(Filter filter, Expected<std::shared_ptr<const OwnArguments>> own)
      : filter_(std::move(filter)), own_(std::move(own)) {}

  Filter filter_;
  bool chooses_folder_ = false;
  std::string folder_;
  Expected<std::shared_ptr<const OwnArguments>> own_;
};

}  // namespace flarebridge
