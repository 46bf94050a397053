// Values as JSON with the bare tokens NaN, Infinity and -Infinity, as W&B (wandb-core's
// simplejsonext) and Python's json.dumps write and read them. Used by every receiver that writes
// text, for every value of a row: all of it appends and allocates nothing else. Any thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "events/value.h"

namespace flarebridge {

// The last second of the year 9999, in seconds since the epoch: no later time fits into a text of
// RFC 3339, or into a record of protobuf (google/protobuf/timestamp.proto).
inline constexpr double kMaxTime = 253402300799;

// Append to out. Floats are the shortest text that reads back as the same double, with a mark of
// being one ("1.0", "1e+22"); integers keep all digits; binary becomes its size in words.
void AppendJson(const Value& value, std::string& out);
void AppendJson(double number, std::string& out);
void AppendJson(int64_t number, std::string& out);
void AppendJson(std::string_view text, std::string& out);
// The same in strict JSON, which readers of tables ask for: null for what is not finite, base64
// for binary.
void AppendStrictJson(const Value& value, std::string& out);
inline void AppendStrictJson(int64_t number, std::string& out) { AppendJson(number, out); }
inline void AppendStrictJson(std::string_view text, std::string& out) { AppendJson(text, out); }
// Seconds to the microsecond, from 0 to kMaxTime; what lies beyond becomes one of these. A double
// of today's time has no more digits that mean something, and this takes a third of the time.
void AppendSeconds(double seconds, std::string& out);

template <class T>
std::string ToJson(const T& value) {
  std::string out;
  AppendJson(value, out);
  return out;
}

}  // namespace flarebridge
