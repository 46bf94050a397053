// The frames between the bridge and a worker, or its uploader, over one stream socket: 4 bytes
// length (little endian, of what follows), 1 byte kind, payload. Byte by byte in README.md.
// FrameReader cuts a stream into frames; the rest are the payloads. Plain values and one reader per
// socket: one thread each.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "events/error.h"
#include "events/link_message.h"
#include "events/run_spec.h"

namespace flarebridge {

enum class FrameKind : uint8_t {
  kOpen = 1,     // bridge to worker, first frame: which run, and what its receivers are to do
  kEvents = 2,   // bridge to worker: events with their journal positions
  kReady = 3,    // worker to bridge: the run is open; how each receiver is
  kDurable = 4,  // worker to bridge: how each receiver is now
  kNotice = 5,   // worker to bridge: something a person should read
  kUpload =
      6,  // worker to bridge: what is to be uploaded from now on, also when the worker is gone
  kOpening = 7,  // worker to bridge, again and again before kReady: it reads what is there, and
                 // gets on; no payload
  kStop = 8,     // uploader to bridge: somebody has asked on the server that a run be stopped
};

// A frame's bytes at most, its kind included.
inline constexpr size_t kMaxFrameBytes = kMaxBatchBytes + 64;

// The run, and which of its receivers are to be opened: those that were given up are not.
struct OpenFrame {
  struct Receiver {
    std::string name;
    uint64_t durable = 0;  // up to here it has said that it has the events on disk
  };
  RunSpec run;  // its `durable` is not carried: each receiver has its own
  std::vector<Receiver> receivers;
};

// How one receiver of a run is.
enum class ReceiverCondition : uint8_t {
  kLives = 1,
  kFailed = 2,   // closed; it may be opened again later
  kRefuses = 3,  // closed; trying again does not help
};
struct ReceiverStatus {
  std::string name;
  uint64_t durable = 0;  // events up to here that it wants are in it, on disk
  ReceiverCondition condition = ReceiverCondition::kLives;
  std::string why = {};  // it failed, for a person
};

// What a receiver wrote and an upload is to follow (receivers/upload_target.h).
struct UploadFrame {
  std::string_view kind;
  std::string_view path;  // absolute
};

// Where an upload goes, somebody has asked that its run be stopped.
struct StopFrame {
  UploadFrame target;      // what is uploaded
  std::string_view words;  // for a person, what a run "was": "asked to stop in W&B (URL)"
};

// Events whose positions in the journal are first_position, first_position + 1, ...
struct EventsFrame {
  uint64_t first_position = 0;
  uint32_t count = 0;
  std::string_view body;  // events one behind the other, as on the link
};

// Payloads (without length and kind). Errors: kMalformed, kInvalidName.
Expected<OpenFrame> ParseOpen(std::string_view payload);
Expected<EventsFrame> ParseEvents(std::string_view payload);
Expected<std::vector<ReceiverStatus>> ParseStatus(std::string_view payload);  // kReady, kDurable
Expected<Notice> ParseNotice(std::string_view payload);
Expected<UploadFrame> ParseUpload(std::string_view payload);
Expected<StopFrame> ParseStop(std::string_view payload);

// Append a whole frame to out.
void AppendOpen(const OpenFrame& open, std::string& out);
void AppendEvents(const EventsFrame& events, std::string& out);
void AppendStatus(FrameKind kind, const std::vector<ReceiverStatus>& receivers, std::string& out);
void AppendNotice(const Notice& notice, std::string& out);
void AppendUpload(const UploadFrame& upload, std::string& out);
void AppendOpening(std::string& out);
void AppendStop(const StopFrame& stop, std::string& out);

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
