// Files of a run on their way to the server's storage: asks where they go and puts each there at
// once, for a signed address is valid for a while only. Made by FileUploads; carried out by any
// thread, beside the steps of the run's upload.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "events/clock.h"
#include "events/error.h"
#include "receivers/files/open_below.h"
#include "receivers/upload/retry_policy.h"
#include "receivers/upload/upload.h"
#include "receivers/wandb/upload/api.h"

namespace flarebridge::wandb {

struct RunFile {
  std::string name;  // below files/
  // Gives the content of a file that is made here; else it is read from files/. Any thread.
  std::function<Expected<std::string>()> make;
  uint64_t size = 0;
  uint64_t stamp = 0;  // changes with the content
  // What it has met until now.
  Clock::time_point due{};  // when it is sent next
  Retries retries;
  std::optional<Api::Upload> address;  // given a moment ago, and still to be used
  unsigned renewals = 0;               // of that
  bool alone = false;                  // it is asked for by itself
};

// Opens a file below files/, and takes its size and stamp anew. Errors: as OpenBelow().
Expected<UniqueFd> OpenRunFile(const std::filesystem::path& folder, Links links, RunFile& file);

class FileErrand : public Errand {
 public:
  enum class End {
    kNotTried,   // nobody has said where it goes, or one before it has met what it would meet
    kTaken,      // it is there
    kNoAddress,  // the server has no place for it
    kGone,       // it is not in the run's folder any more
    kFailed,     // as the attempt says
  };
  struct Item {
    RunFile file;
    End end = End::kNotTried;
    Attempt attempt{};
  };

  // `folder`: the run's. The account outlives this.
  FileErrand(std::filesystem::path folder, Links links, const Account& account, RunAddress run,
             std::vector<RunFile> files);
  void Run(HttpTransport& http) override;

  // Run() has been; what follows is read then.
  bool over() const { return over_.load(std::memory_order_acquire); }
  // The question where files go, if any had to be asked for; and for how many.
  const std::optional<Attempt>& asked() const { return asked_; }
  size_t asked_for() const { return asked_for_; }
  std::vector<Item>& items() { return items_; }

 private:
  // False: nothing more is to be done.
  bool Ask(Api& api);
  bool PutAll(Api& api);
  void Put(Api& api, const Api::Upload& upload, Item& item) const;
  Attempt PutContent(Api& api, const Api::Upload& upload, Item& item) const;

  const std::filesystem::path folder_;
  const Links links_;
  const Account& account_;
  const RunAddress run_;
  std::optional<Attempt> asked_;
  size_t asked_for_ = 0;
  std::vector<Item> items_;
  std::atomic<bool> over_ = false;
};

}  // namespace flarebridge::wandb
