// The files of a run on their way to the server's storage: wanted, asked for together, put one by
// one to the addresses that the server has signed. What was put is noted in the upload's state.
// Used by RunUpload; one thread.
#pragma once

#include <cstdint>
#include <deque>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <utility>

#include "events/clock.h"
#include "receivers/files/open_below.h"
#include "receivers/wandb/upload/api.h"
#include "receivers/wandb/upload/upload_state.h"

namespace flarebridge::wandb {

class FileUploads {
 public:
  using Time = Clock::time_point;

  // `folder`: the run's; `state`: what was put earlier, and is put from now on. It outlives this.
  FileUploads(std::filesystem::path folder, Links links, UploadState& state)
      : folder_(std::move(folder)), links_(links), state_(state) {}

  // A file below files/ is to be on the server, as it is now; nothing happens if it is. One that
  // is not there, or leads out of the folder, or is above 5 GiB, is in missing().
  void Want(const std::string& name, Time now);
  // The same of a file that was made here.
  void WantContent(const std::string& name, std::string content, Time now);

  // Some are wanted, and no address is asked for yet.
  bool waiting() const { return !wanted_.empty(); }
  // It is time to ask: they are many, or have waited for others.
  bool AskIsDue(Time now) const;
  // The server has said where the next one goes.
  bool addressed() const { return !addressed_.empty(); }

  // One request each. Ask: where the wanted ones go; Put: the next one there.
  Attempt Ask(Api& api, const RunAddress& run);
  Attempt Put(Api& api);
  // What became of Put(). It was answered well: noted in the state.
  void PutWasTaken();
  // It was not. True: the file is done with in another way (it is gone, or a new address is asked
  // for), and nothing has failed.
  bool PutIsSettled(const Attempt& attempt);

  // All is wanted anew by the log that is read anew.
  void Restart();
  // Files that the log names and that are not on their way, with the reason.
  const std::map<std::string, std::string>& missing() const { return missing_; }

 private:
  struct File {
    std::string name;
    std::optional<std::string> content;  // made here; else it is read from files/
    uint64_t size = 0;
    uint64_t stamp = 0;  // changes with the content
  };
  // Opens the file, and takes its size and stamp anew. Errors: as OpenBelow().
  Expected<UniqueFd> Open(File& file) const;
  void Add(File file, Time now);

  const std::filesystem::path folder_;
  const Links links_;
  UploadState& state_;
  std::deque<File> wanted_;  // no address asked for yet
  Time wanted_since_{};
  std::deque<std::pair<File, Api::Upload>> addressed_;
  std::map<std::string, std::string> missing_;
  bool gone_ = false;      // the file of the last Put()
  unsigned renewals_ = 0;  // of a signed address
};

}  // namespace flarebridge::wandb
