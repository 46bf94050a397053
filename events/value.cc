// The only reader and writer of msgpack values: msgpack-c's exceptions and types stop here.
#include "events/value.h"

#include <array>
#include <cstring>
#include <msgpack.hpp>

#include "events/names.h"

namespace flarebridge {
namespace {

// Builds the tape while msgpack-c parses. Each callback returns false to stop the parse; what our
// rules reject but msgpack allows is remembered in `error` and parsed on, so that the size is
// known.
class TapeBuilder : public msgpack::null_visitor {
 public:
  explicit TapeBuilder(Tape& tape) : tape_(tape) {}

  const std::optional<Error>& error() const { return error_; }
  bool too_deep_or_large() const { return stopped_; }

  bool visit_nil() { return Add(ValueKind::kNull) != nullptr; }
  bool visit_boolean(bool v) {
    return AddWith(ValueKind::kBool, [&](ValueNode& n) { n.boolean = v; });
  }
  bool visit_positive_integer(uint64_t v) {
    return AddWith(ValueKind::kUint, [&](ValueNode& n) { n.unsigned_integer = v; });
  }
  bool visit_negative_integer(int64_t v) {
    return AddWith(ValueKind::kInt, [&](ValueNode& n) { n.integer = v; });
  }
  bool visit_float32(float v) { return visit_float64(static_cast<double>(v)); }
  bool visit_float64(double v) {
    return AddWith(ValueKind::kFloat, [&](ValueNode& n) { n.number = v; });
  }
  bool visit_str(const char* v, uint32_t size) {
    const std::string_view text(v, size);
    if (!IsUtf8(text)) Reject("text is not valid UTF-8");
    return AddWith(ValueKind::kText, [&](ValueNode& n) { n.text = text; });
  }
  bool visit_bin(const char* v, uint32_t size) {
    return AddWith(ValueKind::kBinary, [&](ValueNode& n) { n.text = std::string_view(v, size); });
  }
  bool visit_ext(const char* /*v*/, uint32_t /*size*/) {
    Reject("extension types are not part of the format");
    return Add(ValueKind::kNull) != nullptr;
  }
  bool start_array(uint32_t size) { return Open(ValueKind::kList, size); }
  bool end_array() { return Close(); }
  bool start_map(uint32_t size) { return Open(ValueKind::kMap, size); }
  bool start_map_key() {
    key_at_ = tape_.size();
    return true;
  }
  bool end_map_key() {
    if (key_at_ < tape_.size() && tape_[key_at_].kind != ValueKind::kText) {
      Reject("a map key is not text");
    }
    return true;
  }
  bool end_map() { return Close(); }

 private:
  ValueNode* Add(ValueKind kind) {
    if (tape_.size() >= kMaxNodes) {
      stopped_ = true;
      return nullptr;
    }
    tape_.emplace_back();
    tape_.back().kind = kind;
    return &tape_.back();
  }
  template <class Fill>
  bool AddWith(ValueKind kind, Fill fill) {
    ValueNode* node = Add(kind);
    if (node == nullptr) return false;
    fill(*node);
    return true;
  }
  bool Open(ValueKind kind, uint32_t size) {
    // A header may claim billions of items in five bytes; nothing is reserved for a claim.
    if (depth_ >= kMaxDepth || size > kMaxNodes) {
      stopped_ = true;
      return false;
    }
    open_[depth_++] = tape_.size();
    return AddWith(kind, [&](ValueNode& n) { n.size = size; });
  }
  bool Close() {
    const size_t start = open_[--depth_];
    tape_[start].span = static_cast<uint32_t>(tape_.size() - start);
    return true;
  }
  void Reject(const char* why) {
    if (!error_) error_ = Error{ErrorCode::kMalformed, why};
  }

