#include "receivers/wandb/upload/run_claim.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "events/time_text.h"
#include "receivers/wandb/upload/line_buffer.h"
#include "receivers/wandb/upload/parts.h"
#include "receivers/wandb/upload/strict_json.h"

namespace flarebridge::wandb {
namespace {

using Json = nlohmann::json;

// W&B's server counts rows 2 to 4 s late.
constexpr std::chrono::seconds kLate{5};

Json Parse(const std::string& row) { return Json::parse(StrictJson(row), nullptr, false); }

// When a row was logged, in seconds since the epoch.
std::optional<double> TimeOf(const std::string& row) {
  const Json json = Parse(row);
  if (!json.is_object()) return std::nullopt;
  const auto time = json.find("_timestamp");
  if (time == json.end() || !time->is_number()) return std::nullopt;
  return time->get<double>();
}

tl::unexpected<Error> Refuse(uint64_t foreign, const std::string& why) {
  return Fail(ErrorCode::kForbidden,
              "the server has " + std::to_string(foreign) +
                  " rows of this run that come from no log here, and " + why +
                  ", so that it is not known which come first. Nothing was changed. Name the "
                  "run's other folders in the same command, so that all go up in order, or upload "
                  "this one to another project: --project NAME");
}

}  // namespace

bool IsSameRow(const std::string& one, const std::string& other) {
  if (one == other) return true;
  const Json a = Parse(one), b = Parse(other);
  return a.is_object() && a == b;
}

bool RunClaim::IsSettled(uint64_t rows, Time now) {
  if (rows_ != rows) {
    rows_ = rows;
    since_ = now;
  }
  due_ = since_ + kLate;
  return now >= due_;
}

Expected<std::optional<RunClaim::Lines>> RunClaim::Decide(const RunThere& there, const Local& local,
                                                          Time now) {
  const uint64_t rows = RowsIn(there.lines), explained = RowsIn(local.explained);
  if (!there.exists) {
    if (explained == 0) return std::optional(local.explained);
    return Fail(ErrorCode::kForbidden,
                "the server does not have this run, though earlier parts of it were uploaded "
                "there; upload all of them anew with --again");
  }
  existed_ = true;
  // A count that is short of what was confirmed is late.
  if (explained > 0 && rows <= explained) return std::optional(local.explained);
  if (rows > explained && !there.last_row.empty() &&
      IsSameRow(there.last_row, local.row(rows - 1))) {
    // An upload of these logs whose note is lost: the same lines go to the same places.
    return std::optional(local.explained);
  }
  return GoBehind(there, local, now);
}

Expected<std::optional<RunClaim::Lines>> RunClaim::GoBehind(const RunThere& there,
                                                            const Local& local, Time now) {
  const uint64_t rows = RowsIn(there.lines), explained = RowsIn(local.explained);
  if (!IsSettled(rows, now)) return std::optional<Lines>();
  if (rows > explained) {
    const std::optional<double> last = TimeOf(there.last_row);
    if (!last) return Refuse(rows - explained, "the last of them tells no time");
    if (local.start_time < *last)
      return Refuse(rows - explained, "the last of them was logged at " + UtcTimeText(*last) +
                                          " (UTC), after this log was begun");
  }
  Lines base = local.explained;
  for (const auto& [stream, count] : there.lines) base[stream] = std::max(base[stream], count);
  return std::optional(base);
}

}  // namespace flarebridge::wandb
