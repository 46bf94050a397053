#include "bridge/journal/wal.h"

#include <array>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <optional>
#include <string_view>
#include <vector>

#include "receivers/files/file_info.h"
#include "receivers/files/folders.h"
#include "receivers/files/open_file.h"
#include "receivers/files/system_error.h"

namespace flarebridge {
namespace {

constexpr size_t kFileHeader = 32, kFrameHeader = 24;
constexpr uint32_t kMagic = 0x377f0682;  // the lowest bit: checksums take words big-endian
constexpr uint32_t kVersion = 3007000;
constexpr uint32_t kMaxPage = 65536;

const std::string kSubject = "the journal's WAL";

using Bytes = std::vector<uint8_t>;

uint32_t BigEndian(const uint8_t* at) {
  return static_cast<uint32_t>(at[0]) << 24 | static_cast<uint32_t>(at[1]) << 16 |
         static_cast<uint32_t>(at[2]) << 8 | at[3];
}

void PutBigEndian(uint32_t value, uint8_t* to) {
  for (int i = 0; i < 4; ++i) to[i] = static_cast<uint8_t>(value >> (24 - 8 * i));
}

// Runs through the file and through the frames before it.
struct Checksum {
  bool big_endian = false;
  uint32_t first = 0, second = 0;

  // size: a multiple of 8.
  void Add(const uint8_t* data, size_t size) {
    for (size_t i = 0; i < size; i += 8) {
      first += Word(data + i) + second;
      second += Word(data + i + 4) + first;
    }
  }
  uint32_t Word(const uint8_t* at) const {
    const uint32_t word = BigEndian(at);
    return big_endian ? word : __builtin_bswap32(word);
  }
  bool IsAt(const uint8_t* at) const {
    return BigEndian(at) == first && BigEndian(at + 4) == second;
  }
  void Set(const uint8_t* at) {
    first = BigEndian(at);
    second = BigEndian(at + 4);
  }
  void PutAt(uint8_t* at) const {
    PutBigEndian(first, at);
    PutBigEndian(second, at + 4);
  }
};

class Wal {
 public:
  explicit Wal(int fd) : fd_(fd) {}

  Expected<void> ReadHeader() {
    const Expected<FileInfo> info = InfoOf(fd_);
    if (!info) return FailOf(kSubject, info);
    size_ = info->size;
    if (size_ < kFileHeader) return {};
    return ReadAt(0, header_.data(), kFileHeader);
  }
  // A file of no bytes, or one that was never written to: it holds nothing.
  bool IsEmpty() const {
    return size_ < kFileHeader || header_ == std::array<uint8_t, kFileHeader>{};
  }
  bool HeaderIsWhole() {
    const uint32_t page = BigEndian(&header_[8]);
    if ((BigEndian(&header_[0]) & ~1U) != kMagic || BigEndian(&header_[4]) != kVersion ||
        page < 512 || page > kMaxPage || (page & (page - 1)) != 0)
      return false;
    Begin();
    return sum_.IsAt(&header_[24]);
  }
  // Reads on behind the header; a frame's sum counts on from the one before it.
  void Begin() {
    sum_ = Checksum{(header_[3] & 1) != 0};
    sum_.Add(header_.data(), 24);
    frame_.resize(kFrameHeader + BigEndian(&header_[8]));
    next_ = kFileHeader;
  }
  // False at the end, which is also where frames of an earlier use of the file begin.
  Expected<bool> Next() {
    at_ = next_;
    if (at_ + frame_.size() > size_) return false;
    if (Expected<void> read = ReadAt(at_, frame_.data(), frame_.size()); !read)
      return Propagate(read);
    next_ += frame_.size();
    sum_.Add(frame_.data(), 8);
    sum_.Add(&frame_[kFrameHeader], frame_.size() - kFrameHeader);
    return std::memcmp(&frame_[8], &header_[16], 8) == 0;
  }
  bool FrameIsWhole() const { return sum_.IsAt(&frame_[16]); }
  // The frame ends a transaction.
  bool Commits() const { return BigEndian(&frame_[4]) != 0; }
  // Counts on from what the frame says of itself.
  void TrustFrame() { sum_.Set(&frame_[16]); }
  // Makes the frame, or the header, say what is counted.
  Expected<void> MendFrame() {
    sum_.PutAt(&frame_[16]);
    return WriteAt(at_ + 16, &frame_[16], 8);
  }
  Expected<void> MendHeader(const uint8_t* salts) {
    PutBigEndian(BigEndian(&header_[0]) == (kMagic | 1) ? kMagic | 1 : kMagic, &header_[0]);
    PutBigEndian(kVersion, &header_[4]);
    std::memcpy(&header_[16], salts, 8);
    Begin();
    sum_.PutAt(&header_[24]);
    return WriteAt(0, header_.data(), header_.size());
  }
  // The salts of the first frame, if the header's page size lets it be found.
  Expected<std::optional<std::array<uint8_t, 8>>> FirstSalts() {
    std::array<uint8_t, 8> salts{};
    if (size_ < kFileHeader + kFrameHeader) return std::nullopt;
    if (Expected<void> read = ReadAt(kFileHeader + 8, salts.data(), salts.size()); !read)
      return Propagate(read);
    return salts;
  }
  void SetPageSize(uint32_t page) { PutBigEndian(page, &header_[8]); }

