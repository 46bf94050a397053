// Tables become a file of the run, an artifact whose contents lie below the run's folder, and
// values of a row that name both; of a chart, what it shows of its table goes into the run's
// config. The row carries the mark.
#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "events/blob_ref.h"
#include "receivers/files/stable_hash.h"
#include "receivers/json.h"
#include "receivers/wandb/artifacts/artifact_name.h"
#include "receivers/wandb/artifacts/md5.h"
#include "receivers/wandb/log/artifact_writer.h"
#include "receivers/wandb/log/record_writer.h"
#include "receivers/wandb/run/effects.h"
#include "receivers/wandb/run/media_object.h"
#include "receivers/wandb/run/run_files.h"
#include "receivers/wandb/run/table.h"

namespace flarebridge::wandb {
namespace {

namespace fs = std::filesystem;

std::string_view TextOf(const Value& map, std::string_view key) {
  return map.Find(key).value_or(Value()).AsText().value_or(std::string_view());
}

// The rows' bytes, those of a large table in `room`; nothing: there are none.
std::optional<std::string_view> RowsOf(const Value& value, BlobFolder& blobs, std::string& room) {
  const Value data = value.Find("data").value_or(Value());
  if (data.kind() == ValueKind::kBinary) return data.node().text;
  const std::optional<BlobRef> blob = BlobOf(data);
  std::optional<std::string> content = blob ? blobs.Content(*blob) : std::nullopt;
  if (!content) return std::nullopt;
  room = std::move(*content);
  return room;
}

// W&B's client takes 128 random letters and digits, so that rows may refer to an artifact before
// the server has named it. These are made of what makes the version one of its own: given again
// after a crash it is the same.
std::string ClientId(const std::string& what) {
  return HexSha256("1" + what) + HexSha256("2" + what);
}

// MANIFEST_MD5 (wandb/sdk/artifacts/artifact_manifests/ at 0.31.0).
std::string DigestOf(const std::vector<WrittenArtifact::File>& files) {
  Md5 md5;
  md5.Add("wandb-artifact-manifest-v1\n");
  for (const WrittenArtifact::File& file : files) md5.Add(file.path + ":" + file.digest + "\n");
  return HexOf(md5.Finish());
}

WrittenArtifact ArtifactOf(const RunOutput& out, std::string_view key, const Table& table) {
  WrittenArtifact artifact;
  artifact.run_id = out.run.run_id;
  artifact.project = out.run.project;
  artifact.entity = out.run.entity;
  artifact.type = "run_table";
  artifact.name = ArtifactName("run-" + out.run.run_id + "-" + std::string(key));
  for (const Table::File& file : table.files) {
    const Md5Sum sum = Md5Of(file.content);
    artifact.files.push_back({file.path, Base64Of(sum),
                              (out.folder / "artifacts" / HexOf(sum)).string(),
                              file.content.size()});
  }
  artifact.digest = DigestOf(artifact.files);
  const std::string version = std::to_string(out.rows.journal()) + "\n" + artifact.run_id + "\n" +
                              artifact.name + "\n" + artifact.digest;
  artifact.client_id = ClientId("v" + version);
  artifact.sequence_client_id = ClientId("s" + version);
  return artifact;
}

// False: one of them has no place in the file system.
Expected<bool> WriteContents(const fs::path& run_folder, const std::string& run_file,
                             const Table& table, const WrittenArtifact& artifact) {
  Expected<bool> possible = WriteRunFile(run_folder / "files", run_file, table.run_file);
  for (size_t i = 0; possible && *possible && i < table.files.size(); ++i) {
    possible =
        WriteRunFile(run_folder / "artifacts", fs::path(artifact.files[i].local_path).filename(),
                     table.files[i].content);
  }
  return possible;
}

// A version that its name has already is not written again.
void AddArtifact(RunOutput& out, const WrittenArtifact& artifact) {
  std::string& last = out.artifacts[artifact.name];
  if (last == artifact.digest) return;
  constexpr size_t kMostRemembered = 1024;
  if (out.artifacts.size() > kMostRemembered) {
    out.artifacts.clear();
  } else {
    last = artifact.digest;
  }
  out.log.Add(
      [&](int64_t number, std::string& record) { AppendArtifact(number, artifact, record); });
}

// How a chart shows its table, which W&B's pages look for in the config.
void AddChart(RunOutput& out, const Value& chart) {
  if (chart.kind() != ValueKind::kMap) return;
  const std::string_view kind = TextOf(chart, "kind"), key = TextOf(chart, "key");
  if ((kind != "visualize" && kind != "viz") || key.empty()) return;
  out.log.Add([&, path = PathOf("_wandb") + PathOf(kind) + PathOf(key)](int64_t number,
                                                                        std::string& record) {
    AppendConfigAt(number, path, ToJson(chart.Find("value").value_or(Value())), record);
  });
}

// What a row or the summary says of the table.
JsonMembers MembersOf(const std::string& run_file, const Table& table,
                      const WrittenArtifact& artifact, const std::string& name) {
  const auto text = [](std::string_view value) { return ToJson(value); };
  const auto number = [](uint64_t value) { return ToJson(static_cast<int64_t>(value)); };
  const std::string place = "wandb-client-artifact://";
  return {{"_type", text("table-file")},
          {"ncols", number(table.columns)},
          {"nrows", number(table.rows)},
          {"log_mode", text(table.log_mode)},
          {"sha256", text(HexSha256(table.run_file))},
          {"size", number(table.run_file.size())},
          {"path", text(run_file)},
          {"artifact_path", text(place + artifact.client_id + "/" + name)},
          {"_latest_artifact_path", text(place + artifact.sequence_client_id + ":latest/" + name)}};
}

// The table, with its files on the disk and its records in the log. `number`: what stands in its
// file's name for the step. No members: it is none, and nothing was written.
Expected<JsonMembers> Store(RunOutput& out, std::string_view key, const Value& value,
                            const std::string& number) {
  const std::string name = SafeRelativePath(key, ".table.json").generic_string();
  std::string room;
  const auto rows = RowsOf(value, out.blobs, room);
  if (const std::optional<Error> failed = out.blobs.TakeFailure())
    return tl::unexpected<Error>(*failed);
  if (!rows) return JsonMembers();
  const std::optional<Table> table = ReadTable(name, value, *rows, out.blobs);
  if (!table) return JsonMembers();
  const std::string end =
      "_" + number + "_" + HexSha256(table->run_file).substr(0, 20) + ".table.json";
  const std::string run_file =
      (fs::path("media") / "table" / SafeRelativePath(key, end)).generic_string();
  const WrittenArtifact artifact = ArtifactOf(out, key, *table);
  const Expected<bool> possible = WriteContents(out.folder, run_file, *table, artifact);
  if (!possible) return Propagate(possible);
  if (!*possible) return JsonMembers();
  if (Expected<void> reopened = out.log.Reopen(); !reopened) return Propagate(reopened);
  AddChart(out, value.Find("chart").value_or(Value()));
  AddArtifact(out, artifact);
  out.log.Add([&](int64_t record_number, std::string& record) {
    AppendFile(record_number, run_file, nullptr, record);
  });
  return MembersOf(run_file, *table, artifact, name);
}

}  // namespace

bool IsTable(const Value& value) { return TextOf(value, "_type") == "table-file"; }

Expected<std::string> StoreTableForSummary(RunOutput& out, std::string_view key,
                                           const Value& value) {
  const Expected<JsonMembers> members = Store(out, key, value, "summary");
  if (!members) return Propagate(members);
  return members->empty() ? "null" : ObjectJson(*members);
}

Expected<bool> ApplyTable(RunOutput& out, uint64_t position, const Data& data,
                          Clock::time_point now) {
  const std::string path = PathOfMedia(data);
  if (path.empty()) return false;
  const std::string number =
      data.step ? std::to_string(*data.step) : "p" + std::to_string(position);
  const Expected<JsonMembers> members = Store(out, data.tag, data.value, number);
  if (!members) return Propagate(members);
  if (members->empty()) return false;
  for (const auto& [key, json] : *members) out.items.Put(path + PathOf(key), json);
  out.rows.left_out().Fit(out.items);
  out.rows.Add(position, data.step, TimeOf(data), out.items, now, WriterOf(data));
  return true;
}

}  // namespace flarebridge::wandb
