#include "bridge/workers/quarantine.h"

#include <charconv>
#include <vector>

#include "events/blob_ref.h"
#include "events/event_codec.h"
#include "receivers/files/blob_files.h"
#include "receivers/files/durable_file.h"

namespace flarebridge {
namespace {

namespace fs = std::filesystem;

constexpr const char* kSuffix = ".event";
constexpr size_t kIdDigits = 8;  // of the journal's id, in names of files
constexpr size_t kMostWordBytes = 32;

// An event of a kind that no receiver has a place for: it is counted there.
void AppendWithoutEffect(const Intake::RunInfo& run, std::string& body) {
  Data nothing;
  nothing.time = run.spec.started;
  nothing.site = run.spec.site;
  nothing.tag = "quarantined";
  EncodeEvent(nothing, body);
}

// A receiver's name comes from outside, and becomes part of a file's.
std::string FileWord(std::string_view name) {
  std::string word(name.substr(0, kMostWordBytes));
  for (char& c : word) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
    if (!plain) c = '_';
  }
  return word;
}

template <typename Number>
bool Take(std::string_view& text, char end, Number& number) {
  const auto [stop, wrong] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (wrong != std::errc() || stop == text.data() + text.size() || *stop != end) return false;
  text.remove_prefix(static_cast<size_t>(stop + 1 - text.data()));
  return true;
}

// The large values that events name get a second name beside the events: the bridge deletes the
// first one when the journal forgets them. Called when the events are there already.
void KeepLargeValues(const fs::path& folder, std::string_view events) {
  EventDecoder decoder;
  while (!events.empty()) {
    const DecodedEvent decoded = decoder.Decode(events);
    if (decoded.size == 0) return;
    events.remove_prefix(decoded.size);
    const auto* data = decoded.event ? std::get_if<Data>(&*decoded.event) : nullptr;
    const auto blobs = data != nullptr ? BlobsOf(*data) : std::vector<BlobRef>();
    if (!blobs) continue;
    for (const BlobRef& blob : *blobs) {
      std::error_code ignored;  // it may be there already, or be gone
      fs::create_hard_link(BlobsFolder(folder.parent_path()) / blob.id,
                           folder / (std::string(blob.id) + ".blob"), ignored);
    }
  }
}

}  // namespace

Quarantine::Quarantine(fs::path folder, const std::string& journal)
    : folder_(std::move(folder)), prefix_(journal.substr(0, kIdDigits) + "-") {
  std::error_code failed;
  fs::directory_iterator files(folder_, failed);
  for (; !failed && files != fs::directory_iterator(); files.increment(failed)) {
    const std::string name = files->path().filename().string();
    std::string_view rest = name;
    int64_t run = 0;
    uint64_t position = 0;
    if (!rest.starts_with(prefix_) || !rest.ends_with(kSuffix)) continue;
    rest.remove_prefix(prefix_.size());
    if (Take(rest, '-', run) && Take(rest, '.', position)) positions_[run].insert(position);
  }
}

fs::path Quarantine::PathOf(int64_t run, uint64_t position) const {
  return folder_ / (prefix_ + std::to_string(run) + "-" + std::to_string(position) + kSuffix);
}

Expected<std::string> Quarantine::Put(int64_t run, uint64_t position, uint64_t first,
                                      std::string_view slice) {
  EventDecoder decoder;
  for (; first <= position; ++first) {
    const DecodedEvent decoded = decoder.Decode(slice);
    if (decoded.size == 0) return Propagate(decoded.event);
    if (first < position) {
      slice.remove_prefix(decoded.size);
      continue;
    }
    if (decoded.event && std::holds_alternative<RunEnded>(*decoded.event))
      return Fail(ErrorCode::kUnsupported, "it is the run's end, which can't be left out");
    slice = slice.substr(0, decoded.size);
  }
  const fs::path path = PathOf(run, position);
  if (Expected<void> written = WriteDurably(path, slice); !written) return Propagate(written);
  KeepLargeValues(folder_, slice);
  positions_[run].insert(position);
  return path.string();
}

Expected<std::string> Quarantine::PutDamaged(const Intake::RunInfo& run, const EventsFrame& slice,
                                             bool ends, std::string& out) {
  // Its positions are not remembered: the journal tells of the damage each time it is read.
  const fs::path path = PathOf(run.id, slice.first_position).replace_extension(".damaged");
  if (Expected<void> written = WriteDurably(path, slice.body); !written) return Propagate(written);
  std::string body;
  if (ends) {
    EncodeEvent(RunEnded{run.spec.started, run.spec.site, 1, "its end was damaged on the disk"},
                body);
  } else {
    AppendWithoutEffect(run, body);
  }
  AppendEvents({slice.first_position + slice.count - 1, 1, body}, out);
  return path.string();
}

Expected<std::string> Quarantine::PutBacklog(int64_t run, std::string_view receiver, uint64_t first,
                                             std::string_view events) {
  const fs::path path = PathOf(run, first).replace_extension("." + FileWord(receiver) + ".events");
  if (Expected<void> written = WriteDurably(path, events); !written) return Propagate(written);
  KeepLargeValues(folder_, events);
  return path.string();
}

void Quarantine::AppendSlice(const Intake::RunInfo& run, const EventsFrame& slice,
                             std::string& out) const {
  const auto found = positions_.find(run.id);
  const uint64_t last = slice.first_position + slice.count - 1;
  if (found == positions_.end() ||
      found->second.lower_bound(slice.first_position) == found->second.upper_bound(last)) {
    AppendEvents(slice, out);
    return;
  }
  EventDecoder decoder;
  std::string body;
  std::string_view rest = slice.body;
  for (uint64_t position = slice.first_position; position <= last; ++position) {
    const DecodedEvent decoded = decoder.Decode(rest);
    if (decoded.size == 0) break;
    if (found->second.contains(position)) {
      AppendWithoutEffect(run, body);
    } else {
      body += rest.substr(0, decoded.size);
    }
    rest.remove_prefix(decoded.size);
  }
  AppendEvents({slice.first_position, slice.count, body}, out);
}

}  // namespace flarebridge
