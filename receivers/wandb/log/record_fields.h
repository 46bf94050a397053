// Field numbers of W&B's protobuf records that writer and reader share, from
// wandb/proto/wandb_internal.proto, read at version 0.28.3 and compared with files of 0.31.0; and
// the numbers of fields of ours. Only those who write and read records need them.
#pragma once

#include <cstdint>

namespace flarebridge::wandb {

// Record.
inline constexpr uint32_t kNum = 1, kHistory = 2, kSummary = 3, kConfig = 5, kFiles = 6, kStats = 7,
                          kOutputRaw = 13, kRun = 17, kExit = 18, kFinal = 20, kHeader = 21,
                          kEnvironment = 26, kAlert = 10, kMetric = 12, kArtifact = 8;
// Of Record, too, but not its content.
inline constexpr uint32_t kControl = 16, kUuid = 19, kInfo = 200;
// Ours, an AppliedMark: far from W&B's numbers, of which the highest is 200. Protobuf readers skip
// what they do not know.
inline constexpr uint32_t kApplied = 7301;
// Of a row whose step is a number of ours, because nothing of the run was logged with a step.
inline constexpr uint32_t kOwnNumber = 7303;
inline constexpr uint32_t kMarkJournal = 1, kMarkFloor = 2, kMarkPositions = 3;
// Ours too: the key of a tag, and what its tag has become.
inline constexpr uint32_t kTagChange = 7302;
inline constexpr uint32_t kTagKey = 1, kTagText = 2;
// Ours: a Checkpoint, the first field of the record that carries it, so that it is found without
// parsing others.
inline constexpr uint32_t kCheckpoint = 7304;
namespace checkpoint_field {  // and kApplied
// Another version is ignored: raise it when recovery has to know more. One of version 1 is of a
// time when nothing was known of metrics.
inline constexpr uint64_t kVersionNow = 2, kOldestVersion = 1;
inline constexpr uint32_t kVersion = 1, kRun = 2, kTagOfKey = 3, kTagsWait = 4, kLastStep = 5,
                          kFirstStep = 6, kRuntime = 7, kLastTime = 8, kJournal = 9, kMetric = 10,
                          kValues = 11, kStepMetric = 12, kByHand = 13;
// In kValues, kStepMetric and kByHand.
inline constexpr uint32_t kPath = 1, kMin = 2, kMax = 3, kTotal = 4, kCount = 5, kHasFirst = 6,
                          kFirst = 7, kSetByHand = 8, kName = 2, kJson = 3, kPosition = 2;
}  // namespace checkpoint_field

// HistoryItem, SummaryItem, ConfigItem and StatsItem alike.
inline constexpr uint32_t kKey = 1, kNestedKey = 2, kValueJson = 16;
// The lists of items in SummaryRecord and ConfigRecord.
inline constexpr uint32_t kUpdate = 1, kRemove = 2;

namespace timestamp_field {  // google/protobuf/timestamp.proto
inline constexpr uint32_t kSeconds = 1, kNanos = 2;
}
namespace run_field {  // RunRecord
inline constexpr uint32_t kRunId = 1, kEntity = 2, kProject = 3, kRunConfig = 4, kGroup = 6,
                          kJobType = 7, kDisplayName = 8, kNotes = 9, kTags = 10, kSweep = 12,
                          kHost = 13, kStartTime = 17, kTelemetry = 19, kGit = 21, kResume = 24;
// Ours: RunRecord::Side.
inline constexpr uint32_t kSide = 7305;
}  // namespace run_field
namespace git_field {  // GitRepoRecord
inline constexpr uint32_t kRemote = 1, kCommit = 2;
}
namespace history_field {  // HistoryRecord, and HistoryStep in it
inline constexpr uint32_t kItem = 1, kStep = 2, kStepNum = 1;
}
namespace files_field {  // FilesRecord, and FilesItem in it
inline constexpr uint32_t kFile = 1, kPath = 1;
}
namespace output_field {  // OutputRawRecord; types are STDERR 0, STDOUT 1
inline constexpr uint32_t kType = 1, kTime = 2, kLine = 3;
}
namespace stats_field {  // StatsRecord
inline constexpr uint32_t kTime = 2, kItem = 3;
}
namespace alert_field {  // AlertRecord
inline constexpr uint32_t kTitle = 1, kText = 2, kLevel = 3, kWaitDuration = 4;
}
namespace artifact_field {  // ArtifactRecord
inline constexpr uint32_t kRunId = 1, kProject = 2, kEntity = 3, kType = 4, kName = 5, kDigest = 6,
                          kAliases = 11, kManifest = 12, kFinalize = 14, kClientId = 15,
                          kSequenceClientId = 16, kDigestAlgorithm = 20;
// ArtifactManifest, StoragePolicyConfigItem and ArtifactManifestEntry.
inline constexpr uint32_t kManifestVersion = 1, kPolicy = 2, kPolicyConfig = 3, kContents = 4;
inline constexpr uint32_t kConfigKey = 1, kConfigJson = 2;
inline constexpr uint32_t kEntryPath = 1, kEntryDigest = 2, kEntrySize = 4, kEntryLocalPath = 6;
}  // namespace artifact_field
namespace exit_field {  // RunExitRecord
inline constexpr uint32_t kCode = 1, kRuntime = 2;
}

}  // namespace flarebridge::wandb
