#include "events/worker_frame.h"

#include <cstring>
#include <optional>

#include "events/field_reader.h"
#include "events/field_writer.h"

namespace flarebridge {
namespace {

constexpr size_t kLengthBytes = 4;
constexpr auto kLastCondition = static_cast<uint64_t>(ReceiverCondition::kRefuses);
constexpr size_t kEventsHeaderBytes = 12;  // 8 bytes position, 4 bytes count

template <class Number>
void AppendLittleEndian(Number number, std::string& out) {
  for (size_t i = 0; i < sizeof(Number); ++i) {
    out.push_back(static_cast<char>((number >> (8 * i)) & 0xff));
  }
}

template <class Number>
Number ReadLittleEndian(std::string_view bytes) {
  Number number = 0;
  for (size_t i = 0; i < sizeof(Number); ++i) {
    number |= static_cast<Number>(static_cast<unsigned char>(bytes[i])) << (8 * i);
  }
  return number;
}

// Appends length and kind, lets `payload` append the rest, then fills in the length.
template <class Payload>
void AppendFrame(FrameKind kind, std::string& out, Payload payload) {
  const size_t start = out.size();
  AppendLittleEndian<uint32_t>(0, out);
  out.push_back(static_cast<char>(kind));
  payload();
  std::string length;
  AppendLittleEndian(static_cast<uint32_t>(out.size() - start - kLengthBytes), length);
  out.replace(start, kLengthBytes, length);
}

}  // namespace

Expected<OpenFrame> ParseOpen(std::string_view payload) {
  Tape tape;
  const Expected<size_t> taken = DecodeValue(payload, tape);
  if (!taken) return Propagate(taken);
  FieldReader in("open", Value(tape.data()));
  OpenFrame open;
  RunSpec& spec = open.run;
  spec.journal = in.Text("journal");
  spec.job = in.Name("job");
  spec.site = in.Name("site");
  spec.run_name = in.Name("run_name");
  spec.side = in.Text("side");
  spec.folder = in.Text("folder");
  spec.owner = in.Text("owner");
  spec.started = in.Time("started");
  in.OptionalList("durable").ForEachItem([&](Value item) {
    FieldReader receiver("receiver", item);
    OpenFrame::Receiver& read = open.receivers.emplace_back();
    read.name = receiver.Text("name");
    read.durable = receiver.Unsigned("durable", UINT64_MAX);
    if (receiver.error()) in.Reject(receiver.error()->code, receiver.error()->message);
  });
  spec.receivers = Document::Copy(in.Map("receivers"));
  if (!in.AtEnd()) spec.blobs = in.Text("blobs");
  if (in.error()) return tl::unexpected<Error>(*in.error());
  return open;
}

Expected<EventsFrame> ParseEvents(std::string_view payload) {
  if (payload.size() < kEventsHeaderBytes) return Fail(ErrorCode::kMalformed, "events: cut short");
  EventsFrame events;
  events.first_position = ReadLittleEndian<uint64_t>(payload);
  events.count = ReadLittleEndian<uint32_t>(payload.substr(8));
  events.body = payload.substr(kEventsHeaderBytes);
  return events;
}

Expected<std::vector<ReceiverStatus>> ParseStatus(std::string_view payload) {
  Tape tape;
  const Expected<size_t> taken = DecodeValue(payload, tape);
  if (!taken) return Propagate(taken);
  const Value list(tape.data());
  if (list.kind() != ValueKind::kList) return Fail(ErrorCode::kMalformed, "status: not a list");
  std::vector<ReceiverStatus> receivers;
  std::optional<Error> wrong;
  list.ForEachItem([&](Value item) {
    FieldReader in("status", item);
    ReceiverStatus& read = receivers.emplace_back();
    read.name = in.Text("name");
    read.durable = in.Unsigned("durable", UINT64_MAX);
    const uint64_t condition = in.Unsigned("condition", kLastCondition);
    if (condition == 0) in.Reject(ErrorCode::kMalformed, "the condition is not known");
    read.condition = static_cast<ReceiverCondition>(condition);
    read.why = in.Text("why");
    if (in.error()) wrong = in.error();
  });
  if (wrong) return tl::unexpected<Error>(*wrong);
  return receivers;
}

Expected<Notice> ParseNotice(std::string_view payload) {
  if (payload.empty()) return Fail(ErrorCode::kMalformed, "an empty notice");
  const auto level = static_cast<uint8_t>(payload[0]);
  if (level < 1 || level > 3 || !IsUtf8(payload)) {
    return Fail(ErrorCode::kMalformed, "a notice's level is not known, or it is not text");
  }
  return Notice{static_cast<NoticeLevel>(level), std::string(payload.substr(1))};
}

Expected<UploadFrame> ParseUpload(std::string_view payload) {
  // The kind is a word, so that the first slash begins the path.
  const size_t slash = payload.find('/');
  if (slash == std::string_view::npos || slash == 0 ||
      payload.find_first_of(std::string_view("\0\n", 2)) != std::string_view::npos)
    return Fail(ErrorCode::kMalformed, "what is to be uploaded has no kind or no absolute path");
  return UploadFrame{payload.substr(0, slash), payload.substr(slash)};
}

Expected<StopFrame> ParseStop(std::string_view payload) {
  const size_t line = payload.find('\n');
  if (line == std::string_view::npos || !IsUtf8(payload.substr(line)))
    return Fail(ErrorCode::kMalformed, "what is to be stopped has no words, or they are not text");
  const Expected<UploadFrame> target = ParseUpload(payload.substr(0, line));
  if (!target) return Propagate(target);
  return StopFrame{*target, payload.substr(line + 1)};
}

void AppendOpen(const OpenFrame& open, std::string& out) {
  AppendFrame(FrameKind::kOpen, out, [&] {
    const RunSpec& spec = open.run;
    FieldWriter writer(out);
    writer.Begin(11).Text(spec.journal).Text(spec.job).Text(spec.site).Text(spec.run_name);
    writer.Text(spec.side).Text(spec.folder).Text(spec.owner).Float(spec.started);
    writer.Begin(static_cast<uint32_t>(open.receivers.size()));
    for (const OpenFrame::Receiver& receiver : open.receivers)
      writer.Begin(2).Text(receiver.name).Unsigned(receiver.durable);
    writer.Any(spec.receivers.root()).Text(spec.blobs);
  });
}

void AppendEvents(const EventsFrame& events, std::string& out) {
  AppendFrame(FrameKind::kEvents, out, [&] {
    AppendLittleEndian(events.first_position, out);
    AppendLittleEndian(events.count, out);
    out.append(events.body);
  });
}

void AppendStatus(FrameKind kind, const std::vector<ReceiverStatus>& receivers, std::string& out) {
  AppendFrame(kind, out, [&] {
    FieldWriter writer(out);
    writer.Begin(static_cast<uint32_t>(receivers.size()));
    for (const ReceiverStatus& receiver : receivers) {
      writer.Begin(4).Text(receiver.name).Unsigned(receiver.durable);
      writer.Unsigned(static_cast<uint64_t>(receiver.condition)).Text(receiver.why);
    }
  });
}

void AppendNotice(const Notice& notice, std::string& out) {
  AppendFrame(FrameKind::kNotice, out, [&] {
    out.push_back(static_cast<char>(notice.level));
    out.append(notice.text);
  });
}

void AppendUpload(const UploadFrame& upload, std::string& out) {
  AppendFrame(FrameKind::kUpload, out, [&] { out.append(upload.kind).append(upload.path); });
}

void AppendOpening(std::string& out) {
  AppendFrame(FrameKind::kOpening, out, [] {});
}

void AppendStop(const StopFrame& stop, std::string& out) {
  AppendFrame(FrameKind::kStop, out, [&] {
    out.append(stop.target.kind).append(stop.target.path).append(1, '\n').append(stop.words);
  });
}

void FrameReader::Feed(std::string_view bytes) {
  // What was handed out is dropped here, so that views stay valid until now.
  buffer_.erase(0, start_);
  start_ = 0;
  buffer_.append(bytes);
}

Expected<bool> FrameReader::Next(Frame& frame) {
  const std::string_view rest = std::string_view(buffer_).substr(start_);
  if (rest.size() < kLengthBytes) return false;
  const auto length = ReadLittleEndian<uint32_t>(rest);
  if (length == 0 || length > kMaxFrameBytes) {
    return Fail(ErrorCode::kTooLarge, "a frame of " + std::to_string(length) + " bytes");
  }
  if (rest.size() < kLengthBytes + length) return false;
  const auto kind = static_cast<uint8_t>(rest[kLengthBytes]);
  if (kind < 1 || kind > static_cast<uint8_t>(FrameKind::kStop)) {
    return Fail(ErrorCode::kMalformed, "frame kind " + std::to_string(kind) + " is not known");
  }
  frame.kind = static_cast<FrameKind>(kind);
  frame.payload = rest.substr(kLengthBytes + 1, length - 1);
  start_ += kLengthBytes + length;
  return true;
}

}  // namespace flarebridge
