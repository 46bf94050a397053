// How far a run's upload has come, kept beside its log so that any later upload goes on there:
// lines that the server has confirmed, per stream. Written whole and synced before it counts. Where
// the note is if it can't be there: upload_notes.h. One thread.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "events/error.h"

namespace flarebridge::wandb {

// A file of an artifact that goes in parts, of which some are at the storage.
struct SentParts {
  std::string artifact;  // the server's id
  std::string storage_path, upload;
  std::vector<std::string> headers, urls;  // of the parts; they hold for some hours
  std::vector<std::string> sums, etags;    // of each part; an empty one: it is not there yet
  uint64_t bytes = 0;                      // of each part but the last
};

struct UploadState {
  std::string server;  // base URL; for another one all begins anew
  std::string run;     // entity/project/id there; the same holds
  // Lines by stream that were there before this log's first: it comes behind them. Nothing: an
  // older version's note, or it is not known yet.
  std::optional<std::map<std::string, uint64_t>> base;
  // What was sent of the run itself, by field: only what differs is sent again, so that what people
  // have set in the browser stays. Of the config a hash.
  std::map<std::string, std::string> sent;
  std::map<std::string, uint64_t> lines;  // stream -> lines confirmed
  std::map<std::string, uint64_t> files;  // below files/ -> stamp of what was uploaded
  // The first row's step, of a resumed part, whose steps count on. Nothing: as the log has them.
  std::optional<int64_t> first_step;
  uint64_t alerts = 0;                  // noted before each is sent: none is sent twice
  std::vector<std::string> unreported;  // uploaded, but the run's stream is not told of it yet
  // Artifacts that are there, and what of files that go in parts is, by ArtifactKey().
  std::set<std::string> artifacts;
  std::map<std::string, SentParts> parts;
  // When this was noted, in milliseconds since the epoch. 0: by an older version.
  uint64_t noted = 0;
};

// A name and a number for each file of a run: more than that is no state of ours.
inline constexpr size_t kMostStateBytes = size_t{256} << 20;

// A state as text, and back; nothing if the text is none.
std::string StateText(const UploadState& state);
std::optional<UploadState> ParseState(const std::string& text);

// The state's file of a log, and the mark of one that is on the server.
std::filesystem::path StatePath(const std::filesystem::path& log);
std::filesystem::path MarkPath(const std::filesystem::path& log);
// What is there for this server; an empty state if there is nothing, or nothing readable: then all
// is sent again, to the same places.
UploadState ReadState(const std::filesystem::path& log, const std::string& server);
// The same for whichever server; nothing if there is none.
std::optional<UploadState> ReadState(const std::filesystem::path& log);
// Errors: kIo.
Expected<void> WriteState(const std::filesystem::path& log, const UploadState& state);

}  // namespace flarebridge::wandb
