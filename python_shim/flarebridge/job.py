"""What NVFlare knows of the running job, over the versions 2.5 to 2.9. Used where a run starts and ends."""

import hashlib
import json
import os
import secrets
import time
from pathlib import Path

from nvflare.apis.fl_constant import ReservedKey
from nvflare.apis.fl_context import FLContext
from nvflare.apis.server_engine_spec import ServerEngineSpec

from .events import clean_name

_WAIT = "FLAREBRIDGE_WAIT"  # "written": a run's end takes as long as writing takes, within process_timeout
_WRITTEN_END = 2.0  # seconds
# What NVFlare's simulator calls every job.
_SIMULATED = "simulate_job"
_STARTED_FILE = ".flarebridge-job-start"


def is_server(fl_ctx: FLContext) -> bool:
    """True in the server's job process.

    The server's name says nothing: it is the project's name in production. Process types came with 2.6.
    """
    get_type = getattr(fl_ctx, "get_process_type", None)
    if get_type is not None:
        return get_type() == "SJ"
    return isinstance(fl_ctx.get_engine(), ServerEngineSpec)


def is_simulated(fl_ctx: FLContext) -> bool:
    """True in NVFlare's simulator."""
    return str(fl_ctx.get_job_id()) == _SIMULATED


def server_aborted(fl_ctx: FLContext) -> bool:
    """True at ABOUT_TO_END_RUN of a job that was aborted, on the server."""
    # The signal tells on the server, and only before the run's end: the simulator triggers it later for
    # a job that ended well, and a client for every end (server_runner.py, client_runner.py at 2.8.1).
    signal = fl_ctx.get_run_abort_signal()
    return is_server(fl_ctx) and bool(signal and signal.triggered)


def seconds_for_writing(left: float) -> float:
    """How long the run's end may wait until the runs are written, of the seconds that are left."""
    # Where this process ends all others, with a container, the bridge has no time behind it.
    all_of_it = os.getpid() == 1 or os.environ.get(_WAIT) == "written"
    return left if all_of_it else min(left, _WRITTEN_END)


def job_identity(fl_ctx: FLContext) -> tuple[str, str, str]:
    """The job's id, its name ("" if it has none), and what tells it from others of this id ("": nothing has to).

    The simulator's jobs all have one id; theirs is replaced by the second at which the job started, the
    same in all of its processes. Jobs of one second have different third parts.
    """
    meta = fl_ctx.get_prop(ReservedKey.JOB_META) or {}
    name = str(meta.get("name") or "") if isinstance(meta, dict) else ""
    job_id, instance = str(fl_ctx.get_job_id()), ""
    if job_id == _SIMULATED:
        job_id, instance = _simulated_start(fl_ctx)
    return job_id, name, instance


def _simulated_start(fl_ctx: FLContext) -> tuple[str, str]:
    # The simulator empties its workspace before each job, so the first process to come makes the file.
    # The workspace of the server and of each client is a folder of it.
    now = str(int(time.time()))
    root = Path(fl_ctx.get_engine().get_workspace().get_root_dir()).resolve().parent
    path = root / _STARTED_FILE
    try:
        draft = path.with_name(f"{path.name}-{os.getpid()}")
        draft.write_text(f"{now} {secrets.token_hex(8)}")
        try:
            os.link(draft, path)  # whole or not at all, and only for the first
        except FileExistsError:
            pass
        finally:
            draft.unlink()
        second, instance = path.read_text().split()
        return second, instance
    except (OSError, ValueError):
        return now, ""


def sites_of(fl_ctx: FLContext, server: bool) -> list[str]:
    """The sites that take part as far as they are known at START_RUN."""
    if not server:
        return [fl_ctx.get_identity_name()]
    return [client.name for client in fl_ctx.get_engine().get_clients() or []]


def result_folder(fl_ctx: FLContext) -> str:
    """The absolute folder below which runs are written: what NVFlare brings back with the job's results.

    A bridge outlives the job's process, and links that lead there may not.
    """
    workspace = fl_ctx.get_engine().get_workspace()
    job_id = fl_ctx.get_job_id()
    # get_result_root came with 2.6.
    find = getattr(workspace, "get_result_root", None) or workspace.get_run_dir
    return os.path.realpath(find(job_id))


def state_folder(fl_ctx: FLContext, side: str, receivers: dict) -> str:
    """The absolute folder for a bridge's journal and log; the same for the same job, side and arguments.

    So a process that is started again finds what an earlier one of its component has left.
    """
    identity = json.dumps([receivers, side], sort_keys=True, default=str)
    digest = hashlib.sha256(identity.encode()).hexdigest()[:8]
    run_dir = os.path.realpath(fl_ctx.get_engine().get_workspace().get_run_dir(fl_ctx.get_job_id()))
    site = "".join(
        c if c.isalnum() and c.isascii() or c in "-_." else "_" for c in clean_name(fl_ctx.get_identity_name())
    )
    return os.path.join(run_dir, "flarebridge", f"{side}-{site[:64]}-{digest}")
