#include "events/event_codec.h"

#include <cmath>

#include "events/field_reader.h"
#include "events/field_writer.h"
#include "events/names.h"
#include "events/value_size.h"

namespace flarebridge {
namespace {

enum class Kind : uint8_t {
  kSessionOpened = 0,
  kRunStarted = 1,
  kData = 2,
  kRunEnded = 3,
  kSessionEnded = 4
};

// Of the receivers' arguments: they travel to the workers in a frame with more fields beside them,
// which must be within kMaxNodes, too.
constexpr uint32_t kMaxReceiverNodes = kMaxNodes - 1024;
// Each has a place in that frame, and in what a worker says (worker_frame.h).
constexpr uint32_t kMaxReceivers = 64;

// Reads fields 1.. of an event in order; what is wrong is kept in the reader.
Event ReadSessionOpened(FieldReader& in) {
  SessionOpened e;
  e.time = in.Time("time");
  e.job = in.Name("job");
  e.run_name = in.Name("run_name");
  e.side = in.Text("side");
  e.folder = in.Text("folder");
  e.receivers = in.Map("receivers");
  if (e.receivers.node().span > kMaxReceiverNodes)
    in.Reject(ErrorCode::kTooLarge, "the receivers' arguments are more than 64512 values");
  if (e.receivers.size() > kMaxReceivers) in.Reject(ErrorCode::kTooLarge, "more than 64 receivers");
  if (!in.AtEnd()) e.writer = in.OptionalMap("writer");
  return e;
}

Event ReadRunStarted(FieldReader& in) {
  RunStarted e;
  e.time = in.Time("time");
  e.site = in.Name("site");
  return e;
}

Event ReadData(FieldReader& in) {
  Data e;
  e.time = in.Time("time");
  e.site = in.Name("site");
  // A type or writer that a later NVFlare adds is not malformed; it is only unknown here.
  const uint64_t type = in.Unsigned("type", UINT8_MAX);
  e.type = type <= kLastDataType ? static_cast<DataType>(type) : DataType::kUnknown;
  const uint64_t writer = in.Unsigned("writer", UINT8_MAX);
  e.writer = writer <= kLastWriter ? static_cast<Writer>(writer) : Writer::kUnknown;
  e.tag = in.Text("tag");
  if (e.tag.empty() || e.tag.size() > kMaxTagBytes) {
    in.Reject(ErrorCode::kInvalidName, "tag must be 1 to 4096 bytes");
  }
  e.value = in.Any("value");
  e.step = in.OptionalStep("step");
  if (in.AtEnd()) return e;
  e.path = in.OptionalText("path");
  if (in.AtEnd()) return e;
  e.receivers = in.OptionalList("receivers");
  if (in.AtEnd()) return e;
  e.extra = in.OptionalMap("extra");
  return e;
}

Event ReadRunEnded(FieldReader& in) {
  RunEnded e;
  e.time = in.Time("time");
  e.site = in.Name("site");
  e.exit_code = in.ExitCode("exit_code");
  e.reason = in.Text("reason");
  return e;
}

Event ReadSessionEnded(FieldReader& in) {
  SessionEnded e;
  e.time = in.Time("time");
  e.exit_code = in.ExitCode("exit_code");
  e.reason = in.Text("reason");
  return e;
}

Expected<Event> ReadEvent(const Tape& tape) {
  FieldReader in("event", Value(tape.data()));
  const uint64_t kind = in.Unsigned("kind", UINT8_MAX);
  if (in.error()) return tl::unexpected<Error>(*in.error());
  Event event;
  switch (kind) {
    case static_cast<uint64_t>(Kind::kSessionOpened):
      event = ReadSessionOpened(in);
      break;
    case static_cast<uint64_t>(Kind::kRunStarted):
      event = ReadRunStarted(in);
      break;
    case static_cast<uint64_t>(Kind::kData):
      event = ReadData(in);
      break;
    case static_cast<uint64_t>(Kind::kRunEnded):
      event = ReadRunEnded(in);
      break;
    case static_cast<uint64_t>(Kind::kSessionEnded):
      event = ReadSessionEnded(in);
      break;
    default:
      return Fail(ErrorCode::kUnsupported, "event kind " + std::to_string(kind) + " is not known");
  }
  if (in.error()) return tl::unexpected<Error>(*in.error());
  return event;
}

// Fields behind the last one that says something are left out.
uint32_t FieldsOf(const Data& e) {
  if (!e.extra.IsNull()) return 11;
  if (!e.receivers.IsNull()) return 10;
  return e.path.empty() ? 8 : 9;
}

struct EventWriter {
  FieldWriter& out;

  void operator()(const SessionOpened& e) {
    const uint32_t fields = e.writer.IsNull() ? 7 : 8;
    out.Begin(fields).Unsigned(0).Float(e.time).Text(e.job).Text(e.run_name).Text(e.side);
    out.Text(e.folder).Any(e.receivers);
    if (fields >= 8) out.Any(e.writer);
  }
  void operator()(const RunStarted& e) { out.Begin(3).Unsigned(1).Float(e.time).Text(e.site); }
  void operator()(const Data& e) {
    const uint32_t fields = FieldsOf(e);
    out.Begin(fields).Unsigned(2).Float(e.time).Text(e.site);
    out.Unsigned(static_cast<uint64_t>(e.type)).Unsigned(static_cast<uint64_t>(e.writer));
    out.Text(e.tag).Any(e.value);
    if (e.step) {
      out.Unsigned(static_cast<uint64_t>(*e.step));
    } else {
      out.Null();
    }
    if (fields >= 9) e.path.empty() ? out.Null() : out.Text(e.path);
    if (fields >= 10) out.Any(e.receivers);
    if (fields >= 11) out.Any(e.extra);
  }
  void operator()(const RunEnded& e) {
    out.Begin(5).Unsigned(3).Float(e.time).Text(e.site).Signed(e.exit_code).Text(e.reason);
  }
  void operator()(const SessionEnded& e) {
    out.Begin(4).Unsigned(4).Float(e.time).Signed(e.exit_code).Text(e.reason);
  }
};

}  // namespace

DecodedEvent EventDecoder::Decode(std::string_view bytes) {
  // One byte more than allowed is enough to see that an event is too large.
  const std::string_view window = bytes.substr(0, kMaxEventBytes + 1);
  size_t whole = 0;
  const Expected<size_t> taken = DecodeValue(window, tape_, &whole);
  if (taken && *taken <= kMaxEventBytes) return {*taken, ReadEvent(tape_)};
  // An event that breaks a limit ends somewhere all the same, and others stand behind it.
  if (whole == 0) whole = SizeOfValue(bytes);
  if (whole > kMaxEventBytes)
    return {whole, Fail(ErrorCode::kTooLarge, "an event has more than 1 MiB")};
  return {whole, Propagate(taken)};
}

void EncodeEvent(const Event& event, std::string& out) {
  FieldWriter writer(out);
  std::visit(EventWriter{writer}, event);
}

}  // namespace flarebridge
