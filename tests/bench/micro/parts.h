// The hot path's parts, each as an object that does its work for one batch of events or rows.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "bridge/intake/router.h"
#include "bridge/journal/journal.h"
#include "events/event_codec.h"
#include "receivers/filter.h"
#include "receivers/wandb/run/wandb_run.h"

namespace flarebridge::bench {

inline constexpr uint32_t kBatch = 512;  // events of one batch, as a shim sends them

// A batch of records of `values` values each, over `sites` sites, from step `first` on.
std::string MakeBatch(unsigned values, unsigned sites, uint64_t first);

// What the intake does with each event: decode, check, filter, route.
class Routing {
 public:
  explicit Routing(unsigned sites);
  // Gives a number that depends on all of the work.
  uint64_t Run();

 private:
  std::string batch_;
  EventDecoder decoder_;
  Filter filter_;
  Router router_;
  Router::Scope scope_;
};

// What a worker does: decode, merge steps, encode history and summary records, write.
class Writing {
 public:
  // Makes the rows beforehand, as they come from the bridge, for so many calls of Run().
  Writing(const std::filesystem::path& folder, unsigned values, unsigned batches);
  // The next batch of rows, flushed.
  void Run();

 private:
  std::vector<std::string> batches_;
  size_t next_ = 0;
  EventDecoder decoder_;
  std::unique_ptr<wandb::WandbRun> run_;
  uint64_t position_ = 0;
  Clock::time_point now_{};
};

// A commit: the batch as one slice, with its session's state.
class Storing {
 public:
  explicit Storing(const std::filesystem::path& folder);
  void Run();

 private:
  std::string batch_;
  std::unique_ptr<Journal> journal_;
  int64_t run_ = 0;
  uint64_t stored_ = 0;
};

}  // namespace flarebridge::bench
