// The wire form of events: msgpack arrays, described field by field in README.md. Used by the link
// (to check what arrives), by the worker (to apply it) and by whoever makes events in C++.
// Decoded events point into the bytes and into the decoder's tape: they are valid until the next
// Decode() and as long as the bytes are. One decoder per thread.
#pragma once

#include <string>
#include <string_view>

#include "events/event.h"

namespace flarebridge {

// Version of the wire format and of the journal's content. A reader refuses all others.
inline constexpr uint32_t kWireVersion = 1;
// One event's bytes at most; the shim enforces it before sending.
inline constexpr size_t kMaxEventBytes = size_t{1} << 20;

struct DecodedEvent {
  // Bytes taken, also by an event that is rejected; 0 if the bytes are no whole msgpack value, so
  // that nothing behind them is readable.
  size_t size = 0;
  Expected<Event> event;
};

class EventDecoder {
 public:
  // Decodes the event at the start of `bytes`. Errors: kMalformed (not msgpack, fields missing or
  // of the wrong type), kTooLarge (kMaxEventBytes, depth, count), kInvalidName (site, job, run,
  // tag), kUnsupported (an event kind of a later version).
  DecodedEvent Decode(std::string_view bytes);

 private:
  Tape tape_;
};

// Appends the event's wire form to out.
void EncodeEvent(const Event& event, std::string& out);

}  // namespace flarebridge
