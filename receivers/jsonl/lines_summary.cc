#include "receivers/jsonl/lines_summary.h"

#include <utility>

#include "receivers/json.h"

namespace flarebridge::jsonl {
namespace {

constexpr size_t kMostTags = 256;  // as a run of W&B's has

// The JSON of a text that stands for a boolean, where the value is no text of the user's.
void RestoreBooleans(Cells& cells) {
  for (auto& [key, json] : cells) {
    if (json == "\"true\"" || json == "\"false\"") json = json.substr(1, json.size() - 2);
  }
}

}  // namespace

LinesSummary::LinesSummary(RunVisitor visit)
    : visit_(std::move(visit)),
      config_(run_.config),
      summary_(run_.summary),
      rows_([this](const Row& row) { Emit(row); }) {}

void LinesSummary::Take(std::string_view line, uint64_t begin) {
  const LineFields fields = FieldsOf(line);
  if (fields.type == "\"RUN\"") {
    TakeRun(fields);
  } else if (fields.type == "\"END\"") {
    TakeEnd(fields);
  } else {
    run_.state = RunSummary::State::kRunning;  // it went on behind an end
    TakeData(fields, begin);
  }
}

RunSummary LinesSummary::End() {
  rows_.End();
  for (const auto& [key, tag] : tags_) run_.tags.push_back(tag);
  return std::move(run_);
}

// Another journal's events begin with one, too; the run is the same.
void LinesSummary::TakeRun(const LineFields& fields) {
  if (!run_.site.empty()) return;
  const std::string job = TextOf(fields.job), run = TextOf(fields.run);
  run_.site = TextOf(fields.site);
  // As IdentifyRun() of W&B's receiver has them.
  run_.name = run_.site + "-" + job + "-" + run;
  run_.group = run + "-" + job;
  SetConfig({{"job_id", std::string(fields.job)},
             {"client", std::string(fields.site)},
             {"run_name", std::string(fields.run)}});
  run_.written =
      TextOf(fields.side) == "client" ? RunSummary::Written::kSite : RunSummary::Written::kServer;
  run_.started = NumberOf(fields.time).value_or(0);
  rows_.StartAt(run_.started);
}

void LinesSummary::TakeEnd(const LineFields& fields) {
  run_.exit_code = static_cast<int32_t>(IntegerOf(fields.value).value_or(0));
  run_.state = run_.exit_code == 0 ? RunSummary::State::kFinished : RunSummary::State::kFailed;
}

void LinesSummary::TakeData(const LineFields& fields, uint64_t begin) {
  const std::string type = TextOf(fields.type);
  if (type == "SCALAR" || type == "METRIC" || type == "SCALARS" || type == "METRICS") {
    Cells cells = CellsOf(fields, type == "SCALAR" || type == "METRIC");
    RestoreBooleans(cells);
    AddRow(fields, cells);
  } else if (type == "TEXT") {
    TakeText(fields, begin);
  } else if (type == "IMAGE" || type == "MEDIA") {
    TakeImage(fields, begin);
  } else if (type == "PARAMETER") {
    SetConfig(CellsOf(fields, true, 0));
  } else if (type == "PARAMETERS") {
    SetConfig(CellsOf(fields, false, 1));
  } else if (type == "TAG" || type == "TAGS") {
    TakeTags(fields);
  } else if (type == "LOG_RECORD" && visit_.console) {
    std::string text = TextOf(fields.text);
    if (!text.ends_with('\n')) text.push_back('\n');
    visit_.console(text);
  }
}

void LinesSummary::TakeText(const LineFields& fields, uint64_t begin) {
  if (fields.path.empty()) {
    AddRow(fields, CellsOf(fields, true));
  } else if (visit_.file) {
    visit_.file(TextOf(fields.path), TextOf(LinePlace{begin, {}}));
  }
}

void LinesSummary::TakeImage(const LineFields& fields, uint64_t begin) {
  std::string json = ImageJson(fields, begin);
  // What has no file in the line is named by its type alone: its bytes are no values.
  if (json.empty() && fields.type == "\"IMAGE\"") json = R"({"_type":"image-file"})";
  if (json.empty()) {
    for (const auto& [key, value] : CellsOf(fields, false)) {
      if (key == "_type") json = R"({"_type":)" + value + '}';
    }
  }
  if (!json.empty()) AddRow(fields, {{TextOf(fields.tag), json}});
}

void LinesSummary::TakeTags(const LineFields& fields) {
  const Cells cells = CellsOf(fields, false, 1);
  SetConfig(cells);
  for (const auto& [key, json] : cells) {
    const std::string text = json.starts_with('"') ? TextOf(json) : json == "null" ? "" : json;
    if (tags_.size() >= kMostTags && !tags_.contains(key)) continue;
    std::string& tag = tags_[key] = key;
    if (!text.empty()) tag.append(":").append(text);
  }
}

void LinesSummary::AddRow(const LineFields& fields, const Cells& cells) {
  rows_.Take(IntegerOf(fields.step), fields.time, cells);
}

void LinesSummary::Emit(const Row& row) {
  ++run_.rows;
  for (const Cell& cell : row) {
    if (cell.key.starts_with('_')) continue;
    if (!summary_.Set(std::string(cell.key), std::string(cell.json))) ++run_.left_out;
  }
  if (visit_.row) visit_.row(row);
}

void LinesSummary::SetConfig(const Cells& cells) {
  for (const auto& [key, json] : cells) {
    if (!json.empty() && !config_.Set(key, json)) ++run_.left_out;
  }
}

}  // namespace flarebridge::jsonl
