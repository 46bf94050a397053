// Files of a run: what a site sends with a path of its own is kept below the run's files/ folder,
// from where W&B uploads it. Used by WandbRun; one thread per run.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "events/error.h"

namespace flarebridge::wandb {

// A path below files/ made of outside text: components that are empty, "." or ".." become "_", each
// and the whole are cut to what a file system takes.
// `suffix` (of safe characters, 100 bytes at most) ends the last component and is never cut.
std::filesystem::path SafeRelativePath(std::string_view text, std::string_view suffix = {});

// Where a file of media goes, named as by W&B's SDK: media/<folder>/<key>_<step>_<20 digits of its
// content's SHA-256><extension>. An event without a step has "p<position>" in its place.
std::filesystem::path MediaPath(std::string_view folder, std::string_view key,
                                std::optional<int64_t> step, uint64_t position,
                                std::string_view sha256, std::string_view extension);
// 64 lower-case hex digits.
std::string HexSha256(std::string_view bytes);

// Writes the file `relative` (of SafeRelativePath) below `files` and brings it to the disk, so that
// a record may name it. False: no file can ever have this path here (a component of it is a file, a
// folder or a link already, or it is too long), so trying again does not help. Errors: kIo.
Expected<bool> WriteRunFile(const std::filesystem::path& files,
                            const std::filesystem::path& relative, std::string_view content);

}  // namespace flarebridge::wandb
