#include "events/blob_ref.h"

#include <algorithm>
#include <string>

namespace flarebridge {
namespace {

constexpr size_t kIdDigits = 32;

}  // namespace

bool IsBlobId(std::string_view text) {
  return text.size() == kIdDigits && std::all_of(text.begin(), text.end(), [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
         });
}

std::optional<BlobRef> BlobOf(const Value& value) {
  if (value.kind() != ValueKind::kMap) return std::nullopt;
  const auto id = value.Find("blob").value_or(Value()).AsText();
  const auto size = value.Find("size").value_or(Value()).AsUint64();
  if (!id || !size || !IsBlobId(*id)) return std::nullopt;
  return BlobRef{*id, *size};
}

bool HasBlobs(const Data& data) {
  const bool may = data.type == DataType::kMedia || data.type == DataType::kOperation;
  return may && !data.extra.IsNull() && data.extra.Find("blobs").has_value();
}

Expected<std::vector<BlobRef>> BlobsOf(const Data& data) {
  std::vector<BlobRef> blobs;
  if (!HasBlobs(data)) return blobs;
  const Value list = data.extra.Find("blobs").value_or(Value());
  if (list.size() > kMostBlobs)
    return Fail(ErrorCode::kTooLarge, "an event with more than 1024 large values");
  bool fine = list.kind() == ValueKind::kList;
  list.ForEachItem([&](const Value& pair) {
    BlobRef blob;
    size_t fields = 0;
    pair.ForEachItem([&](const Value& field) {
      if (fields == 0) blob.id = field.AsText().value_or(std::string_view());
      if (fields == 1) blob.size = field.AsUint64().value_or(UINT64_MAX);
      ++fields;
    });
    fine = fine && fields == 2 && IsBlobId(blob.id) && blob.size != UINT64_MAX;
    blobs.push_back(blob);
  });
  if (!fine)
    return Fail(ErrorCode::kMalformed,
                "what an event says of its large values is no list of [id, size]");
  return blobs;
}

}  // namespace flarebridge
