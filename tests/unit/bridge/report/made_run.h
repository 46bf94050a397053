// A run that is made of rows, and has files in memory, for tests of a report's data.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <utility>

#include "receivers/readers.h"

namespace flarebridge::testing {

class MadeRun : public RunReader {
 public:
  using Rows = std::function<void(const RowVisitor& visit)>;
  explicit MadeRun(Rows rows) : rows_(std::move(rows)) {}

  bool IsLog(const std::filesystem::path&) const override { return true; }
  std::string IdOf(const std::filesystem::path&) const override { return ""; }
  using RunReader::Read;
  Expected<RunSummary> Read(const std::filesystem::path& log,
                            const RunVisitor& visit) const override {
    rows_(visit.row);
    if (visit.console) visit.console(console);
    for (const auto& [name, content] : files) {
      if (visit.file) visit.file(name, name);
    }
    if (fails) return Fail(ErrorCode::kIo, log.string() + ": can't be read: it is a test");
    return summary;
  }
  Expected<std::string> ReadFile(const std::filesystem::path&, std::string_view place,
                                 size_t most) const override {
    ++reads;
    const auto file = files.find(std::string(place));
    if (file == files.end()) return Fail(ErrorCode::kIo, "is not there");
    if (file->second.size() > most) return Fail(ErrorCode::kTooLarge, "is too large");
    return file->second;
  }
  Expected<LogCondition> Check(const std::filesystem::path&) const override {
    return LogCondition();
  }
  Expected<std::string> Repair(const std::filesystem::path&, const LogCondition&) const override {
    return std::string();
  }
  FoundRun found() const { return {"made.log", this}; }

  RunSummary summary;
  bool fails = false;
  std::string console;
  std::map<std::string, std::string> files;
  mutable int reads = 0;  // of files

 private:
  Rows rows_;
};

}  // namespace flarebridge::testing
