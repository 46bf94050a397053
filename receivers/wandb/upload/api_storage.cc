// Of W&B's requests (api.h) those to a storage, which is another server: it gets content, and no
// key.
#include <utility>

#include "events/printable.h"
#include "receivers/wandb/upload/api.h"

namespace flarebridge::wandb {
namespace {

// A storage's answer is empty, or not for people.
bool IsPage(std::string_view answer) {
  const size_t begin = answer.find_first_not_of(" \t\r\n\xef\xbb\xbf");
  if (begin == std::string_view::npos) return false;
  std::string first(answer.substr(begin, sizeof "<!doctype html" - 1));
  for (char& c : first) c = static_cast<char>(tolower(static_cast<unsigned char>(c)));
  return first.starts_with("<html") || first == "<!doctype html";
}

}  // namespace

Attempt Api::Put(const Upload& upload, std::string_view content) {
  HttpRequest request;
  request.method = "PUT";
  request.url = upload.url;
  request.headers = upload.headers;
  request.body = content;
  return SendToStorage(std::move(request));
}

Attempt Api::PutFile(const Upload& upload, int file, uint64_t bytes) {
  HttpRequest request;
  request.method = "PUT";
  request.url = upload.url;
  request.headers = upload.headers;
  request.file = file;
  request.file_bytes = bytes;
  return SendToStorage(std::move(request));
}

std::string Api::WholeUrl(const std::string& url) const {
  return url.starts_with('/') ? account_.base_url + url : url;
}

Attempt Api::PutPiece(const Upload& upload, const Piece& piece, std::string& etag) {
  HttpRequest request;
  request.method = "PUT";
  request.url = upload.url;
  request.headers = upload.headers;
  request.file = piece.file;
  request.file_begin = piece.begin;
  request.file_bytes = piece.bytes;
  request.moved = piece.moved;
  return SendToStorage(std::move(request), &etag);
}

Attempt Api::SendToStorage(HttpRequest request, std::string* etag) {
  std::string answer;
  request.to_storage = true;
  // The storage is another server: it must not see the key.
  Attempt attempt = Send(std::move(request), false, answer, etag);
  if (attempt.outcome == Outcome::kSuccess && IsPage(answer)) {
    constexpr size_t kMostWords = 300;  // of a whole page
    attempt.outcome = Outcome::kRetry;
    attempt.words =
        "an answer that is no storage's (" + Printable(answer.substr(0, kMostWords)) + ")";
  }
  return attempt;
}

}  // namespace flarebridge::wandb
