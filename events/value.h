// A decoded value of any shape (number, text, list, map ...) as a view over a flat tape of nodes in
// pre-order, so that decoding an event allocates nothing once the tape has grown. Text and binary
// point into the decoded bytes. A Value is valid as long as its tape and those bytes are.
// Used by the decoder, the receivers and the bridge. Not synchronised: one thread per tape.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "events/error.h"

namespace flarebridge {

enum class ValueKind : uint8_t { kNull, kBool, kInt, kUint, kFloat, kText, kBinary, kList, kMap };

// One node of the tape. A list's items, and a map's keys and values in turn, follow it.
struct ValueNode {
  ValueKind kind = ValueKind::kNull;
  uint32_t size = 0;  // items of a list, pairs of a map
  uint32_t span = 1;  // nodes of this value, itself included: the next sibling is `span` further
  union {
    bool boolean;
    int64_t integer;            // kInt: negative numbers only
    uint64_t unsigned_integer;  // kUint: 0 and above
    double number = 0;
  };
  std::string_view text = {};  // kText (valid UTF-8) and kBinary
};

using Tape = std::vector<ValueNode>;

// Limits of a value: msgpack-c's own are off by default (2^32-1 of everything).
inline constexpr uint32_t kMaxDepth = 16;
inline constexpr uint32_t kMaxNodes = 65536;

class Value {
 public:
  Value() : node_(&kNullNode) {}
  explicit Value(const ValueNode* node) : node_(node) {}

  ValueKind kind() const { return node_->kind; }
  bool IsNull() const { return kind() == ValueKind::kNull; }
  bool IsNumber() const {
    return kind() == ValueKind::kInt || kind() == ValueKind::kUint || kind() == ValueKind::kFloat;
  }
  // Each of these reads its own kind; for another kind they give nothing.
  std::optional<bool> AsBool() const;
  std::optional<double> AsDouble() const;    // any number; large integers are rounded
  std::optional<int64_t> AsInt64() const;    // integers that fit
  std::optional<uint64_t> AsUint64() const;  // integers >= 0
  std::optional<std::string_view> AsText() const;
  const ValueNode& node() const { return *node_; }

  // Items of a list, pairs of a map; 0 for all else.
  uint32_t size() const { return node_->size; }

  // Calls visit(Value) for each item of a list.
  template <class Visit>
  void ForEachItem(Visit visit) const {
    if (kind() != ValueKind::kList) return;
    const ValueNode* item = node_ + 1;
    for (uint32_t i = 0; i < node_->size; ++i, item += item->span) visit(Value(item));
  }
  // Calls visit(std::string_view key, Value) for each pair of a map; keys are always text.
  template <class Visit>
  void ForEachPair(Visit visit) const {
    if (kind() != ValueKind::kMap) return;
    const ValueNode* node = node_ + 1;
    for (uint32_t i = 0; i < node_->size; ++i) {
      const ValueNode* value = node + 1;
      visit(node->text, Value(value));
      node = value + value->span;
    }
  }
  // A map's value under a key (the first one), or nothing.
  std::optional<Value> Find(std::string_view key) const;

 private:
  static const ValueNode kNullNode;
  const ValueNode* node_;
};

// Decodes the one msgpack value at the start of `bytes` into `tape` (which is cleared first) and
// gives the number of bytes it took. Errors: kMalformed (no whole msgpack value, a map key that is
// not text, text that is not UTF-8, an extension type), kTooLarge (kMaxDepth, kMaxNodes).
// `whole` gets the bytes of a well-formed value that our rules reject; 0 where that is not known
// (no msgpack, or a limit ended the reading: SizeOfValue() tells).
Expected<size_t> DecodeValue(std::string_view bytes, Tape& tape, size_t* whole = nullptr);

// Appends the value as msgpack, each number in its shortest form.
void EncodeValue(const Value& value, std::string& out);
// Appends the header of a list of `size` items, which the caller appends next.
void EncodeListHeader(uint32_t size, std::string& out);

// A value that owns its bytes: for configuration, which outlives the message it came in.
class Document {
 public:
  Document() = default;
  Document(const Document& other) { *this = other; }
  Document& operator=(const Document& other);
  Document(Document&&) noexcept = default;
  Document& operator=(Document&&) noexcept = default;
  ~Document() = default;

  // Errors as DecodeValue; kMalformed also for bytes behind the value.
  static Expected<Document> Parse(std::string bytes);
  // A copy of the value.
  static Document Copy(const Value& value);

  Value root() const { return tape_.empty() ? Value() : Value(tape_.data()); }

 private:
  // On the heap, so that a move keeps the addresses that the tape's text points at.
  std::vector<char> bytes_;
  Tape tape_;
};

}  // namespace flarebridge
