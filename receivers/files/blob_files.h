// The files of large values in a bridge's state folder. A shim writes one into
// spool/<session>/<id>; the bridge moves it to blobs/<id>, from where the workers read it. Whatever
// else has such a name there, a link or a pipe, is never opened as a value. Each of these may wait
// for the disk. Used by BlobStore's thread; any thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <set>
#include <string>

#include "events/error.h"

namespace flarebridge {

std::filesystem::path SpoolOf(const std::filesystem::path& state, const std::string& session);
std::filesystem::path BlobsFolder(const std::filesystem::path& state);

// Brings the spooled file to the disk and makes it the bridge's own; when this returns, it survives
// a power cut. One that is the bridge's already stays. Errors: kForbidden (a link, no regular
// file, another user's, one with a second name), kMalformed (another size), kIo (not there, among
// others), kTemporary.
Expected<void> TakeOver(const std::filesystem::path& state, const std::string& session,
                        const std::string& id, uint64_t size);

void RemoveBlob(const std::filesystem::path& state, const std::string& id);
void RemoveSpooled(const std::filesystem::path& state, const std::string& session,
                   const std::string& id);
// The folder of a session that is over, with all that is in it.
void RemoveSpool(const std::filesystem::path& state, const std::string& session);

// Removes what nobody will name any more: all of sessions whose process is gone, but for those of
// `sessions`; and of what has not changed for `age` what is unfinished of any session, all of those
// of which nobody can tell whether their process lives, and files of blobs/ but those of `blobs`. A
// shim holds a shared lock on its session's folder (flock(2)). Gives how many files.
size_t Sweep(const std::filesystem::path& state, const std::set<std::string>& sessions,
             const std::set<std::string>& blobs, std::chrono::seconds age);

}  // namespace flarebridge