 private:
  Expected<void> ReadAt(uint64_t at, uint8_t* to, size_t size) const {
    const Expected<size_t> got = flarebridge::ReadAt(fd_, at, reinterpret_cast<char*>(to), size);
    if (!got) return FailOf(kSubject, got);
    if (*got != size) return Fail(ErrorCode::kTemporary, "the journal's WAL was cut meanwhile");
    return {};
  }
  Expected<void> WriteAt(uint64_t at, const uint8_t* from, size_t size) const {
    const Expected<void> put =
        flarebridge::WriteAt(fd_, at, {reinterpret_cast<const char*>(from), size});
    if (!put) return FailOf(kSubject, put);
    return {};
  }

  int fd_;
  uint64_t size_ = 0, at_ = 0, next_ = 0;
  std::array<uint8_t, kFileHeader> header_{};
  Bytes frame_;
  Checksum sum_;
};

bool IsMissing(const std::string& path) {
  std::error_code failed;
  return !std::filesystem::exists(path, failed) && !failed;
}

}  // namespace

Expected<void> CheckWal(const std::string& path) {
  if (IsMissing(path)) return {};
  const Expected<UniqueFd> file = OpenToRead(path);
  if (!file) return FailOf(path, file);
  Wal wal(file->get());
  if (Expected<void> read = wal.ReadHeader(); !read) return read;
  if (wal.IsEmpty()) return {};
  const auto damaged = [&path] { return Fail(ErrorCode::kCorrupt, path + " is damaged"); };
  if (!wal.HeaderIsWhole()) return damaged();
  bool bad = false, bad_commit = false;
  while (true) {
    const Expected<bool> next = wal.Next();
    if (!next) return Propagate(next);
    if (!*next) return {};
    // A transaction is synced before the next one is written: what is followed by another one was
    // whole once.
    if (bad_commit) return damaged();
    bad = bad || !wal.FrameIsWhole();
    bad_commit = bad && wal.Commits();
    wal.TrustFrame();
  }
}

Expected<void> PersistWal(const std::string& path) {
  if (IsMissing(path)) return {};
  const Expected<UniqueFd> file = OpenToRead(path);
  if (!file) return FailOf(path, file);
  if (const Expected<void> synced = PersistContent(file->get()); !synced)
    return FailOf(path, synced);
  return PersistFolder(std::filesystem::path(path).parent_path());
}

bool WalHasNoDatabase(const std::string& database) {
  const auto size_of = [](const std::string& path) {
    const Expected<FileInfo> info = InfoOf(std::filesystem::path(path));
    return info ? info->size : 0;
  };
  return size_of(database) == 0 && size_of(database + "-wal") > kFileHeader + kFrameHeader;
}

Expected<void> RechainWal(const std::string& path) {
  if (IsMissing(path)) return {};
  const Expected<UniqueFd> file = OpenToChange(path);
  if (!file) return FailOf(path, file);
  Wal wal(file->get());
  if (Expected<void> read = wal.ReadHeader(); !read) return read;
  if (wal.IsEmpty()) return {};
  if (!wal.HeaderIsWhole()) {
    const auto salts = wal.FirstSalts();
    if (!salts) return Propagate(salts);
    if (!*salts) return {};
    wal.SetPageSize(kJournalPage);
    if (Expected<void> mended = wal.MendHeader((*salts)->data()); !mended) return mended;
  }
  while (true) {
    const Expected<bool> next = wal.Next();
    if (!next) return Propagate(next);
    if (!*next) return {};
    if (wal.FrameIsWhole()) continue;
    if (Expected<void> mended = wal.MendFrame(); !mended) return mended;
  }
}

}  // namespace flarebridge
