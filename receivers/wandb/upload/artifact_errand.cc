#include "receivers/wandb/upload/artifact_errand.h"

#include <algorithm>
#include <utility>

#include "receivers/wandb/artifacts/md5.h"
#include "receivers/wandb/upload/artifact_content.h"

namespace flarebridge::wandb {
namespace {

bool Has(const std::vector<std::string>& headers, std::string_view name) {
  return std::any_of(headers.begin(), headers.end(), [&](const std::string& header) {
    return header.size() > name.size() && header[name.size()] == ':' &&
           std::equal(name.begin(), name.end(), header.begin(),
                      [](char a, char b) { return (a | 0x20) == (b | 0x20); });
  });
}

// Where content goes. The storage compares what comes with its MD5.
Api::Upload Address(const std::string& url, std::vector<std::string> headers,
                    const std::string& digest) {
  if (!Has(headers, "Content-MD5")) headers.push_back("Content-MD5: " + digest);
  return {"", url, std::move(headers)};
}

Attempt Failed(Outcome outcome, const std::string& words) {
  Attempt attempt;
  attempt.outcome = outcome;
  attempt.words = words;
  return attempt;
}

// The content as it was logged, open; what it hashes to in parts if `part` is not 0.
Expected<UniqueFd> Verified(const ArtifactTask& task, const ArtifactEntry& entry,
                            HttpTransport& http, uint64_t part, ContentSums& sums) {
  Expected<UniqueFd> file = OpenContent(task.folder, entry);
  if (!file) return file;
  Expected<ContentSums> got =
      SumsOf(file->get(), entry.size, part, [&http] { return http.stopped(); });
  if (!got && got.error().code == ErrorCode::kBusy) return Propagate(got);
  if (!got) return Fail(ErrorCode::kIo, entry.local_path + " " + got.error().message);
  if (got->digest != entry.digest)
    return Fail(ErrorCode::kIo, entry.local_path + " is not what it was when it was logged");
  sums = std::move(*got);
  return file;
}

// References name artifacts by the hex of what the server's id is in base64
// (core/pkg/artifacts/saver.go at 0.31.0).
std::string HexOfServerId(std::string_view id) {
  constexpr std::string_view kLetters =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string hex;
  uint32_t bits = 0;
  int count = 0;
  for (const char letter : id) {
    const size_t value = kLetters.find(letter);
    if (value == std::string_view::npos) break;  // '='
    bits = bits << 6 | static_cast<uint32_t>(value);
    count += 6;
    if (count < 8) continue;
    count -= 8;
    hex += kDigits[bits >> (count + 4) & 15];
    hex += kDigits[bits >> count & 15];
  }
  return hex;
}

// Which files are not where they were, in words; or empty.
std::string GoneOf(const ArtifactTask& task) {
  std::string words;
  size_t more = 0;
  for (const ArtifactEntry& entry : task.artifact->entries) {
    if (!entry.ref.empty() || entry.local_path.empty()) continue;
    const Expected<UniqueFd> file = OpenContent(task.folder, entry);
    if (file) continue;
    if (!words.empty())
      ++more;
    else
      words = "its file " + entry.path + ": " + file.error().message;
  }
  if (more > 0) words += "; so it is with " + std::to_string(more) + " more of its files";
  return words;
}

}  // namespace

void ArtifactErrand::Run(HttpTransport& http) {
  Api api(http, task_->account);
  Do(api, http);
  over_.store(true, std::memory_order_release);
}

bool ArtifactErrand::Went(const char* what, Attempt attempt) {
  attempt_ = std::move(attempt);
  what_ = what;
  return attempt_.outcome == Outcome::kSuccess;
}

void BeginArtifact::Do(Api& api, HttpTransport& /*http*/) {
  if (task().id.empty()) gone = GoneOf(task());
  if (!gone.empty()) return;
  ArtifactApi artifacts(api);
  if (!Went("creating it", artifacts.Create(task().run, artifact(), created))) return;
  if (created.committed) return;
  const std::string& base = artifact().base_id.empty() ? created.latest_id : artifact().base_id;
  Went("beginning its manifest",
       artifacts.CreateManifest(task().run, artifact(), created.id, base, "", manifest));
}

void SendContents::Do(Api& api, HttpTransport& http) {
  std::vector<ArtifactApi::Asked> asked;
  for (const Item& item : items_) {
    const ArtifactEntry& entry = artifact().entries[item.entry];
    asked.push_back({entry.path, entry.digest, {}});
  }
  std::vector<ArtifactApi::Place> places;
  ArtifactApi artifacts(api);
  if (!Went("asking where its files go",
            artifacts.CreateFiles(task().id, task().manifest_id, asked, places)))
    return;
  for (size_t i = 0; i < items_.size(); ++i) {
    Put(api, http, places[i], items_[i]);
    // Each of the others would wait as long for the same connection, or was given its address as
    // long ago.
    const long status = items_[i].attempt.status;
    if (items_[i].end == End::kFailed && (status == 0 || status == 403)) return;
  }
}

void SendContents::Put(Api& api, HttpTransport& http, const ArtifactApi::Place& place, Item& item) {
  item.birth = place.artifact_id;
  if (item.birth.empty()) {
    item.end = End::kFailed;
    item.attempt = Failed(Outcome::kRefused, "the server has no place for it");
    return;
  }
  if (place.url.empty()) {
    item.end = End::kThere;
    return;
  }
  const ArtifactEntry& entry = artifact().entries[item.entry];
  ContentSums sums;
  const Expected<UniqueFd> file = Verified(task(), entry, http, 0, sums);
  if (!file) {
    item.end = file.error().code == ErrorCode::kBusy ? End::kNotTried : End::kGone;
    item.attempt = Failed(Outcome::kRefused, file.error().message);
    return;
  }
  std::string etag;
  item.attempt = api.PutPiece(Address(place.url, place.headers, entry.digest),
                              {file->get(), 0, entry.size, &moved_}, etag);
  moved_ = 0;
  item.end = item.attempt.outcome == Outcome::kSuccess ? End::kThere : End::kFailed;
}

void BeginParts::Do(Api& api, HttpTransport& http) {
  const ArtifactEntry& entry = artifact().entries[entry_];
  parts.bytes = PartBytes(entry.size);
  ContentSums sums;
  const Expected<UniqueFd> file = Verified(task(), entry, http, parts.bytes, sums);
  if (!file) {
    if (file.error().code == ErrorCode::kBusy) {
      Went("reading it", Failed(Outcome::kRetry, file.error().message));
    } else {
      gone = file.error().message;
    }
    return;
  }
  std::vector<ArtifactApi::Place> places;
  ArtifactApi artifacts(api);
  if (!Went("asking where its files go",
            artifacts.CreateFiles(task().id, task().manifest_id,
                                  {{entry.path, entry.digest, sums.parts}}, places)))
    return;
  ArtifactApi::Place& place = places[0];
  birth = place.artifact_id;
  there = !birth.empty() && place.url.empty() && place.part_urls.empty();
  if (!there && place.part_urls.size() != sums.parts.size()) {
    Went("asking where its files go",
         Failed(Outcome::kRefused,
                "the server does not say where the parts of " + entry.path + " go"));
    return;
  }
  parts.artifact = task().id;
  parts.storage_path = std::move(place.storage_path);
  parts.upload = std::move(place.upload_id);
  parts.headers = std::move(place.headers);
  parts.urls = std::move(place.part_urls);
  parts.sums = std::move(sums.parts);
  parts.etags.assign(parts.sums.size(), "");
}

void SendPart::Do(Api& api, HttpTransport& /*http*/) {
  const ArtifactEntry& entry = artifact().entries[entry_];
  const Expected<UniqueFd> file = OpenContent(task().folder, entry);
  if (!file) {
    gone = file.error().message;
    return;
  }
  const std::optional<Md5Sum> sum = SumOfHex(md5_);
  const uint64_t begin = number_ * bytes_;
  Went("sending a part of a file",
       api.PutPiece(Address(url_, headers_, sum ? Base64Of(*sum) : ""),
                    {file->get(), begin, std::min(bytes_, entry.size - begin), &moved_}, etag));
  moved_ = 0;
}

void EndParts::Do(Api& api, HttpTransport& /*http*/) {
  Went("ending the parts of a file",
       ArtifactApi(api).CompleteParts(task().id, parts_.storage_path, parts_.upload, parts_.etags));
}

bool EndArtifact::ResolveReferences(ArtifactApi& artifacts, ArtifactRecord& resolved) {
  constexpr std::string_view kClient = "wandb-client-artifact://", kServer = "wandb-artifact://";
  for (ArtifactEntry& entry : resolved.entries) {
    if (!entry.ref.starts_with(kClient)) continue;
    const size_t end = std::min(entry.ref.find('/', kClient.size()), entry.ref.size());
    std::string id;
    if (!Went("asking for what it refers to",
              artifacts.IdOfClient(entry.ref.substr(kClient.size(), end - kClient.size()), id)))
      return false;
    if (id.empty())
      return Went("asking for what it refers to",
                  Failed(Outcome::kRefused, "the server knows no artifact of " + entry.path));
    entry.ref = std::string(kServer) + HexOfServerId(id) + entry.ref.substr(end);
  }
  return true;
}

void EndArtifact::Do(Api& api, HttpTransport& /*http*/) {
  ArtifactApi artifacts(api);
  ArtifactRecord resolved = artifact();
  if (!ResolveReferences(artifacts, resolved)) return;
  const std::string json = ManifestJson(resolved, births_);
  const std::string digest = Base64Of(Md5Of(json));
  const bool whole = !resolved.incremental && resolved.distributed_id.empty();
  ArtifactApi::Manifest manifest;
  const Attempt asked =
      whole ? artifacts.CreateManifest(task().run, resolved, task().id, task().base_id, digest,
                                       manifest)
            : artifacts.UpdateManifest(task().manifest_id, task().base_id, digest, manifest);
  if (!Went("asking where its manifest goes", asked)) return;
  if (!manifest.upload.url.empty()) {
    Attempt put = api.Put(Address(manifest.upload.url, manifest.upload.headers, digest), json);
    if (put.status == 403) put.outcome = Outcome::kRetry;  // the address has expired
    if (!Went("sending its manifest", put)) return;
  }
  if (resolved.finalize) Went("committing it", artifacts.Commit(task().id));
}

void UseArtifact::Do(Api& api, HttpTransport& /*http*/) {
  Went("saying that the run uses it", ArtifactApi(api).Use(task().run, task().id));
}

}  // namespace flarebridge::wandb
