// A W&B run in a folder of its own, to which tests give events one after the other, and what its
// log says then.
#pragma once

#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "events/value.h"
#include "receivers/files/open_file.h"
#include "receivers/wandb/log/log_summary.h"
#include "receivers/wandb/log/record_stream.h"
#include "receivers/wandb/run/wandb_run.h"
#include "tests/unit/temp_folder.h"

namespace flarebridge::wandb::testing {

// msgpack, as values of events.
inline std::string Text(std::string_view text) {
  std::string bytes = "\xda";
  bytes.push_back(static_cast<char>(text.size() >> 8));
  bytes.push_back(static_cast<char>(text.size() & 0xff));
  return bytes + std::string(text);
}
inline std::string Binary(std::string_view content) {
  std::string bytes = "\xc5";
  bytes.push_back(static_cast<char>(content.size() >> 8));
  bytes.push_back(static_cast<char>(content.size() & 0xff));
  return bytes + std::string(content);
}
inline std::string Number(double number) {
  ValueNode node;
  node.kind = ValueKind::kFloat;
  node.number = number;
  std::string bytes;
  EncodeValue(Value(&node), bytes);
  return bytes;
}
inline std::string Integer(uint64_t number) {
  ValueNode node;
  node.kind = ValueKind::kUint;
  node.unsigned_integer = number;
  std::string bytes;
  EncodeValue(Value(&node), bytes);
  return bytes;
}
inline std::string List(const std::vector<std::string>& items) {
  std::string bytes(1, static_cast<char>(0x90 + items.size()));
  for (const std::string& item : items) bytes += item;
  return bytes;
}
inline std::string Map(const std::vector<std::pair<std::string, std::string>>& pairs) {
  std::string bytes = {'\xde', '\0', static_cast<char>(pairs.size())};
  for (const auto& [key, value] : pairs) bytes += Text(key) + value;
  return bytes;
}

class MadeRun {
 public:
  explicit MadeRun(uint64_t checkpoint_every = WandbRun::kCheckpointEvery)
      : checkpoint_every_(checkpoint_every) {
    Open(0);
  }
  // As after a worker's death: nothing is drained.
  void Reopen() {
    const uint64_t durable = run_->DurablePosition();
    run_.reset();
    Open(durable);
  }
  void Give(DataType type, const std::string& tag, const std::string& value,
            std::optional<int64_t> step = std::nullopt) {
    given_.push_back({given_.size() + 1, type, tag, value, step});
    Write(given_.back());
  }
  void Log(const std::string& key, const std::string& value,
           std::optional<int64_t> step = std::nullopt) {
    Give(DataType::kMetric, key, value, step);
  }
  void Operate(const std::string& tag, const std::string& op,
               std::vector<std::pair<std::string, std::string>> keys = {}) {
    keys.insert(keys.begin(), {"op", Text(op)});
    Give(DataType::kOperation, tag, Map(keys));
  }
  void Drain() {
    REQUIRE(run_->Drain().has_value());
    synced_ = std::filesystem::file_size(LogPath());
  }
  void Persist() {
    REQUIRE(run_->Persist().has_value());
    synced_ = std::filesystem::file_size(LogPath());
  }
  // The worker dies in a power cut: of the log's end, which was not brought to the disk, so many
  // bytes are not there.
  void DieWithout(uint64_t bytes) {
    const std::filesystem::path log = LogPath();
    const uint64_t size = std::filesystem::file_size(log);
    const uint64_t durable = run_->DurablePosition();
    run_.reset();
    std::filesystem::resize_file(log, size - std::min(bytes, size - std::min(size, synced_)));
    Open(durable);
  }

  WandbRun& run() { return *run_; }
  const std::filesystem::path& folder() const { return temp_.path(); }
  // Where large values are.
  std::filesystem::path Blobs() const { return temp_.path() / "blobs"; }
  std::filesystem::path LogPath() const { return FindLogs(temp_.path()).value().front(); }
  LogSummary Summary() {
    Drain();
    return ReadLog(LogPath(), nullptr).value();
  }
  // The summary's value of a key, or "".
  std::string SummaryOf(const std::string& key) {
    const LogSummary log = Summary();
    const auto found = log.summary.find(key);
    return found == log.summary.end() ? "" : found->second;
  }
  // Rows as "key=json,key=json" in their order, without W&B's own keys.
  std::vector<std::string> Rows() {
    Drain();
    std::vector<std::string> rows;
    REQUIRE(ReadLog(LogPath(), [&](const std::vector<ParsedRecord::ParsedItem>& items) {
              std::string row;
              for (const auto& item : items) {
                if (item.key.starts_with('_')) continue;
                row += (row.empty() ? "" : ",") + item.key + "=" + std::string(item.json);
              }
              rows.push_back(row);
            }).has_value());
    return rows;
  }
  // Contents of the records of one kind that are none of ParsedRecord's.
  std::vector<std::string> Contents(uint32_t field) {
    Drain();
    std::vector<std::string> contents;
    const UniqueFd file = OpenToRead(LogPath()).value();
    REQUIRE(ReadRecords(file.get(), OnDamage::kStop,
                        [&](const ParsedRecord& record, uint64_t /*start*/) {
                          if (record.field == field) contents.emplace_back(record.content);
                        })
                .has_value());
    return contents;
  }

  static constexpr double kStart = 1789000000;

 private:
  struct Given {
    uint64_t position;
    DataType type;
    std::string tag, value;
    std::optional<int64_t> step;
  };
  // What is not durable is given again.
  void Open(uint64_t durable) {
    RunSpec spec;
    spec.journal = "journal-1";
    spec.job = "job";
    spec.site = "site-1";
    spec.run_name = "run";
    spec.side = "server";
    spec.folder = temp_.path().string();
    spec.started = kStart;
    spec.blobs = Blobs().string();
    spec.durable = durable;
    run_ = WandbRun::Open(spec, spec.folder, WandbArguments::Parse(Value()).value(), {},
                          checkpoint_every_)
               .value();
    for (const Given& given : given_) {
      if (given.position > run_->DurablePosition()) Write(given);
    }
  }
  void Write(const Given& given) {
    const Document document = Document::Parse(given.value).value();
    Data data;
    data.time = kStart + static_cast<double>(given.position);
    data.site = "site-1";
    data.type = given.type;
    data.tag = given.tag;
    data.value = document.root();
    data.step = given.step;
    REQUIRE(run_->Write(given.position, data, {}).has_value());
  }

  flarebridge::testing::TempFolder temp_;
  uint64_t checkpoint_every_;
  std::unique_ptr<WandbRun> run_;
  std::vector<Given> given_;
  uint64_t synced_ = 0;
};

}  // namespace flarebridge::wandb::testing
