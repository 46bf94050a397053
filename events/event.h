// What an event is: one metric, parameter, text, medium, operation or life-cycle message. Text and
// values are views into the bytes the event was decoded from (see event_codec.h for how long they
// live). The wire format is in README.md. Used by every folder; plain values, no thread rule.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <variant>

#include "events/value.h"

namespace flarebridge {

// NVFlare's AnalyticsDataType (nvflare/apis/analytix.py), and behind it ours; the numbers are the
// wire's.
enum class DataType : uint8_t {
  kUnknown = 0,  // a type that NVFlare may add later; its name is in extra["analytics_data_type"]
  kScalar = 1,
  kScalars = 2,
  kMetric = 3,
  kMetrics = 4,
  kParameter = 5,
  kParameters = 6,
  kTag = 7,
  kTags = 8,
  kText = 9,
  kImage = 10,
  kModel = 11,
  kLogRecord = 12,
  kInitData = 13,
  kMedia = 14,      // what a run's pages show besides numbers: its value is described in README.md
  kOperation = 15,  // something that is done to the run itself, e.g. a definition of a metric
};
inline constexpr uint8_t kLastDataType = 15;
// NVFlare's name of the type, e.g. "SCALAR", or ours.
std::string_view NameOf(DataType type);

// NVFlare's LogWriterName: which writer the user called.
enum class Writer : uint8_t { kUnknown = 0, kTensorBoard = 1, kMlflow = 2, kWandb = 3 };
inline constexpr uint8_t kLastWriter = 3;
// NVFlare's member name of the writer, e.g. "TORCH_TB".
std::string_view NameOf(Writer writer);

// All times are seconds since the epoch as the recording process read its clock.

// A shim has started: what all of its runs have in common.
struct SessionOpened {
  double time = 0;
  std::string_view job;       // job id, a checked name
  std::string_view run_name;  // the user's name for the run, a checked name
  std::string_view side;      // "server" or "client": which side of NVFlare streams
  std::string_view folder;    // absolute folder below which receivers write
  Value receivers;            // map: receiver's name -> map of its arguments
  // Of a session that shares its runs with others on purpose: map of `pid` (its process) and
  // `secondary` (bool: another one says how the runs end). Else null.
  Value writer = {};
};

// A site is known to take part: it gets a run even if it stays silent.
struct RunStarted {
  double time = 0;
  std::string_view site;
};

// One record of a site.
struct Data {
  double time = 0;
  std::string_view site;
  DataType type = DataType::kUnknown;
  Writer writer = Writer::kUnknown;
  std::string_view tag;
  Value value;
  std::optional<int64_t> step;  // 0 or above
  std::string_view path;        // empty: none
  Value receivers;              // list of receivers' names, or null: all of them
  Value extra;                  // map of the writer's further keyword arguments, or null
};

// A site's run is over.
struct RunEnded {
  double time = 0;
  std::string_view site;
  int32_t exit_code = 0;    // 0: finished, else failed
  std::string_view reason;  // for people; empty: none
};

// A shim is done: all of its runs are over.
struct SessionEnded {
  double time = 0;
  int32_t exit_code = 0;
  std::string_view reason;
};

using Event = std::variant<SessionOpened, RunStarted, Data, RunEnded, SessionEnded>;

// The site an event belongs to; empty for a session's own events.
std::string_view SiteOf(const Event& event);

}  // namespace flarebridge
