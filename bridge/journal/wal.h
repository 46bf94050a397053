// SQLite's write-ahead log, as far as it has to be told whether its end was torn by a power cut,
// which is its normal life, or whether it was damaged before its end, which SQLite passes over in
// silence: it forgets all that follows. Format: "The WAL File Format" of SQLite's documents. Any
// thread.
#pragma once

#include <cstdint>
#include <string>

#include "events/error.h"

namespace flarebridge {

// Bytes of the journal's pages.
inline constexpr uint32_t kJournalPage = 8192;

// Errors: kCorrupt (damaged before its end), kIo. A file that is not there is whole.
Expected<void> CheckWal(const std::string& path);

// Brings to the disk what a process wrote that was killed before it did so itself: SQLite takes it
// for committed as soon as it is read. No file is nothing to bring. Errors: kIo, kTemporary.
Expected<void> PersistWal(const std::string& path);

// The database of this path has no bytes, or is not there, and its WAL holds transactions: SQLite
// would remove those unread. Commits never leave it so.
bool WalHasNoDatabase(const std::string& database);

// Makes the checksums of a damaged file right again, so that SQLite reads it to its end; rows that
// the damage has hit are told by their own sums. Errors: kIo.
Expected<void> RechainWal(const std::string& path);

}  // namespace flarebridge
