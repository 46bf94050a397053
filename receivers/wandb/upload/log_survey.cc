#include "receivers/wandb/upload/log_survey.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>

#include "receivers/wandb/record_stream.h"

namespace flarebridge::wandb {
namespace {

// Kinds of records that hold something of the user's which is not uploaded, by their field in
// Record (wandb_internal.proto).
std::string LeftOutName(uint32_t field) {
  switch (field) {
    case 8:
    case 25:
      return "artifacts";
    case 9:
      return "TensorBoard folders";
    case 10:
      return "alerts";
    case 12:
      return "metric definitions";
    default:
      return "";
  }
}

constexpr size_t kMaxConsole = size_t{64} << 20;

void TakeRun(const ParsedRecord& record, LogSurvey& survey) {
  RunRecord& run = survey.run;
  const RunRecord& newer = record.run;
  for (const auto field :
       {&RunRecord::run_id, &RunRecord::entity, &RunRecord::project, &RunRecord::group,
        &RunRecord::job_type, &RunRecord::display_name, &RunRecord::notes, &RunRecord::host}) {
    if (!(newer.*field).empty()) run.*field = newer.*field;
  }
  if (!newer.tags.empty()) run.tags = newer.tags;
  if (newer.start_time > 0) run.start_time = newer.start_time;
}

void SetAll(const ParsedRecord& record, JsonObject& object) {
  for (const ParsedRecord::ParsedItem& item : record.items) {
    if (!item.path.empty()) object.Set(item.path, item.json);
  }
}

class Surveyor {
 public:
  explicit Surveyor(LogSurvey& survey) : survey_(survey) {}

  void Take(const ParsedRecord& record) {
    switch (record.kind) {
      case ParsedRecord::Kind::kRun:
        TakeRun(record, survey_);
        SetAll(record, survey_.config);
        break;
      case ParsedRecord::Kind::kConfig:
        SetAll(record, survey_.config);
        break;
      case ParsedRecord::Kind::kHistory:
        ++survey_.history_lines;
        SetAll(record, survey_.summary);
        break;
      case ParsedRecord::Kind::kSummary:
        SetAll(record, survey_.summary);
        break;
      case ParsedRecord::Kind::kStats:
        ++survey_.event_lines;
        break;
      case ParsedRecord::Kind::kOutput:
        ++survey_.output_lines;
        if (survey_.console.size() < kMaxConsole) survey_.console += record.line;
        break;
      case ParsedRecord::Kind::kFiles:
        TakeFiles(record);
        break;
      case ParsedRecord::Kind::kExit:
        survey_.ended = true;
        survey_.exit_code = record.exit_code;
        break;
      default:
        if (const std::string name = LeftOutName(record.field); !name.empty())
          ++survey_.left_out[name];
    }
  }

 private:
  void TakeFiles(const ParsedRecord& record) {
    for (const std::string_view path : record.files) {
      std::vector<std::string>& files = survey_.files;
      if (std::find(files.begin(), files.end(), path) == files.end()) files.emplace_back(path);
    }
  }

  LogSurvey& survey_;
};

}  // namespace

Expected<LogSurvey> SurveyLog(const std::filesystem::path& log) {
  const int fd = open(log.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) {
    return Fail(ErrorCode::kIo,
                log.string() + " can't be read: " + std::generic_category().message(errno));
  }
  LogSurvey survey;
  Surveyor surveyor(survey);
  const Expected<LogEnd> end =
      ReadRecords(fd, [&](const ParsedRecord& record, uint64_t) { surveyor.Take(record); });
  close(fd);
  if (!end) return tl::unexpected<Error>(end.error());
  survey.torn = end->torn;
  survey.corrupt = end->corrupt;
  if (survey.run.run_id.empty())
    return Fail(ErrorCode::kMalformed,
                log.string() + " names no run: it has just been begun, or was cut");
  return survey;
}

}  // namespace flarebridge::wandb
