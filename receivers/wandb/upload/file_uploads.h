// The files of a run that are to be on the server: which are wanted, which go together next, and
// what became of those that went, each for itself: a file that is refused is given up, and no other
// one with it. What was put is noted in the upload's state. Used by RunUpload; one thread.
#pragma once

#include <cstdint>
#include <deque>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "events/clock.h"
#include "receivers/files/open_below.h"
#include "receivers/wandb/upload/file_errand.h"
#include "receivers/wandb/upload/upload_state.h"

namespace flarebridge::wandb {

class FileUploads {
 public:
  using Time = Clock::time_point;
  using Make = std::function<Expected<std::string>()>;

  // `folder`: the run's; `state`: what was put earlier, and is put from now on. It outlives this.
  FileUploads(std::filesystem::path folder, Links links, UploadState& state)
      : folder_(std::move(folder)), links_(links), state_(state) {}

  // A file below files/ is to be on the server, as it is now; nothing happens if it is. One that
  // is not there, or leads out of the folder, or is above 5 GiB, is in missing().
  void Want(const std::string& name, Time now);
  // The same of a file that is made here: now, and once more when it is sent.
  void WantMade(const std::string& name, Make make, Time now);

  // All that were wanted are there, or given up.
  bool idle() const { return wanted_.empty() && on_their_way_.empty(); }
  // When the next ones may go; nothing: none waits, or enough are on their way. `at_once`: nothing
  // is gained by waiting for more.
  std::optional<Time> DueAt(bool at_once) const;
  // Those that are due at that time; there is one at least.
  std::shared_ptr<Errand> Send(const Account& account, const RunAddress& run, Time now);

  // What has come of a file or a question since the last call.
  struct News {
    bool any = false;                // the state has changed
    std::vector<Attempt> questions;  // to the server itself
  };
  // Errors: kForbidden (the server does not let this account ask), kIo (it has not answered for too
  // long).
  Expected<News> Collect(const Patience& patience, Time now);

  // All is wanted anew by the log that is read anew.
  void Restart() { wanted_.clear(); }
  // Files that the log names and that are not on their way, with the reason.
  const std::map<std::string, std::string>& missing() const { return missing_; }
  // What the next try of a file waits for, or empty.
  const std::string& trouble() const { return trouble_; }

 private:
  void Add(RunFile file, Time now);
  void GiveUp(const RunFile& file, const std::string& why);
  // Its address could not be had; `alone`: nothing else was asked for.
  Expected<void> SettleUnasked(RunFile& file, const Attempt& asked, bool alone,
                               const Patience& patience, Time now);
  void Settle(FileErrand::Item& item, const Patience& patience, Time now);

  const std::filesystem::path folder_;
  const Links links_;
  UploadState& state_;
  std::deque<RunFile> wanted_;
  Time wanted_since_{};
  std::vector<std::shared_ptr<FileErrand>> on_their_way_;
  std::map<std::string, uint64_t> sending_;   // their names and stamps
  std::map<std::string, uint64_t> given_up_;  // the same of those that are not tried again
  std::map<std::string, std::string> missing_;
  std::string trouble_;
  // Since it has taken none, and when it is asked again if it did not answer.
  Retries storage_;
  Time storage_due_{};
};

}  // namespace flarebridge::wandb
