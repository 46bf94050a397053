#include "receivers/wandb/run/log_appender.h"

#include <system_error>

#include "receivers/wandb/log/run_folder.h"

namespace flarebridge::wandb {

LogAppender::LogAppender(AppendOnlyFile file, const Recovered& recovered)
    : file_(std::move(file)),
      writer_(recovered.whole_end),
      whole_end_(recovered.whole_end),
      number_(recovered.number),
      ended_(recovered.ended),
      uploaded_(IsUploaded(file_.path())),
      content_end_(recovered.content_end),
      number_before_end_(recovered.number_before_end) {}

Expected<void> LogAppender::CutTorn() {
  return file_.size() > whole_end_ ? file_.CutTo(whole_end_) : Expected<void>();
}

Expected<void> LogAppender::StartAnew() {
  if (Expected<void> cut = file_.CutTo(0); !cut) return cut;
  writer_ = LogWriter(0);
  number_ = 0;
  ended_ = false;
  writer_.AppendFileHeader(waiting_);
  return {};
}

Expected<void> LogAppender::WriteOut() {
  if (waiting_.empty()) return {};
  if (uploaded_) RemoveUploadedMark();
  Expected<void> written = file_.Append(waiting_);
  waiting_.clear();
  unsynced_ = true;
  return written;
}

Expected<void> LogAppender::Persist() { return unsynced_ ? PersistAll() : Expected<void>(); }

Expected<void> LogAppender::PersistAll() {
  Expected<void> synced = file_.Persist();
  if (synced) {
    unsynced_ = false;
    confirmed_ = number_;
    return {};
  }
  if (!file_.IsTakenAway()) return synced;
  return Fail(synced.error().code,
              synced.error().message + ", with " + std::to_string(confirmed_) +
                  " records that were on the disk; the run goes on in a new folder with what "
                  "came later");
}

void LogAppender::RemoveUploadedMark() {
  std::error_code ignored;
  std::filesystem::remove(UploadedMark(file_.path()), ignored);
  uploaded_ = false;
}

Expected<void> LogAppender::BeginEnd() {
  // `wandb sync` marks a log that grows, too.
  RemoveUploadedMark();
  if (Expected<void> written = WriteOut(); !written) return written;
  content_end_ = file_.size();
  number_before_end_ = number_;
  return {};
}

Expected<void> LogAppender::FinishEnd() {
  if (Expected<void> written = WriteOut(); !written) return written;
  ended_ = true;
  return {};
}

Expected<void> LogAppender::Reopen() {
  if (!ended_) return {};
  // Before the end goes: a log that is marked has one.
  RemoveUploadedMark();
  if (Expected<void> cut = file_.CutTo(content_end_); !cut) return cut;
  writer_ = LogWriter(content_end_);
  number_ = number_before_end_;
  ended_ = false;
  unsynced_ = true;
  return {};
}

}  // namespace flarebridge::wandb