  Tape& tape_;
  std::array<size_t, kMaxDepth> open_{};
  uint32_t depth_ = 0;
  size_t key_at_ = 0;
  bool stopped_ = false;
  std::optional<Error> error_;
};

// msgpack-c writes to anything with write(const char*, size_t).
struct StringSink {
  std::string& out;
  void write(const char* data, size_t size) { out.append(data, size); }
};

// msgpack-c writes a double without a fraction as an integer; here a float stays one.
void PackFloat(StringSink& sink, double number) {
  uint64_t bits = 0;
  static_assert(sizeof(bits) == sizeof(number));
  std::memcpy(&bits, &number, sizeof(bits));
  std::array<char, 9> bytes{'\xcb'};
  for (size_t i = 0; i < 8; ++i) bytes[1 + i] = static_cast<char>((bits >> (56 - 8 * i)) & 0xff);
  sink.write(bytes.data(), bytes.size());
}

void Pack(StringSink& sink, msgpack::packer<StringSink>& packer, const Value& value) {
  const ValueNode& node = value.node();
  switch (node.kind) {
    case ValueKind::kNull:
      packer.pack_nil();
      break;
    case ValueKind::kBool:
      packer.pack(node.boolean);
      break;
    case ValueKind::kInt:
      packer.pack(node.integer);
      break;
    case ValueKind::kUint:
      packer.pack(node.unsigned_integer);
      break;
    case ValueKind::kFloat:
      PackFloat(sink, node.number);
      break;
    case ValueKind::kText:
      packer.pack(node.text);
      break;
    case ValueKind::kBinary:
      packer.pack_bin(static_cast<uint32_t>(node.text.size()));
      packer.pack_bin_body(node.text.data(), static_cast<uint32_t>(node.text.size()));
      break;
    case ValueKind::kList:
      packer.pack_array(node.size);
      value.ForEachItem([&](Value item) { Pack(sink, packer, item); });
      break;
    case ValueKind::kMap:
      packer.pack_map(node.size);
      value.ForEachPair([&](std::string_view key, Value item) {
        packer.pack(key);
        Pack(sink, packer, item);
      });
      break;
  }
}

}  // namespace

const ValueNode Value::kNullNode{};

std::optional<bool> Value::AsBool() const {
  if (kind() != ValueKind::kBool) return std::nullopt;
  return node_->boolean;
}

std::optional<double> Value::AsDouble() const {
  switch (kind()) {
    case ValueKind::kInt:
      return static_cast<double>(node_->integer);
    case ValueKind::kUint:
      return static_cast<double>(node_->unsigned_integer);
    case ValueKind::kFloat:
      return node_->number;
    default:
      return std::nullopt;
  }
}

std::optional<int64_t> Value::AsInt64() const {
  if (kind() == ValueKind::kInt) return node_->integer;
  if (kind() == ValueKind::kUint && node_->unsigned_integer <= INT64_MAX) {
    return static_cast<int64_t>(node_->unsigned_integer);
  }
  return std::nullopt;
}

std::optional<uint64_t> Value::AsUint64() const {
  if (kind() == ValueKind::kUint) return node_->unsigned_integer;
  return std::nullopt;
}

std::optional<std::string_view> Value::AsText() const {
  if (kind() != ValueKind::kText) return std::nullopt;
  return node_->text;
}

std::optional<Value> Value::Find(std::string_view wanted) const {
  std::optional<Value> found;
  ForEachPair([&](std::string_view key, Value value) {
    if (!found && key == wanted) found = value;
  });
  return found;
}

Expected<size_t> DecodeValue(std::string_view bytes, Tape& tape, size_t* whole) {
  tape.clear();
  if (whole != nullptr) *whole = 0;
  TapeBuilder builder(tape);
  size_t taken = 0;
  bool parsed = false;
  try {
    parsed = msgpack::parse(bytes.data(), bytes.size(), taken, builder);
  } catch (const std::exception& e) {
    return Fail(ErrorCode::kMalformed, std::string("not msgpack: ") + e.what());
  }
  if (builder.too_deep_or_large()) {
    return Fail(ErrorCode::kTooLarge, "nested more than 16 deep or more than 65536 values");
  }
  if (!parsed) return Fail(ErrorCode::kMalformed, "not a whole msgpack value");
  if (whole != nullptr) *whole = taken;
  if (builder.error()) return tl::unexpected<Error>(*builder.error());
  return taken;
}

void EncodeValue(const Value& value, std::string& out) {
  StringSink sink{out};
  msgpack::packer<StringSink> packer(sink);
  Pack(sink, packer, value);
}

void EncodeListHeader(uint32_t size, std::string& out) {
  StringSink sink{out};
  msgpack::packer<StringSink>(sink).pack_array(size);
}

Document& Document::operator=(const Document& other) {
  if (this != &other) *this = Copy(other.root());
  return *this;
}

Expected<Document> Document::Parse(std::string bytes) {
  Document document;
  document.bytes_.assign(bytes.begin(), bytes.end());
  const Expected<size_t> taken =
      DecodeValue(std::string_view(document.bytes_.data(), document.bytes_.size()), document.tape_);
  if (!taken) return Propagate(taken);
  if (*taken != bytes.size()) return Fail(ErrorCode::kMalformed, "bytes behind the value");
  return document;
}

Document Document::Copy(const Value& value) {
  std::string bytes;
  EncodeValue(value, bytes);
  // A value that was decoded once is within the limits, so that its encoding parses.
  return Parse(std::move(bytes)).value_or(Document());
}

}  // namespace flarebridge
