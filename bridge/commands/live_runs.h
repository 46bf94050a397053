// Runs below a folder that come, go on and end while somebody watches: of each log only what has
// come is read. Used by `show --watch`. One thread.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <string>

#include "bridge/commands/show_list.h"
#include "bridge/plot/curves.h"
#include "receivers/readers.h"

namespace flarebridge {

class LiveRuns {
 public:
  // `curves` gets all rows.
  LiveRuns(std::string place, Curves curves);

  // Looks for runs, and at what has come of each. Gives whether anything is different. One that
  // can't be read is among the list's errors.
  bool Renew();

  const RunList& list() const { return list_; }
  const Curves& curves() const { return curves_; }

 private:
  struct Live {
    FoundRun found;
    std::unique_ptr<RunFollower> follower;  // null: can be read as a whole only
    std::shared_ptr<ListedRun> run;         // without an id: nothing was read yet
    std::string error;
    // Of the file, where there is no follower: seconds since the epoch, bytes.
    int64_t seconds = 0, nanoseconds = 0;
    uint64_t size = 0;
  };

  bool FindThem();
  bool Read(Live& live);
  void ReadWhat(Live& live);
  void BeginAnew(Live& live);
  bool HasChangedFile(Live& live);
  void MakeList();

  std::string place_;
  Curves curves_;
  std::map<std::filesystem::path, Live> runs_;
  RunList list_;
};

}  // namespace flarebridge
