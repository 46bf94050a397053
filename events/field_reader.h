// Reads the fields of one msgpack array in order, with the checks that the wire format asks for.
// The first thing found wrong is kept; later reads give neutral values, so that a caller reads all
// fields and asks once. Used by the codecs of this folder and by the worker's frames. One thread.
#pragma once

#include <cmath>
#include <optional>
#include <string>
#include <string_view>

#include "events/error.h"
#include "events/names.h"
#include "events/value.h"

namespace flarebridge {

class FieldReader {
 public:
  // `what` names the array in messages, e.g. "event". The value and its tape must outlive the
  // reader.
  FieldReader(std::string_view what, const Value& array) : what_(what), left_(array.size()) {
    if (array.kind() == ValueKind::kList) {
      next_ = &array.node() + 1;
    } else {
      left_ = 0;
      Reject(ErrorCode::kMalformed, "is not an array");
    }
  }

  const std::optional<Error>& error() const { return error_; }
  bool AtEnd() const { return left_ == 0; }

  void Reject(ErrorCode code, std::string_view why) {
    if (!error_) error_ = Error{code, std::string(what_) + ": " + std::string(why)};
  }

  // The next field, whatever it is.
  Value Any(std::string_view name) {
    if (left_ == 0) {
      Reject(ErrorCode::kMalformed, std::string(name) + " is missing");
      return {};
    }
    const Value value(next_);
    next_ += next_->span;
    --left_;
    return value;
  }
  // An integer from 0 to max.
  uint64_t Unsigned(std::string_view name, uint64_t max) {
    const std::optional<uint64_t> number = Any(name).AsUint64();
    if (!number || *number > max) Wrong(name, "an integer in range");
    return number.value_or(0);
  }
  int32_t ExitCode(std::string_view name) {
    const std::optional<int64_t> number = Any(name).AsInt64();
    if (!number || *number < INT32_MIN || *number > INT32_MAX) Wrong(name, "a 32-bit integer");
    return static_cast<int32_t>(number.value_or(0));
  }
  // Seconds since the epoch: a finite number, 0 or above.
  double Time(std::string_view name) {
    const std::optional<double> seconds = Any(name).AsDouble();
    if (!seconds || !std::isfinite(*seconds) || *seconds < 0)
      Wrong(name, "seconds since the epoch");
    return seconds.value_or(0);
  }
  std::string_view Text(std::string_view name) {
    const std::optional<std::string_view> text = Any(name).AsText();
    if (!text) Wrong(name, "text");
    return text.value_or(std::string_view());
  }
  std::string_view Name(std::string_view name) {
    const std::string_view text = Text(name);
    if (!error_ && !IsName(text)) {
      Reject(ErrorCode::kInvalidName,
             std::string(name) + " must be 1 to 255 bytes of UTF-8 without control characters");
    }
    return text;
  }
  Value Map(std::string_view name) {
    const Value value = Any(name);
    if (value.kind() != ValueKind::kMap) Wrong(name, "a map");
    return value;
  }
  std::optional<int64_t> OptionalStep(std::string_view name) {
    const Value value = Any(name);
    if (value.IsNull()) return std::nullopt;
    const std::optional<int64_t> step = value.AsInt64();
    if (!step || *step < 0) Wrong(name, "null or an integer from 0 to 2^63-1");
    return step;
  }
  std::string_view OptionalText(std::string_view name) {
    const Value value = Any(name);
    if (!value.IsNull() && value.kind() != ValueKind::kText) Wrong(name, "null or text");
    return value.AsText().value_or(std::string_view());
  }
  Value OptionalList(std::string_view name) {
    return OptionalOf(name, ValueKind::kList, "null or a list");
  }
  Value OptionalMap(std::string_view name) {
    return OptionalOf(name, ValueKind::kMap, "null or a map");
  }

 private:
  Value OptionalOf(std::string_view name, ValueKind kind, std::string_view expected) {
    const Value value = Any(name);
    if (!value.IsNull() && value.kind() != kind) Wrong(name, expected);
    return value;
  }
  void Wrong(std::string_view name, std::string_view expected) {
    Reject(ErrorCode::kMalformed, std::string(name) + " is not " + std::string(expected));
  }

  std::string_view what_;
  const ValueNode* next_ = nullptr;
  uint32_t left_;
  std::optional<Error> error_;
};

}  // namespace flarebridge
