// The latest values of keys, as many as are kept: a log may have any number. Used by those who read
// logs for people. One thread.
#pragma once

#include <cstddef>
#include <map>
#include <string>

namespace flarebridge {

class LatestValues {
 public:
  // A line that W&B takes has less than a million keys.
  static constexpr size_t kMaxKeys = size_t{1} << 20;
  static constexpr size_t kMaxBytes = size_t{64} << 20;  // of keys and values

  // `values`: key -> JSON, empty until now.
  explicit LatestValues(std::map<std::string, std::string>& values) : values_(values) {}

  // False: it is not kept, because there are too many.
  bool Set(const std::string& key, std::string json);
  void Remove(const std::string& key);

 private:
  std::map<std::string, std::string>& values_;
  size_t bytes_ = 0;
};

}  // namespace flarebridge
