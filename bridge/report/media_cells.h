// Values of a row that are objects with a type of their own ("_type": images, histograms), put
// together again: a log has them as one object, or as a cell for each of their members
// ("picture._type", "picture.path", ...). Used by ReportData. One thread.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "receivers/run_reader.h"

namespace flarebridge {

struct MediaValue {
  std::string_view key;
  std::string_view type;                                               // as it stands in the JSON
  std::vector<std::pair<std::string_view, std::string_view>> members;  // name -> JSON

  // The member's JSON; empty: there is none.
  std::string_view Find(std::string_view name) const;
};

class MediaCells {
 public:
  // Looks at a row, whose cells live until the next call.
  void Take(const Row& row);

  const std::vector<MediaValue>& values() const { return values_; }
  // Whether a cell of the row is a part of one of these.
  bool Holds(size_t cell) const { return !values_.empty() && held_[cell]; }

 private:
  void FindValues(const Row& row);
  void FindMembers(const Row& row);

  std::vector<MediaValue> values_;
  std::vector<bool> held_;  // by cell
};

}  // namespace flarebridge
