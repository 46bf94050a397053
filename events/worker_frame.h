// The frames between the bridge and a worker, over one stream socket: 4 bytes length (little
// endian, of what follows), 1 byte kind, payload. Byte by byte in README.md. FrameReader cuts a
// stream into frames; the rest are the payloads. Plain values and one reader per socket: one thread
// each.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "events/error.h"
#include "events/link_message.h"
#include "events/run_spec.h"

namespace flarebridge {

enum class FrameKind : uint8_t {
  kOpen = 1,     // bridge to worker, first frame: which run, and what its receivers are to do
  kEvents = 2,   // bridge to worker: events with their journal positions
  kReady = 3,    // worker to bridge, first frame: the run is open; events up to here are in it
  kDurable = 4,  // worker to bridge: events up to here are on disk in every receiver
  kNotice = 5,   // worker to bridge: something a person should read
  kUpload = 6,  // worker to bridge: a file that is to be uploaded from now on, also when the worker
                // is gone
};

// A frame's bytes at most, its kind included.
inline constexpr size_t kMaxFrameBytes = kMaxBatchBytes + 64;

// Events whose positions in the journal are first_position, first_position + 1, ...
struct EventsFrame {
  uint64_t first_position = 0;
  uint32_t count = 0;
  std::string_view body;  // events one behind the other, as on the link
};

// Payloads (without length and kind). Errors: kMalformed, kInvalidName.
Expected<RunSpec> ParseOpen(std::string_view payload);
Expected<EventsFrame> ParseEvents(std::string_view payload);
Expected<uint64_t> ParsePosition(std::string_view payload);  // kReady and kDurable
Expected<Notice> ParseNotice(std::string_view payload);
Expected<std::string> ParseUpload(std::string_view payload);  // an absolute path

// Append a whole frame to out.
void AppendOpen(const RunSpec& spec, std::string& out);
void AppendEvents(const EventsFrame& events, std::string& out);
void AppendPosition(FrameKind kind, uint64_t position, std::string& out);
void AppendNotice(const Notice& notice, std::string& out);
void AppendUpload(std::string_view path, std::string& out);

// Cuts a byte stream into frames. Memory is bounded by kMaxFrameBytes and what was fed.
class FrameReader {
 public:
  struct Frame {
    FrameKind kind;
    std::string_view payload;  // valid until the next Feed()
  };
  // Takes over bytes as they arrive.
  void Feed(std::string_view bytes);
  // Gives the next whole frame, false if there is none yet. Errors: kTooLarge, kMalformed; the
  // stream can't be read any further then.
  Expected<bool> Next(Frame& frame);

 private:
  std::string buffer_;
  size_t start_ = 0;
};

}  // namespace flarebridge
