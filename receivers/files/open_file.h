// Calls on files by their descriptors: whole reads and writes at a place, with the system's errors
// as values. Used by all that reads or writes files. A failure's words begin with the verb ("can't
// be read: Input/output error"); FailOf() puts the subject before them. Its code is kIo, or
// kTemporary where somebody may mend it (system_error.h). Any thread.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "events/error.h"
#include "receivers/files/unique_fd.h"

namespace flarebridge {

// Open a file that is there, to be read, or to be read and written. Errors: kIo, kTemporary.
Expected<UniqueFd> OpenToRead(const std::filesystem::path& path);
Expected<UniqueFd> OpenToChange(const std::filesystem::path& path);

// Opens a folder, to reach what is in it. Errors: kIo, kTemporary.
Expected<UniqueFd> OpenFolder(const std::filesystem::path& path);

// What becomes of a file that has the name already.
enum class Existing { kKeep, kEmpty, kRefuse };
// Opens a file to be written, and to be read if it is kept; made if it is not there. A link at its
// name is not followed.
// `mode`: as open(2) takes it, less the process's umask. Errors: kInvalidName (no file can ever
// have this path here: a part of it is a file, a folder or a link, or it is too long), kIo,
// kTemporary.
Expected<UniqueFd> CreateFile(const std::filesystem::path& path, mode_t mode, Existing existing);

// Reads `size` bytes that begin at `at`, fewer only where the file ends. Gives how many. One system
// call where the system gives them all. Errors: kIo, kTemporary.
Expected<size_t> ReadAt(int fd, uint64_t at, char* to, size_t size);
// Writes all bytes at `at`; by one system call where the system takes them all. After an error,
// some of them may be there. Errors: kIo, kTemporary.
Expected<void> WriteAt(int fd, uint64_t at, std::string_view bytes);
// Makes the file end at `size`. Errors: kIo, kTemporary.
Expected<void> CutFile(int fd, uint64_t size);
// What was written, and the file's own times and rights, are on the disk when it returns. Errors:
// kIo, kTemporary.
Expected<void> PersistFile(int fd);
// The same for what was written alone: fewer writes where the file did not grow.
Expected<void> PersistContent(int fd);
// The same for a file that others write, which was opened to be read. One that can't be written at
// all, as on a file system that is mounted to be read, is on the disk. Errors: kIo, kTemporary.
Expected<void> PersistOthers(int fd);

// Bytes of a file, all from `begin` to before `end`; nothing if they are not there.
std::optional<std::string> ReadRange(int fd, uint64_t begin, uint64_t end);

// The whole file, if it has at most so many bytes. Errors: kTooLarge, kIo, kTemporary; the words
// name the file if the path is given.
Expected<std::string> ReadWhole(const std::filesystem::path& path, size_t most);
Expected<std::string> ReadWhole(int fd, size_t most);

}  // namespace flarebridge
