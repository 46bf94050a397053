// Who a run is in W&B: id, names, group and config, from what the bridge says of the run and from
// the user's arguments (NVFlare's wandb_args). The strings are those of NVFlare's WandBReceiver
// (nvflare/app_opt/tracking/wandb/wandb_receiver.py at 2.8.1); the id is ours. Pure; any thread.
#pragma once

#include <cstdint>
#include <string_view>

#include "events/run_spec.h"
#include "receivers/wandb/log/records.h"
#include "receivers/wandb/run/wandb_arguments.h"

namespace flarebridge::wandb {

// name "{site}-{job}-{run name}", group "{run name}-{job}", config.job_id, .client and .run_name;
// project, entity, notes, tags, job_type, config and id as given. The id is 16 characters of
// [a-z0-9], a hash of job, site, run name, the side if it is the client's, the user's `id` and the
// owner if there are any: the same after every restart, and different for the two sides of a job
// that streams on both (two logs of one id would be uploaded into one run). host, version and
// platform are left empty.
RunRecord IdentifyRun(const RunSpec& spec, const WandbArguments& arguments);

}  // namespace flarebridge::wandb
