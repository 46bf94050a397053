// A prepared SQLite statement, and the checksums of rows: SQLite's own cover what is in the WAL
// only, so that a bit that changes in the database itself would go unseen. One thread.
#pragma once

#include <sqlite3.h>
#include <zlib.h>

#include <cstdint>
#include <cstring>
#include <string_view>

#include "events/error.h"
#include "receivers/files/system_error.h"

namespace flarebridge {

// What the last failure of a database was: kBusy if another process has it, kCorrupt for what the
// file holds, kTemporary for what passes when somebody makes room or mends the disk, kIo for the
// rest.
inline ErrorCode CodeOfSqlite(sqlite3* database) {
  const int code = sqlite3_errcode(database) & 0xff;  // without SQLite's extension of it
  if (code == SQLITE_BUSY) return ErrorCode::kBusy;
  if (code == SQLITE_CORRUPT || code == SQLITE_NOTADB) return ErrorCode::kCorrupt;
  const bool passes = code == SQLITE_FULL || code == SQLITE_IOERR || code == SQLITE_NOMEM ||
                      code == SQLITE_READONLY ||
                      CodeOf(sqlite3_system_errno(database)) == ErrorCode::kTemporary;
  return passes ? ErrorCode::kTemporary : ErrorCode::kIo;
}

// The CRC-32 of a row's values, in their order; each value's length counts, too.
class RowSum {
 public:
  void Add(std::string_view bytes) {
    Number(bytes.size());
    Bytes(bytes.data(), bytes.size());
  }
  void Number(uint64_t value) { Bytes(&value, sizeof value); }
  uint64_t value() const { return sum_; }
  // Of these values and behind them those of `later`, which have so many bytes with their lengths.
  uint64_t Followed(uint64_t later, uint64_t bytes) const {
    return crc32_combine(sum_, later, static_cast<z_off_t>(bytes));
  }

 private:
  void Bytes(const void* data, size_t size) {
    // For zlib a null pointer means a new sum; SQLite gives one for an empty value.
    if (size == 0) return;
    sum_ = crc32_z(sum_, static_cast<const unsigned char*>(data), size);
  }
  uLong sum_ = crc32_z(0, nullptr, 0);
};

// Parameters are bound by position from 1, columns read from 0; bound text and blobs must live
// until the statement has run.
class SqliteStatement {
 public:
  explicit SqliteStatement(sqlite3_stmt* statement) : statement_(statement) {}
  ~SqliteStatement() { sqlite3_finalize(statement_); }
  SqliteStatement(const SqliteStatement&) = delete;
  SqliteStatement& operator=(const SqliteStatement&) = delete;

  SqliteStatement& Start() {
    sqlite3_reset(statement_);
    index_ = 0;
    sum_ = RowSum();
    return *this;
  }
  SqliteStatement& Integer(uint64_t value) {
    sqlite3_bind_int64(statement_, ++index_, static_cast<sqlite3_int64>(value));
    sum_.Number(value);
    return *this;
  }
  SqliteStatement& Real(double value) {
    sqlite3_bind_double(statement_, ++index_, value);
    sum_.Number(BitsOf(value));
    return *this;
  }
  SqliteStatement& Text(std::string_view value) {
    sqlite3_bind_text64(statement_, ++index_, value.data(), value.size(), SQLITE_STATIC,
                        SQLITE_UTF8);
    sum_.Add(value);
    return *this;
  }
  SqliteStatement& Blob(std::string_view value) {
    sqlite3_bind_blob64(statement_, ++index_, value.data(), value.size(), SQLITE_STATIC);
    sum_.Add(value);
    return *this;
  }
  // Binds the checksum of all that was bound since Start() or the last Sum().
  SqliteStatement& Sum() {
    const uint64_t sum = sum_.value();
    Integer(sum);
    sum_ = RowSum();
    return *this;
  }
  // SQLITE_ROW, SQLITE_DONE or an error code. After the last row the statement lets go of its lock.
  int Step() {
    const int result = sqlite3_step(statement_);
    if (result != SQLITE_ROW) sqlite3_reset(statement_);
    return result;
  }
  uint64_t IntegerAt(int column) const {
    return static_cast<uint64_t>(sqlite3_column_int64(statement_, column));
  }
  double RealAt(int column) const { return sqlite3_column_double(statement_, column); }
  // Valid until the next Step() or Start().
  std::string_view BytesAt(int column) const {
    const auto* data = static_cast<const char*>(sqlite3_column_blob(statement_, column));
    const int size = sqlite3_column_bytes(statement_, column);
    return data == nullptr ? std::string_view() : std::string_view(data, static_cast<size_t>(size));
  }
  // Binds the value that a row of another statement has in its column, as it is.
  SqliteStatement& Copy(const SqliteStatement& row, int column) {
    sqlite3_bind_value(statement_, ++index_, sqlite3_column_value(row.statement_, column));
    return *this;
  }
  // The column `last` is the checksum of those from `first` on before it.
  bool Whole(int first, int last) const {
    RowSum sum;
    for (int column = first; column < last; ++column) {
      switch (sqlite3_column_type(statement_, column)) {
        case SQLITE_INTEGER:
          sum.Number(IntegerAt(column));
          break;
        case SQLITE_FLOAT:
          sum.Number(BitsOf(RealAt(column)));
          break;
        default:
          sum.Add(BytesAt(column));
      }
    }
    return sqlite3_column_type(statement_, last) == SQLITE_INTEGER &&
           IntegerAt(last) == sum.value();
  }

 private:
  static uint64_t BitsOf(double value) {
    uint64_t bits = 0;
    std::memcpy(&bits, &value, sizeof bits);
    return bits;
  }

  sqlite3_stmt* statement_;
  int index_ = 0;
  RowSum sum_;
};

}  // namespace flarebridge
