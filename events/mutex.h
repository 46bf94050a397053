// A mutex that clang's thread-safety analysis understands, and the words that say what it guards.
// The compiler then tells who touches guarded data without the lock: GCC ignores the words, the
// `tidy` test reads them with clang (-Wthread-safety). tests/lint/layers.py keeps <mutex> out of
// all other files. Used by whatever has more than one thread; any thread.
#pragma once

#include <condition_variable>
#include <mutex>

#if defined(__clang__)
#define FLAREBRIDGE_THREADS(attribute) __attribute__((attribute))
#else
#define FLAREBRIDGE_THREADS(attribute)
#endif

// Of a member: touched only while that mutex is held.
#define GUARDED_BY(mutex) FLAREBRIDGE_THREADS(guarded_by(mutex))
// Of a function: its caller holds the mutex.
#define REQUIRES(mutex) FLAREBRIDGE_THREADS(requires_capability(mutex))

namespace flarebridge {

class FLAREBRIDGE_THREADS(capability("mutex")) Mutex {
 public:
  Mutex() = default;
  Mutex(const Mutex&) = delete;
  Mutex& operator=(const Mutex&) = delete;

 private:
  friend class MutexLock;
  std::mutex mutex_;
};

// Holds a mutex from here to the end of the block, but for what is between Unlock() and Lock().
class FLAREBRIDGE_THREADS(scoped_lockable) MutexLock {
 public:
  explicit MutexLock(Mutex& mutex) FLAREBRIDGE_THREADS(acquire_capability(mutex))
      FLAREBRIDGE_THREADS(no_thread_safety_analysis)
      : lock_(mutex.mutex_) {}
  ~MutexLock() FLAREBRIDGE_THREADS(release_capability()) {}
  MutexLock(const MutexLock&) = delete;
  MutexLock& operator=(const MutexLock&) = delete;

  void Lock() FLAREBRIDGE_THREADS(acquire_capability())
      FLAREBRIDGE_THREADS(no_thread_safety_analysis) {
    lock_.lock();
  }
  void Unlock() FLAREBRIDGE_THREADS(release_capability())
      FLAREBRIDGE_THREADS(no_thread_safety_analysis) {
    lock_.unlock();
  }
  // What a std::condition_variable waits with: it gives the mutex back meanwhile.
  std::unique_lock<std::mutex>& waitable() { return lock_; }

 private:
  std::unique_lock<std::mutex> lock_;
};

}  // namespace flarebridge
