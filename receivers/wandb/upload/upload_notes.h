// Where an upload's note is kept: beside the log, or, where the run's folder can't be written (it
// is mounted to be read, somebody else's, its disk is full), in a folder of the user's. There it is
// found by what the log is: the name of its run's folder and what it begins with, up to its first
// run record, which no other log has. So a folder that was moved, copied or mounted elsewhere has
// its note still, which no path and no number of a file system would give. The note tells besides
// up to where in the log it counts and which bytes are there: a log that goes on otherwise has
// none. Used by uploads, `sync` and `clean`; one thread, but for NotesTold.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>

#include "events/mutex.h"
#include "receivers/wandb/upload/upload_state.h"
#include "receivers/wandb/upload/variables.h"

namespace flarebridge::wandb {

// `$XDG_STATE_HOME/flarebridge/uploads`, or below `~/.local/state` (XDG Base Directory
// Specification 0.8); empty if there is no home either.
std::filesystem::path NotesFolder(const Environment& environment);

class UploadNotes {
 public:
  // `elsewhere`: the user's folder; empty: there is none.
  UploadNotes(std::filesystem::path log, std::filesystem::path elsewhere)
      : log_(std::move(log)), elsewhere_(std::move(elsewhere)) {}

  // The later note of this server, or an empty state (upload_state.h).
  UploadState Read(const std::string& server) const;
  // The later note of all, if there is any.
  std::optional<UploadState> Latest() const;
  // All of the log is on the server: by W&B's mark beside it, or by a note elsewhere, unless the
  // log has changed since.
  bool IsMarked() const;

  // What became of a note.
  struct Kept {
    enum class Where : uint8_t { kBeside, kElsewhere, kNowhere };
    Where where = Where::kBeside;
    std::string why{};  // it is not beside the log; kNowhere: nor elsewhere
  };
  // `bytes`: up to there the log was read for what the state confirms.
  Kept Write(UploadState state, uint64_t bytes);
  // All of the log is on the server; `bytes`: of the log.
  Kept Mark(UploadState state, uint64_t bytes);
  // The file of the note that is not beside the log; nothing if there is none. It stays when the
  // log is removed.
  std::optional<std::filesystem::path> PlaceElsewhere() const;

 private:
  // A note in the user's folder.
  struct Elsewhere {
    UploadState state;
    bool whole = false;  // the log, as it is now
  };
  std::optional<Elsewhere> ReadElsewhere() const;
  Expected<void> WriteElsewhere(const UploadState& state, uint64_t bytes, bool whole) const;
  Kept KeepElsewhere(const UploadState& state, uint64_t bytes, bool whole,
                     const std::string& why) const;
  // The note's file in the user's folder; empty: there is no such folder, or the log names no run.
  const std::filesystem::path& Place() const;

  const std::filesystem::path log_, elsewhere_;
  mutable std::filesystem::path place_;
};

// Tells once for all uploads of a process that notes are not beside their runs. Any thread.
class NotesTold {
 public:
  // `say` gets words for a person; may be empty.
  void Tell(const UploadNotes::Kept& kept, const std::filesystem::path& elsewhere,
            const std::function<void(const std::string& words)>& say);

 private:
  Mutex mutex_;
  bool elsewhere_told_ GUARDED_BY(mutex_) = false, nowhere_told_ GUARDED_BY(mutex_) = false;
};

}  // namespace flarebridge::wandb
