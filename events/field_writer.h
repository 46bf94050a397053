// Writes one msgpack array field by field: the counterpart of field_reader.h. Used by the codecs of
// this folder and by the worker's frames. Appends to the string it was given. One thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "events/value.h"

namespace flarebridge {

class FieldWriter {
 public:
  explicit FieldWriter(std::string& out) : out_(out) {}

  FieldWriter& Begin(uint32_t fields) {
    EncodeListHeader(fields, out_);
    return *this;
  }
  FieldWriter& Null() { return Any(Value()); }
  FieldWriter& Unsigned(uint64_t number) {
    ValueNode node;
    node.kind = ValueKind::kUint;
    node.unsigned_integer = number;
    return Any(Value(&node));
  }
  FieldWriter& Signed(int64_t number) {
    if (number >= 0) return Unsigned(static_cast<uint64_t>(number));
    ValueNode node;
    node.kind = ValueKind::kInt;
    node.integer = number;
    return Any(Value(&node));
  }
  FieldWriter& Float(double number) {
    ValueNode node;
    node.kind = ValueKind::kFloat;
    node.number = number;
    return Any(Value(&node));
  }
  FieldWriter& Text(std::string_view text) {
    ValueNode node;
    node.kind = ValueKind::kText;
    node.text = text;
    return Any(Value(&node));
  }
  FieldWriter& Any(const Value& value) {
    EncodeValue(value, out_);
    return *this;
  }

 private:
  std::string& out_;
};

}  // namespace flarebridge
