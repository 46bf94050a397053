// The messages between a shim and the bridge, as they travel in ZeroMQ frames: a header frame (one
// msgpack array) and, for a batch, a body frame of events one behind the other. Byte by byte in
// README.md. Parsed messages own what they hold, except a batch's body. Plain values, any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "events/error.h"

namespace flarebridge {

// Bytes of a header frame at most.
inline constexpr size_t kMaxHeaderBytes = 4096;
// Bytes of a batch's body at most: one event of the largest size always fits.
inline constexpr size_t kMaxBatchBytes = size_t{2} << 20;
// Events of a batch at most.
inline constexpr uint32_t kMaxBatchEvents = 4096;

// --- shim to bridge ---
// First message of a connection, and again whenever the bridge asks for it.
struct Hello {
  uint32_t version = 0;
  std::string session;  // 32 lower-case hex digits, made by the shim, the same after a reconnection
  std::string producer;  // program and version, for the log
};
// Events first_seq, first_seq + 1, ... of the session, which counts from 1.
struct Batch {
  uint64_t first_seq = 0;
  uint32_t count = 0;
  std::string_view body;  // view into the second frame
};
// Asks for an Ack, so that either side sees that the other lives.
struct Ping {};
// Everything is acknowledged and nothing will follow.
struct Bye {};
using ShimMessage = std::variant<Hello, Batch, Ping, Bye>;

// --- bridge to shim ---
struct Welcome {
  uint32_t version = 0;
  std::string bridge;         // program and version
  uint64_t acked_seq = 0;     // all events up to here are durable; send from the next one on
  uint64_t credit_bytes = 0;  // event bytes the shim may have sent without an acknowledgement
  uint32_t heartbeat_ms = 0;  // a shim that has nothing to send pings this often
  // Absolute: the folder in which the session's own, of its id, is made for large values; empty:
  // there is none, or the bridge is older than this field.
  std::string spool = {};
};
struct Ack {
  uint64_t acked_seq = 0;  // cumulative
  uint64_t credit_bytes = 0;
  uint64_t rejected = 0;  // events of the session refused so far as malformed
  // Events of the session's runs that are stored and not on disk in their receivers. Told once the
  // session's end is stored; nothing: it is not, or the bridge is older than this field.
  std::optional<uint64_t> unwritten = {};
};
// Something a person should read in the job's log.
enum class NoticeLevel : uint8_t { kInfo = 1, kWarning = 2, kError = 3 };
// What a notice is beyond its words. One of a later version counts as words.
enum class NoticeKind : uint8_t {
  kWords = 0,
  kStop = 1,  // somebody has asked where the run is shown that it be stopped
};
struct Notice {
  NoticeLevel level = NoticeLevel::kInfo;
  std::string text;
  NoticeKind kind = NoticeKind::kWords;
};
enum class RefusalCode : uint8_t {
  kUnknownSession = 1,  // no Hello on this connection: say hello, then resend
  kVersion = 2,         // final: the other side speaks another version
  kMalformed = 3,       // final: the message makes no sense
  kForbidden = 4,       // final: not this user
  kGap = 5,             // a batch does not join the last one: say hello, then resend
  kFull = 6,            // no room for now: keep everything, and say hello again after a while
};
struct Refusal {
  RefusalCode code = RefusalCode::kMalformed;
  std::string text;
};
using BridgeMessage = std::variant<Welcome, Ack, Notice, Refusal>;

// Errors: kMalformed, kTooLarge, kUnsupported (a message kind of a later version).
// `body` is the second frame, empty where there is none.
Expected<ShimMessage> ParseShimMessage(std::string_view header, std::string_view body);
Expected<BridgeMessage> ParseBridgeMessage(std::string_view header);

// The header frame. A batch's body is the caller's second frame.
std::string EncodeHeader(const ShimMessage& message);
std::string EncodeHeader(const BridgeMessage& message);

}  // namespace flarebridge
