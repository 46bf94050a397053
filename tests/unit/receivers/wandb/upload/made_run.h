// A run's folder with a log that a test writes piece by piece. Used by the tests of run upload.
#pragma once

#include <filesystem>
#include <fstream>
#include <string>

#include "receivers/wandb/log/item_list.h"
#include "receivers/wandb/log/log_writer.h"
#include "receivers/wandb/log/protobuf.h"
#include "receivers/wandb/log/record_writer.h"

namespace flarebridge::wandb::testing {

class MadeRun {
 public:
  // `folder`: where the run's own is made. `begun`: its time, which orders parts of one run beside
  // each other; `start`: the same as the log says it, which orders those of several places.
  explicit MadeRun(const std::filesystem::path& folder, const std::string& begun = "100000",
                   double start = 1e9, bool resumed = false, const std::string& entity = "")
      : log_(folder / ("offline-run-20260821_" + begun + "-abc") / "run-abc.wandb") {
    std::filesystem::create_directories(log_.parent_path() / "files");
    std::string bytes;
    writer_.AppendFileHeader(bytes);
    Write(bytes);
    RunRecord run;
    run.run_id = "abc";
    run.entity = entity;
    run.project = "p";
    run.start_time = start;
    run.display_name = "a name";
    run.tags = {"a", "b"};
    run.notes = "notes";
    std::string record;
    AppendRun(++number_, run, nullptr, record);
    if (resumed) record = Resumed(record);
    Append(record);
  }

  const std::filesystem::path& log() const { return log_; }

  void Rows(int count) {
    for (int i = 0; i < count; ++i) {
      ItemList items;
      items.Put(PathOf("loss"), std::to_string(rows_));
      if (steps_) items.Put(PathOf("_step"), std::to_string(rows_));
      std::string summary, history;
      AppendSummary(++number_, items, summary);
      AppendHistory(++number_, items, rows_++, nullptr, history);
      Append(summary);
      Append(history);
    }
  }
  // Rows tell their steps from here on.
  void WithSteps() { steps_ = true; }
  // Any other record: its content, a message of that field.
  void Other(uint32_t field, const std::string& content) {
    std::string record;
    protozero::pbf_writer message(record);
    message.add_int64(1, ++number_);
    message.add_message(field, content);
    Append(record);
  }
  void Console(const std::string& text) {
    std::string record;
    AppendOutput(++number_, 1e9, text, nullptr, record);
    Append(record);
  }
  // A file below files/, which the log names.
  void File(const std::string& name, const std::string& content) {
    std::ofstream(log_.parent_path() / "files" / name) << content;
    std::string record;
    AppendFile(++number_, name, nullptr, record);
    Append(record);
  }
  void End(int exit_code = 0) {
    end_ = writer_.offset();
    std::string record;
    AppendExit(++number_, exit_code, 1, record);
    Append(record);
  }
  // As a worker does that goes on in the log.
  void TakeBackEnd() {
    std::filesystem::resize_file(log_, end_);
    writer_ = LogWriter(end_);
  }

 private:
  // The run's record with the mark of a later part, which a writer of ours never sets: protobuf
  // merges messages of one field.
  static std::string Resumed(std::string record) {
    constexpr uint32_t kRun = 17, kResume = 24;
    std::string mark;
    protozero::pbf_writer(mark).add_bool(kResume, true);
    protozero::pbf_writer(record).add_message(kRun, mark);
    return record;
  }
  void Append(const std::string& record) {
    std::string bytes;
    writer_.AppendRecord(record, bytes);
    Write(bytes);
  }
  void Write(const std::string& bytes) {
    std::ofstream(log_, std::ios::binary | std::ios::app) << bytes;
  }

  std::filesystem::path log_;
  LogWriter writer_{0};
  uint64_t end_ = 0;
  int64_t number_ = 0;
  int rows_ = 0;
  bool steps_ = false;
};

}  // namespace flarebridge::wandb::testing
