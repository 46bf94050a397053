#include "events/link_message.h"

#include <algorithm>

#include "events/field_reader.h"
#include "events/field_writer.h"

namespace flarebridge {
namespace {

// Second field of a Hello: a stray client of another program is told apart at once.
constexpr std::string_view kMagic = "flarebridge";

enum class Kind : uint8_t { kFirst = 1, kSecond = 2, kThird = 3, kFourth = 4 };

bool IsSessionId(std::string_view text) {
  return text.size() == 32 && std::all_of(text.begin(), text.end(), [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
         });
}

Hello ReadHello(FieldReader& in) {
  if (in.Text("magic") != kMagic) in.Reject(ErrorCode::kMalformed, "not a flarebridge client");
  Hello m;
  m.version = static_cast<uint32_t>(in.Unsigned("version", UINT32_MAX));
  m.session = in.Text("session");
  if (!IsSessionId(m.session)) in.Reject(ErrorCode::kMalformed, "session is not 32 hex digits");
  m.producer = in.Text("producer");
  return m;
}

Batch ReadBatch(FieldReader& in, std::string_view body) {
  Batch m;
  m.first_seq = in.Unsigned("first_seq", INT64_MAX);
  m.count = static_cast<uint32_t>(in.Unsigned("count", kMaxBatchEvents));
  m.body = body;
  if (m.first_seq == 0 || m.count == 0) in.Reject(ErrorCode::kMalformed, "an empty batch");
  if (body.size() > kMaxBatchBytes) in.Reject(ErrorCode::kTooLarge, "a batch of more than 2 MiB");
  return m;
}

Welcome ReadWelcome(FieldReader& in) {
  Welcome m;
  m.version = static_cast<uint32_t>(in.Unsigned("version", UINT32_MAX));
  m.bridge = in.Text("bridge");
  m.acked_seq = in.Unsigned("acked_seq", INT64_MAX);
  m.credit_bytes = in.Unsigned("credit_bytes", INT64_MAX);
  m.heartbeat_ms = static_cast<uint32_t>(in.Unsigned("heartbeat_ms", UINT32_MAX));
  if (!in.AtEnd()) m.spool = in.Text("spool");
  return m;
}

Ack ReadAck(FieldReader& in) {
  Ack m;
  m.acked_seq = in.Unsigned("acked_seq", INT64_MAX);
  m.credit_bytes = in.Unsigned("credit_bytes", INT64_MAX);
  m.rejected = in.Unsigned("rejected", INT64_MAX);
  if (!in.AtEnd()) m.unwritten = in.Unsigned("unwritten", INT64_MAX);
  return m;
}

Notice ReadNotice(FieldReader& in) {
  Notice m;
  const uint64_t level = in.Unsigned("level", 3);
  m.level = level == 0 ? NoticeLevel::kInfo : static_cast<NoticeLevel>(level);
  m.text = in.Text("text");
  constexpr auto kStop = static_cast<uint64_t>(NoticeKind::kStop);
  if (!in.AtEnd() && in.Unsigned("kind", UINT32_MAX) == kStop) m.kind = NoticeKind::kStop;
  return m;
}

Refusal ReadRefusal(FieldReader& in) {
  Refusal m;
  const uint64_t code = in.Unsigned("code", 6);
  m.code = code == 0 ? RefusalCode::kMalformed : static_cast<RefusalCode>(code);
  m.text = in.Text("text");
  return m;
}

struct HeaderWriter {
  FieldWriter& out;
  void operator()(const Hello& m) {
    out.Begin(5).Unsigned(1).Text(kMagic).Unsigned(m.version).Text(m.session).Text(m.producer);
  }
  void operator()(const Batch& m) {
    out.Begin(3).Unsigned(2).Unsigned(m.first_seq).Unsigned(m.count);
  }
  void operator()(const Ping& /*m*/) { out.Begin(1).Unsigned(3); }
  void operator()(const Bye& /*m*/) { out.Begin(1).Unsigned(4); }
  void operator()(const Welcome& m) {
    out.Begin(m.spool.empty() ? 6 : 7)
        .Unsigned(1)
        .Unsigned(m.version)
        .Text(m.bridge)
        .Unsigned(m.acked_seq);
    out.Unsigned(m.credit_bytes).Unsigned(m.heartbeat_ms);
    if (!m.spool.empty()) out.Text(m.spool);
  }
  void operator()(const Ack& m) {
    out.Begin(m.unwritten ? 5 : 4).Unsigned(2).Unsigned(m.acked_seq).Unsigned(m.credit_bytes);
    out.Unsigned(m.rejected);
    if (m.unwritten) out.Unsigned(*m.unwritten);
  }
  void operator()(const Notice& m) {
    const bool words = m.kind == NoticeKind::kWords;
    out.Begin(words ? 3 : 4).Unsigned(3).Unsigned(static_cast<uint64_t>(m.level)).Text(m.text);
    if (!words) out.Unsigned(static_cast<uint64_t>(m.kind));
  }
  void operator()(const Refusal& m) {
    out.Begin(3).Unsigned(4).Unsigned(static_cast<uint64_t>(m.code)).Text(m.text);
  }
};

template <class Message>
std::string Encode(const Message& message) {
  std::string header;
  FieldWriter writer(header);
  std::visit(HeaderWriter{writer}, message);
  return header;
}

// Decodes the header and gives a reader of its fields behind the kind to `read`.
template <class Message, class Read>
Expected<Message> Parse(std::string_view header, Read read) {
  if (header.size() > kMaxHeaderBytes) {
    return Fail(ErrorCode::kTooLarge, "a header of more than 4 KiB");
  }
  Tape tape;
  const Expected<size_t> taken = DecodeValue(header, tape);
  if (!taken) return Propagate(taken);
  FieldReader in("message", Value(tape.data()));
  const uint64_t kind = in.Unsigned("kind", UINT8_MAX);
  if (in.error()) return tl::unexpected<Error>(*in.error());
  if (kind < 1 || kind > 4) {
    return Fail(ErrorCode::kUnsupported, "message kind " + std::to_string(kind) + " is not known");
  }
  Message message = read(static_cast<Kind>(kind), in);
  if (in.error()) return tl::unexpected<Error>(*in.error());
  return message;
}

}  // namespace

Expected<ShimMessage> ParseShimMessage(std::string_view header, std::string_view body) {
  return Parse<ShimMessage>(header, [body](Kind kind, FieldReader& in) -> ShimMessage {
    switch (kind) {
      case Kind::kFirst:
        return ReadHello(in);
      case Kind::kSecond:
        return ReadBatch(in, body);
      case Kind::kThird:
        return Ping{};
      case Kind::kFourth:
        break;
    }
    return Bye{};
  });
}

Expected<BridgeMessage> ParseBridgeMessage(std::string_view header) {
  return Parse<BridgeMessage>(header, [](Kind kind, FieldReader& in) -> BridgeMessage {
    switch (kind) {
      case Kind::kFirst:
        return ReadWelcome(in);
      case Kind::kSecond:
        return ReadAck(in);
      case Kind::kThird:
        return ReadNotice(in);
      case Kind::kFourth:
        break;
    }
    return ReadRefusal(in);
  });
}

std::string EncodeHeader(const ShimMessage& message) { return Encode(message); }
std::string EncodeHeader(const BridgeMessage& message) { return Encode(message); }

}  // namespace flarebridge
