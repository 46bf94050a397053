// Tells once when a file is written by somebody on this machine (inotify), so that nobody looks at
// each of many quiet files again and again. What another machine writes into a shared file system
// is not noticed. Used by pools of uploads. Watch() and Forget() from any thread; the callback
// comes from a thread of its own.
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <thread>

#include "events/mutex.h"
#include "receivers/files/unique_fd.h"

namespace flarebridge {

class FileWatch {
 public:
  using Written = std::function<void(const std::filesystem::path& file)>;

  // nullptr: the system lets nobody watch any more, or not at all.
  static std::unique_ptr<FileWatch> Start(Written written);
  // No callback comes after it.
  ~FileWatch();
  FileWatch(const FileWatch&) = delete;
  FileWatch& operator=(const FileWatch&) = delete;

  // What is written to the file from now on is told: once, then it has to be watched anew. False:
  // it can't be watched (there is a limit of all of a user's watches together).
  bool Watch(const std::filesystem::path& file);
  void Forget(const std::filesystem::path& file);

 private:
  explicit FileWatch(Written written) : written_(std::move(written)) {}
  void Work();
  // Takes out the file of a watch that has come; empty if there is none.
  std::filesystem::path TakeOut(int watch);

  const Written written_;
  UniqueFd events_;
  UniqueFd stop_;
  Mutex mutex_;
  std::map<int, std::filesystem::path> files_ GUARDED_BY(mutex_);    // by watch
  std::map<std::filesystem::path, int> watches_ GUARDED_BY(mutex_);  // the same
  std::thread thread_;
};

}  // namespace flarebridge
